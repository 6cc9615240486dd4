//! Leaving the mark of a clean shutdown: it must vouch for nothing that was not on the disk.

use std::io;

use super::life::{Moment, write_stamp};
use crate::plan::Stamp;
use crate::scan::scan;
use crate::state::{Lock, StateDir};
use crate::store::Store;

/// Why no mark was left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StampError {
    /// There is nothing to vouch for.
    #[error("containerd holds this root, or a database cannot be read: no mark is left")]
    NotStopped,
    /// What was committed meanwhile was not synced.
    #[error("a database changed during the shutdown: no mark is left")]
    Changed,
    /// The file system of the root could not be synced.
    #[error("{}: {error}", .path.display())]
    System {
        /// The root, or the state folder.
        path: std::path::PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Syncs the file system of a root that no containerd holds, and leaves the mark. `lock` proves that no other run is at work.
///
/// # Errors
/// [`StampError`]: then there is no new mark.
pub fn leave_stamp(store: &Store, state: &StateDir, lock: &Lock, now: &Moment) -> Result<(), StampError> {
    let _ = lock;
    let stamp = || Stamp::of(&scan(store, &Default::default()), &now.boot_id).ok_or(StampError::NotStopped);
    let before = stamp()?;
    let fail = |path: &std::path::Path, error| StampError::System { path: path.into(), error };
    rustix::fs::syncfs(store.folder().fd()).map_err(|error| fail(store.root(), error.into()))?;
    // Whatever was committed meanwhile was not synced by us.
    if stamp()?.databases != before.databases {
        return Err(StampError::Changed);
    }
    write_stamp(state, &before).map_err(|error| fail(state.folder(), error))
}
