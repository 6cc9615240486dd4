//! Who changes a root does it alone; here is said who else is at work, and what could not be locked.

use std::path::Path;

use verifier_core::repair::disk::Disk;
use verifier_core::repair::{Exclusive, RepairError};
use verifier_core::sweep::StateDir;

use super::output::{Level, complain, remark};
use crate::exit::Status;
use crate::render::escape_path;

/// Takes the locks for `what`, or says who has one.
pub(super) fn take(disk: Disk<'_>, root: &Path, state: &StateDir, what: &str) -> Result<Exclusive, Status> {
    let exclusive = Exclusive::take(disk, root, Some(state), what).map_err(|error| explain(&error))?;
    tell(&exclusive, state);
    Ok(exclusive)
}

/// Says which lock could not be had.
pub(super) fn tell(exclusive: &Exclusive, state: &StateDir) {
    if let Some(error) = exclusive.state_error() {
        let folder = escape_path(state.folder());
        let line = format_args!("{folder}: {error}; going on without the lock that sweeps take");
        remark(Level::Warning, line);
    }
}

/// Says why there is no repair.
pub(super) fn explain(error: &RepairError) -> Status {
    complain(crate::words::trouble(error));
    Status::of_repair_error(error)
}
