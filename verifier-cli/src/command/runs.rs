//! Former repairs: listed, undone, deleted.

use std::io::{self, Write};

use verifier_core::repair::disk::Disk;
use verifier_core::repair::locked::{LockError, LockedStore, only_one};
use verifier_core::repair::{KeptRun, purge, runs, undo};

use super::output::{complain, print};
use crate::args::{Color, Format, RepairArgs};
use crate::exit::Status;
use crate::render::{count, escape, escape_path, size};

pub(super) fn run(args: &RepairArgs, disk: Disk<'_>, _color: Color) -> Status {
    match (&args.undo, &args.purge) {
        (Some(id), _) => undo_run(disk, id),
        (_, Some(id)) => purge_runs(disk, id),
        _ => list(args, disk),
    }
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
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, &kept)?;
            writeln!(out)
        }
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

fn undo_run(disk: Disk<'_>, id: &str) -> Status {
    if !is_name(id) || !matches!(runs(disk.root()), Ok(kept) if kept.iter().any(|run| run.id == id)) {
        complain(format_args!("no run '{}' is kept; --runs lists them", escape(id)));
        return Status::USAGE;
    }
    let locked = match LockedStore::lock(disk) {
        Ok(locked) => Some(locked),
        Err(LockError::Held(_)) => None,
        Err(error) => return failed(error),
    };
    let undone = match undo(disk, id, locked.as_ref()) {
        Ok(undone) => undone,
        Err(error) => return failed(error),
    };
    for (path, why) in &undone.left {
        complain(format_args!("not put back: {}: {}", escape_path(path), escape(why.to_string())));
    }
    let status = if undone.left.is_empty() { Status::CLEAN } else { Status::DAMAGED };
    print(status, |out| writeln!(out, "{} put back", count(undone.steps, "step")))
}

fn purge_runs(disk: Disk<'_>, id: &str) -> Status {
    let kept = match runs(disk.root()) {
        Ok(kept) => kept,
        Err(error) => return failed(error),
    };
    let wanted: Vec<&KeptRun> = kept.iter().filter(|run| id == "all" || run.id == id).collect();
    if wanted.is_empty() && id != "all" {
        complain(format_args!("no run '{}' is kept; --runs lists them", escape(id)));
        return Status::USAGE;
    }
    let _lock = match only_one(disk) {
        Ok(lock) => lock,
        Err(error) => return failed(error),
    };
    for run in &wanted {
        if let Err(error) = purge(disk, &run.id) {
            return failed(error);
        }
    }
    let bytes = wanted.iter().map(|run| run.size_bytes).sum();
    print(Status::CLEAN, |out| {
        writeln!(out, "{} deleted, {}", count(wanted.len() as u64, "run"), size(bytes))
    })
}
