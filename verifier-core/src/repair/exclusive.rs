//! Who changes a root does it alone: no other repair of the root, and no sweep of it.

use std::io;
use std::path::Path;

use super::quarantine::disk::Disk;
use super::repair_error::RepairError;
use super::rows::locked::{self, Alone};
use crate::state::{Lock, LockError, StateDir};

/// The locks of one who changes a root, for as long as it lives: first the state folder's, then the root's own.
#[derive(Debug)]
pub struct Exclusive {
    alone: Alone,
    state: Option<(StateDir, Lock)>,
    state_error: Option<io::Error>,
}

impl Exclusive {
    /// Takes both for `what`. A state folder that cannot be written keeps nobody from repairing: no sweep can begin on it then
    /// either.
    ///
    /// # Errors
    /// [`RepairError::Busy`] and [`RepairError::Lock`].
    pub fn take(
        disk: Disk<'_>,
        root: &Path,
        state: Option<&StateDir>,
        what: &str,
    ) -> Result<Exclusive, RepairError> {
        let locked = |state: &StateDir| {
            state.make(root)?;
            Ok((state.clone(), state.lock(what)?))
        };
        let (state, state_error) = match state.map(locked) {
            None => (None, None),
            Some(Ok(locked)) => (Some(locked), None),
            Some(Err(LockError::Io(error))) => (None, Some(error)),
            Some(Err(LockError::Held(holder))) => return Err(RepairError::Busy(holder)),
        };
        let alone = Alone::take(disk, what).map_err(|error| named(root, error))?;
        Ok(Exclusive { alone, state, state_error })
    }

    /// The root's own lock: every repair takes it, whatever name the root was given.
    #[must_use]
    pub fn alone(&self) -> &Alone {
        &self.alone
    }

    /// Why the state folder's lock, which sweeps take, could not be had.
    #[must_use]
    pub fn state_error(&self) -> Option<&io::Error> {
        self.state_error.as_ref()
    }

    pub(super) fn state(&self) -> Option<&(StateDir, Lock)> {
        self.state.as_ref()
    }
}

/// The error, with its path as the root was named.
pub(super) fn named(root: &Path, error: locked::LockError) -> locked::LockError {
    match error {
        locked::LockError::Held(path) => locked::LockError::Held(root.join(path)),
        locked::LockError::System { path, error } => {
            locked::LockError::System { path: root.join(path), error }
        }
        busy => busy,
    }
}
