//! Who changes a root does it alone: no other repair of the root, and no sweep of it.

use std::path::Path;

use verifier_core::repair::disk::Disk;
use verifier_core::repair::locked;
use verifier_core::sweep::{Lock, LockError, StateDir};

use super::output::{Level, complain, remark};
use crate::exit::Status;
use crate::render::{escape, escape_path};

/// The locks of one who changes a root, for as long as it lives.
pub(super) struct Alone {
    /// The root's own: every repair takes it, whatever name the root was given.
    pub(super) root: locked::Alone,
    /// The state folder's, which sweeps take, and the folder; `None` where it cannot be written.
    pub(super) state: Option<(StateDir, Lock)>,
}

impl Alone {
    /// Takes both for `what`, or says who has one. A state folder that cannot be written keeps nobody from repairing: no
    /// sweep can begin on it then either.
    pub(super) fn take(disk: Disk<'_>, root: &Path, state: StateDir, what: &str) -> Result<Alone, Status> {
        let lock = match state.make(root).map_err(LockError::Io).and_then(|()| state.lock(what)) {
            Ok(lock) => Some(lock),
            Err(LockError::Io(error)) => {
                let folder = escape_path(state.folder());
                let line = format_args!("{folder}: {error}; going on without the lock that sweeps take");
                remark(Level::Warning, line);
                None
            }
            Err(held) => {
                complain(escape(held.to_string()));
                return Err(Status::INCOMPLETE);
            }
        };
        let root = locked::Alone::take(disk, what).map_err(|error| {
            complain(escape(error.to_string()));
            Status::INCOMPLETE
        })?;
        Ok(Alone { root, state: lock.map(|lock| (state, lock)) })
    }
}
