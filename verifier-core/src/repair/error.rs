//! Why an action was not carried out.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use super::act::evict::EvictError;
use super::act::rebuild::RebuildError;
use super::act::replace::ReplaceError;
use super::act::restore::{Refused, RestoreError};
use crate::bolt::CommitError;

/// Why an action was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// A blob could not be replaced.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    /// A snapshot could not be restored.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// Something could not be taken out.
    #[error(transparent)]
    Evict(#[from] EvictError),
    /// A database could not be rebuilt.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// containerd's API refused, or could not be reached.
    #[cfg(feature = "live")]
    #[error(transparent)]
    Api(#[from] crate::live::LiveError),
    /// containerd keeps snapshots that containers use.
    #[error("in use: snapshots {}; by containers {}", .snapshots.join(", "), .containers.join(", "))]
    InUse {
        /// The snapshots' keys.
        snapshots: Vec<String>,
        /// The containers' ids.
        containers: Vec<String>,
    },
    /// It was asked for together with others, and one of those failed: it is done in part, or not at all.
    #[error("not done as a whole: another action that was done with it failed")]
    Together,
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// An action failed for want of something that the system refused.
    #[error("{}: {source}", .path.display())]
    At {
        /// What it was done to, as the root was named.
        path: PathBuf,
        /// Why.
        source: Box<ApplyError>,
    },
    /// The source that the plan names was not given.
    #[error("no such source: {0}")]
    NoSource(String),
    /// Not done while containerd holds the store.
    #[error("containerd must be stopped for it")]
    MustBeStopped,
    /// The run was asked to stop before.
    #[error("stopped before it")]
    Interrupted,
}

impl ApplyError {
    /// The number of the system's error that is behind it, if one is.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            ApplyError::At { source, .. } => source.errno(),
            ApplyError::Restore(RestoreError::Left { left, .. }) => match left.first()?.why {
                Refused::Immutable => Some(Errno::PERM.raw_os_error()),
                Refused::System { errno } => Some(errno),
                _ => None,
            },
            ApplyError::Restore(RestoreError::System { source: error, .. })
            | ApplyError::Replace(ReplaceError::Io(error))
            | ApplyError::Evict(EvictError::Io(error))
            | ApplyError::Rebuild(RebuildError::Io(error))
            | ApplyError::Io(error) => error.raw_os_error(),
            ApplyError::Evict(EvictError::Rows(error)) | ApplyError::Rebuild(RebuildError::Commit(error)) => {
                match error {
                    CommitError::Io(error) | CommitError::Unknown(error) => error.raw_os_error(),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// With the path, where the error itself names none.
    pub(super) fn at(self, path: PathBuf) -> ApplyError {
        let names_one = matches!(self, ApplyError::At { .. } | ApplyError::Restore(_));
        if names_one || self.errno().is_none() {
            return self;
        }
        ApplyError::At { path, source: Box::new(self) }
    }
}
