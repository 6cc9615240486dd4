//! `status`: how far sweeps have come.

use std::path::{Path, PathBuf};

use verifier_core::sweep::{Ledger, StateDir, backups, runs};
use verifier_core::time::Timestamp;
use verifier_core::{OpenError, Store, layout};

use super::check::explain_open_error;
use super::output::print;
use super::sweep::{failed, place};
use crate::args::{Format, StatusArgs};
use crate::exit::Status;
use crate::render::{npd, status};

/// Tells what the state dir knows; looks at no content.
pub(super) fn run(args: &StatusArgs) -> Status {
    let (root, state) = match place(&args.place).and_then(there) {
        Ok(place) => place,
        Err(status) if args.monitor.npd => return npd::exit(status),
        Err(status) => return status,
    };
    let ledger = Ledger::read(&state);
    let known = runs(&state);
    let databases = backups::databases(&state);
    let copies = databases
        .iter()
        .filter_map(|name| backups::list(&state, name).into_iter().next().map(|one| (name.clone(), one)));
    let now = Timestamp::now().seconds;
    let summary =
        status::Summary::new(&root, &ledger, known, copies.collect(), quarantined(&root), args.every, now);
    let result = match (summary.is_damaged(), summary.is_known()) {
        (true, _) => Status::DAMAGED,
        (false, true) => Status::CLEAN,
        (false, false) => Status::INCOMPLETE,
    };
    let result = result | summary.write_metrics(&args.monitor);
    if args.monitor.npd {
        return npd::exit(print(result, |out| summary.write_npd(out)));
    }
    print(result, |out| match args.format {
        Format::Human => summary.write_human(out),
        Format::Json => summary.write_json(out),
    })
}

/// A state folder that may be read: else it would seem that nothing was ever done. Of a root that it knows nothing of it is
/// asked whether it is there; others need not be in sight.
fn there((root, state): (PathBuf, StateDir)) -> Result<(PathBuf, StateDir), Status> {
    match std::fs::read_dir(state.folder()) {
        Ok(_) => return Ok((root, state)),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(failed(state.folder(), &error));
        }
        Err(_) => {}
    }
    match Store::open(&root) {
        Err(error @ (OpenError::NotFound(_) | OpenError::NotAFolder(_))) => {
            Err(explain_open_error(&root, &error))
        }
        _ => Ok((root, state)),
    }
}

/// The runs of `repair` whose quarantine is still there.
fn quarantined(root: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(root.join(layout::RUNS)) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
