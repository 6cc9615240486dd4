//! Whether a containerd holds a root.

use std::io::ErrorKind;
use std::path::Path;

use super::Machine;
use crate::io::locks::lock_state;
use crate::io::{Folder, Gate, LockState, Unseen};
use crate::layout;

/// What a root is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// A process holds the lock on meta.db.
    InUse {
        /// The process, where the system tells.
        pid: Option<u32>,
    },
    /// No process holds it.
    Stopped,
    /// It cannot be told whether one does.
    Unknown {
        /// Why.
        why: Unseen,
    },
    /// Nothing of containerd's is in it.
    Empty,
    /// It may not be read.
    Unreadable,
}

/// The state of the root at the canonical `path`: by the same lock as a check tells it.
pub(super) fn state(machine: &Machine, path: &Path) -> State {
    let Ok(root) = Folder::open_root(&machine.real(path), Gate::default()) else { return State::Unreadable };
    match layout::is_root(&root) {
        Err(_) => return State::Unreadable,
        Ok(false) => return State::Empty,
        Ok(true) => {}
    }
    match lock_state(&root, layout::META_DB) {
        LockState::Free => State::Stopped,
        LockState::Held { pid } => State::InUse { pid },
        LockState::CannotTell { why: Unseen::Unreadable { errno } }
            if std::io::Error::from_raw_os_error(errno).kind() == ErrorKind::PermissionDenied =>
        {
            State::Unreadable
        }
        LockState::CannotTell { why } => State::Unknown { why },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_root_is_doing() {
        let mount = tempfile::tempdir().unwrap();
        let at = |path: &str| mount.path().join(path);
        std::fs::create_dir_all(at("empty/lost+found")).unwrap();
        std::fs::create_dir_all(at("r/io.containerd.metadata.v1.bolt")).unwrap();
        std::fs::create_dir_all(at("linked/io.containerd.metadata.v1.bolt")).unwrap();
        std::os::unix::fs::symlink("/dev/null", at("linked").join(layout::META_DB)).unwrap();
        let machine = Machine::at(mount.path());
        assert_eq!(state(&machine, Path::new("/empty")), State::Empty);
        assert_eq!(state(&machine, Path::new("/no")), State::Unreadable);
        assert_eq!(state(&machine, Path::new("/r")), State::Stopped, "no meta.db");
        assert_eq!(state(&machine, Path::new("/linked")), State::Unknown { why: Unseen::Linked });
    }
}
