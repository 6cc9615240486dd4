//! Former repairs: listed, undone, deleted.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use verifier_core::repair::disk::Disk;
use verifier_core::repair::locked::{LockError, LockedStore};
use verifier_core::repair::{Exclusive, JournalFault, KeptRun, Undone, purge, runs, strays, undo};

use super::output::{complain, print};
use crate::args::{Format, RepairArgs};
use crate::exit::Status;
use crate::render::{count, escape, escape_path, size, write_json};

/// The version of the documents' shapes.
const SCHEMA: u32 = 1;

pub(super) fn run(args: &RepairArgs, disk: Disk<'_>, root: &Path) -> Status {
    let alone = |what| super::alone::take(disk, root, &args.at_risk.state.of(root), what);
    let done = match (&args.undo, &args.purge) {
        (Some(id), _) => undo_run(args, disk, id, || alone("repair --undo")),
        (_, Some(id)) => purge_runs(args, disk, id, || alone("repair --purge")),
        _ => list(args, disk),
    };
    done.unwrap_or_else(|status| status)
}

fn failed(error: impl std::fmt::Display) -> Status {
    complain(escape(error.to_string()));
    Status::INCOMPLETE
}

fn list(args: &RepairArgs, disk: Disk<'_>) -> Result<Status, Status> {
    let kept = runs(disk.root()).map_err(failed)?;
    let mut status = Status::CLEAN;
    for stray in strays(disk.root()).map_err(failed)? {
        let name = escape_path(Path::new(&stray.name));
        complain(format_args!("among the runs, and none: {name}, a {}; it is left as it is", stray.kind));
        status = Status::INCOMPLETE;
    }
    Ok(print(status, |out| match args.format {
        Format::Json => write_json(out, &kept),
        Format::Human => write_runs(out, &kept),
    }))
}

fn write_runs(out: &mut dyn Write, kept: &[KeptRun]) -> io::Result<()> {
    for run in kept {
        write_run(out, run)?;
    }
    writeln!(out, "{} kept, {}", count(kept.len() as u64, "run"), size(bytes_of(kept)))
}

fn write_run(out: &mut dyn Write, run: &KeptRun) -> io::Result<()> {
    let outcome = match (&run.outcome, run.undone) {
        (_, true) => "undone",
        (Some(outcome), _) => outcome.as_str(),
        (None, _) => "cut off",
    };
    let (items, bytes) = (count(run.items, "item"), size(run.size_bytes));
    let fault = run.journal.as_ref().map(|fault| format!("; {fault}")).unwrap_or_default();
    writeln!(out, "{}  {}  {items}, {bytes}{}", escape(&run.id), escape(outcome), escape(fault))
}

fn bytes_of(kept: &[KeptRun]) -> u64 {
    kept.iter().map(|run| run.size_bytes).sum()
}

/// The run that `name` means: its name, the beginning of it, or `last`.
fn find<'k>(kept: &'k [KeptRun], name: &str) -> Result<&'k KeptRun, Status> {
    let mut found = kept.iter().filter(|run| !name.is_empty() && run.id.starts_with(name));
    let exact = kept.iter().find(|run| run.id == name);
    let last = kept.last().filter(|_| name == "last");
    match (exact.or(last), found.next(), found.next()) {
        (Some(run), _, _) | (None, Some(run), None) => Ok(run),
        (None, Some(_), Some(_)) => {
            complain(format_args!("several runs begin with '{}'; --runs lists them", escape(name)));
            Err(Status::USAGE)
        }
        (None, None, _) => {
            complain(format_args!("no run '{}' is kept; --runs lists them", escape(name)));
            Err(Status::USAGE)
        }
    }
}

#[derive(Serialize)]
struct UndoDocument<'a> {
    schema: u32,
    run: &'a str,
    was_undone: bool,
    steps: u64,
    left: Vec<LeftItem>,
    journal: Option<&'a JournalFault>,
}

#[derive(Serialize)]
struct LeftItem {
    path: String,
    why: String,
}

fn undo_run(
    args: &RepairArgs,
    disk: Disk<'_>,
    name: &str,
    alone: impl FnOnce() -> Result<Exclusive, Status>,
) -> Result<Status, Status> {
    let kept = runs(disk.root()).map_err(failed)?;
    let id = find(&kept, name)?.id.as_str();
    let alone = alone()?;
    let locked = match LockedStore::lock(disk, alone.alone()) {
        Ok(locked) => Some(locked),
        Err(LockError::Held(_)) => None,
        Err(error) => return Err(failed(error)),
    };
    let undone = undo(disk, id, locked.as_ref()).map_err(failed)?;
    for (path, why) in &undone.left {
        complain(format_args!("not put back: {}: {}", escape_path(path), escape(why.to_string())));
    }
    let mut status = if undone.left.is_empty() { Status::CLEAN } else { Status::DAMAGED };
    if let Some(fault) = &undone.journal_fault {
        let line = format_args!("{}: {fault}; what it does not tell for certain is not put back", escape(id));
        complain(line);
        status = status | Status::INCOMPLETE;
    }
    Ok(print(status, |out| match args.format {
        Format::Json => write_json(out, &undo_document(id, &undone)),
        Format::Human if undone.was_undone => writeln!(out, "{} was undone already", escape(id)),
        Format::Human => writeln!(out, "{} put back", count(undone.steps, "step")),
    }))
}

fn undo_document<'a>(run: &'a str, undone: &'a Undone) -> UndoDocument<'a> {
    let item = |(path, why): &(std::path::PathBuf, verifier_core::repair::Left)| LeftItem {
        path: path.to_string_lossy().into_owned(),
        why: why.to_string(),
    };
    UndoDocument {
        schema: SCHEMA,
        run,
        was_undone: undone.was_undone,
        steps: undone.steps,
        left: undone.left.iter().map(item).collect(),
        journal: undone.journal_fault.as_ref(),
    }
}

#[derive(Serialize)]
struct PurgeDocument<'a> {
    schema: u32,
    /// Without --yes it is only shown.
    deleted: bool,
    runs: &'a [KeptRun],
    size_bytes: u64,
}

fn purge_runs(
    args: &RepairArgs,
    disk: Disk<'_>,
    name: &str,
    alone: impl FnOnce() -> Result<Exclusive, Status>,
) -> Result<Status, Status> {
    let mut wanted = runs(disk.root()).map_err(failed)?;
    if name != "all" {
        wanted = vec![find(&wanted, name)?.clone()];
    }
    let mut status = Status::CLEAN;
    if args.yes {
        let _alone = alone()?;
        wanted.retain(|run| match purge(disk, &run.id) {
            Ok(()) => true,
            Err(error) => {
                complain(format_args!("{}: {}", escape(&run.id), escape(error.to_string())));
                status = Status::INCOMPLETE;
                false
            }
        });
    }
    let size_bytes = bytes_of(&wanted);
    let counted = format!("{}, {}", count(wanted.len() as u64, "run"), size(size_bytes));
    Ok(print(status, |out| match args.format {
        Format::Json => {
            write_json(out, &PurgeDocument { schema: SCHEMA, deleted: args.yes, runs: &wanted, size_bytes })
        }
        Format::Human if args.yes => writeln!(out, "{counted} deleted"),
        Format::Human => {
            wanted.iter().try_for_each(|run| write_run(out, run))?;
            writeln!(out, "{counted} would be deleted for good; --yes does it")
        }
    }))
}
