//! Does a containerd hold this store?

use serde::Serialize;

use crate::io::LockState;

/// Whether a containerd holds the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// No process holds the databases' locks.
    Stopped,
    /// A process holds them, or it cannot be told.
    Live,
}

/// By the lock of meta.db. When it cannot be told, [`Mode::Live`]: the careful one.
impl From<LockState> for Mode {
    fn from(meta_db: LockState) -> Mode {
        match meta_db {
            LockState::Free => Mode::Stopped,
            LockState::Held { .. } | LockState::CannotTell { .. } => Mode::Live,
        }
    }
}
