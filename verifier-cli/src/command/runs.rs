//! Former repairs: listed, undone, deleted.

use std::io::{self, Write};
use std::path::Path;

use verifier_core::repair::disk::Disk;
use verifier_core::repair::locked::{LockError, LockedStore};
use verifier_core::repair::{Exclusive, KeptRun, runs};
use verifier_core::repair::{purge, undo};

use super::output::{complain, print};
use crate::args::{Format, RepairArgs};
use crate::exit::Status;
use crate::render::{count, escape, escape_path, size, write_json};

pub(super) fn run(args: &RepairArgs, disk: Disk<'_>, root: &Path) -> Status {
    let alone = |what| super::alone::take(disk, root, &args.at_risk.state.of(root), what);
    let done = match (&args.undo, &args.purge) {
        (Some(id), _) => undo_run(disk, id, || alone("repair --undo")),
        (_, Some(id)) => purge_runs(disk, id, || alone("repair --purge")),
        _ => Ok(list(args, disk)),
    };
    done.unwrap_or_else(|status| status)
}

fn failed(error: impl std::fmt::Display) -> Status {
    complain(escape(error.to_string()));
    Status::INCOMPLETE
}

fn list(args: &RepairArgs, disk: Disk<'_>) -> Status {
    let kept = match runs(disk.root()) {
        Ok(kept) => kept,
        Err(error) => return failed(error),
    };
    print(Status::CLEAN, |out| match args.format {
        Format::Json => write_json(out, &kept),
        Format::Human => write_runs(out, &kept),
    })
}

fn write_runs(out: &mut dyn Write, kept: &[KeptRun]) -> io::Result<()> {
    for run in kept {
        let outcome = match (&run.outcome, run.undone) {
            (_, true) => "undone",
            (Some(outcome), _) => outcome.as_str(),
            (None, _) => "cut off",
        };
        let (items, bytes) = (count(run.items, "item"), size(run.size_bytes));
        writeln!(out, "{}  {}  {items}, {bytes}", escape(&run.id), escape(outcome))?;
    }
    let bytes = kept.iter().map(|run| run.size_bytes).sum();
    writeln!(out, "{} kept, {}", count(kept.len() as u64, "run"), size(bytes))
}

fn is_name(id: &str) -> bool {
    !id.is_empty() && id != "." && id != ".." && !id.contains('/')
}

fn undo_run(
    disk: Disk<'_>,
    id: &str,
    alone: impl FnOnce() -> Result<Exclusive, Status>,
) -> Result<Status, Status> {
    if !is_name(id) || !matches!(runs(disk.root()), Ok(kept) if kept.iter().any(|run| run.id == id)) {
        complain(format_args!("no run '{}' is kept; --runs lists them", escape(id)));
        return Err(Status::USAGE);
    }
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
    let status = if undone.left.is_empty() { Status::CLEAN } else { Status::DAMAGED };
    Ok(print(status, |out| writeln!(out, "{} put back", count(undone.steps, "step"))))
}

fn purge_runs(
    disk: Disk<'_>,
    id: &str,
    alone: impl FnOnce() -> Result<Exclusive, Status>,
) -> Result<Status, Status> {
    let kept = runs(disk.root()).map_err(failed)?;
    let wanted: Vec<&KeptRun> = kept.iter().filter(|run| id == "all" || run.id == id).collect();
    if wanted.is_empty() && id != "all" {
        complain(format_args!("no run '{}' is kept; --runs lists them", escape(id)));
        return Err(Status::USAGE);
    }
    let _alone = alone()?;
    for run in &wanted {
        purge(disk, &run.id).map_err(failed)?;
    }
    let bytes = wanted.iter().map(|run| run.size_bytes).sum();
    Ok(print(Status::CLEAN, |out| {
        writeln!(out, "{} deleted, {}", count(wanted.len() as u64, "run"), size(bytes))
    }))
}
