//! `stamp`: the mark of a clean shutdown. `guard`: whether containerd may start.

use verifier_core::finding::Depth;
use verifier_core::sweep::{Moment, beat, leave_stamp};
use verifier_core::{CheckOptions, Store};

use super::output::complain;
use super::sweep::{failed, lock, place};
use crate::args::{PlaceArgs, StampArgs};
use crate::exit::Status;
use crate::render::{Progress, escape};

/// Syncs the file system of a root that no containerd holds, and leaves the mark.
pub(super) fn run(args: &StampArgs) -> Status {
    write(args).err().unwrap_or(Status::CLEAN)
}

fn write(args: &StampArgs) -> Result<(), Status> {
    let (root, state) = place(&args.place)?;
    state.make(&root).map_err(|error| failed(state.folder(), &error))?;
    let lock = lock(&state, "stamp")?;
    let now = Moment::now().map_err(|error| failed("/proc".as_ref(), &error))?;
    let beaten = beat(&state, &now);
    if args.begin {
        return beaten.map_err(|error| failed(state.folder(), &error));
    }
    let store = Store::open(&root).map_err(|error| {
        complain(escape(error.to_string()));
        Status::of_open_error(&error)
    })?;
    leave_stamp(&store, &state, &lock, &now).map_err(|error| {
        complain(escape(error.to_string()));
        Status::INCOMPLETE
    })
}

/// Fails if starting containerd would destroy data, and for no other reason.
pub(super) fn guard(args: &PlaceArgs) -> Status {
    let Ok((root, _)) = place(args) else { return Status::CLEAN };
    let (options, progress) = (CheckOptions::default().depth(Depth::Quick), Progress::new(false));
    let report = super::check::check_root(&root, &options, &progress, &Default::default());
    match report {
        Ok(report) if report.must_not_start() => {
            complain("starting containerd on this root would destroy the data that is still there");
            Status::DAMAGED
        }
        _ => Status::CLEAN,
    }
}
