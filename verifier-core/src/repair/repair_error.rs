//! Why a repair stopped.

use std::io;
use std::path::PathBuf;

use super::rows::locked::LockError;
use super::source::SourceError;
use crate::io::Holder;
use crate::plan::CheckError;

/// Why a repair stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// A sweep, or another repair, is at work on the root.
    #[error("{0}")]
    Busy(Holder),
    /// The locks could not be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The store could not be looked at.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// A source could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The plan needs containerd's API.
    #[cfg(feature = "live")]
    #[error(transparent)]
    Api(#[from] crate::live::LiveError),
    /// The run's folder could not be made or written, so nothing was done; or what was done could not be synced.
    #[error("{}: {error}", .path.display())]
    Run {
        /// The folder of runs.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl RepairError {
    /// The number of the system's error that is behind it, if one is.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            RepairError::Run { error, .. } | RepairError::Lock(LockError::System { error, .. }) => {
                error.raw_os_error()
            }
            _ => None,
        }
    }
}
