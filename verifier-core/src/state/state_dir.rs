//! Where sweeps keep what they know of a root, and who may write there.
//!
//! ```text
//! <state-dir>/roots/<root id>/root         the root's path
//!                            /lock         held by who writes here: `<pid> <what it does>`
//!                            /heartbeat    when the machine was last known to live
//!                            /stamp        the mark of a clean shutdown
//!                            /doubt        is there where the ledger must not be relied on
//!                            /ledger       what was verified when, a line each
//!                            /runs         the last runs, a line each
//!                            /backups/<database>/<seconds>-<txid>-<keys>.zst
//! ```
//!
//! The root id is the first 16 hex digits of the SHA-256 of the root's path with all links followed. Everything but the ledger's
//! lines is written to a name of its own, synced, renamed into place, and the folder synced.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use crate::io::{Holder, hold, open_file, read_file, write_file};

/// What is known of one root between runs.
#[derive(Debug, Clone)]
pub struct StateDir {
    folder: PathBuf,
}

/// The right to change a [`StateDir`], for as long as it lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why a [`StateDir`] could not be locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody else is at work.
    #[error("{0}")]
    Held(Holder),
    /// The system says otherwise.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl StateDir {
    /// Where it usually is.
    pub const DEFAULT: &str = "/var/lib/containerd-fsck";

    /// What `state_dir` keeps of the store at `root`. Nothing is made yet.
    #[must_use]
    pub fn new(state_dir: &Path, root: &Path) -> StateDir {
        let path = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
        let id = hex::encode(Sha256::digest(path.as_os_str().as_bytes()));
        StateDir { folder: state_dir.join("roots").join(id.get(..16).unwrap_or(&id)) }
    }

    /// The folder itself.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the folder, readable by its owner only, and notes which root it is of.
    ///
    /// # Errors
    /// What the system says.
    pub fn make(&self, root: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let path = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
        if self.read("root").ok().flatten().as_deref() != Some(path.as_os_str().as_bytes()) {
            self.write("root", path.as_os_str().as_bytes())?;
        }
        Ok(())
    }

    /// Takes the lock, saying `what` is being done; never waits.
    ///
    /// # Errors
    /// [`LockError::Held`] names who holds it.
    pub fn lock(&self, what: &str) -> Result<Lock, LockError> {
        let path = self.folder.join("lock");
        let mut file = open_file(&path, OFlags::RDWR | OFlags::CREATE)?;
        match hold(&mut file, what)? {
            Ok(()) => Ok(Lock { _file: file }),
            Err(holder) => Err(LockError::Held(holder)),
        }
    }

    /// The bytes of the file `name`, or `None` where there is none.
    ///
    /// # Errors
    /// What the system says; a file of more than 64 MiB is none of ours.
    pub fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        const LIMIT: u64 = 64 << 20;
        read_file(&self.folder.join(name), LIMIT)
    }

    /// Puts `bytes` in the place of the file `name`: all of it or nothing, also through a power cut.
    ///
    /// # Errors
    /// What the system says; the old file is untouched then.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        write_file(&self.folder.join(name), 0o600, bytes)
    }

    /// Takes the file `name` out of the way if it cannot be used, for someone to look at: `<name>.damaged`.
    pub fn set_aside(&self, name: &str) {
        let _ = fs::rename(self.folder.join(name), self.folder.join(format!("{name}.damaged")));
    }

    /// Removes the file `name`.
    ///
    /// # Errors
    /// What the system says, except that there is no such file.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => File::open(&self.folder)?.sync_all(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> (tempfile::TempDir, StateDir) {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::new(folder.path(), Path::new("/var/lib/containerd"));
        state.make(Path::new("/var/lib/containerd")).unwrap();
        (folder, state)
    }

    #[test]
    fn the_second_is_told_who_is_first() {
        let (_folder, state) = state();
        let first = state.lock("sweep").unwrap();
        let Err(LockError::Held(holder)) = state.lock("repair") else { panic!("two locks") };
        assert_eq!((holder.pid, holder.what.as_str()), (std::process::id(), "sweep"));
        drop(first);
        state.lock("repair").unwrap();
    }

    #[test]
    fn files_are_replaced_as_a_whole() {
        let (_folder, state) = state();
        assert_eq!(state.read("x").unwrap(), None);
        state.write("x", b"one").unwrap();
        state.write("x", b"two").unwrap();
        assert_eq!(state.read("x").unwrap().as_deref(), Some(b"two".as_slice()));
        state.set_aside("x");
        assert_eq!(state.read("x").unwrap(), None);
        assert_eq!(state.read("x.damaged").unwrap().as_deref(), Some(b"two".as_slice()));
        std::fs::create_dir(state.folder().join("x")).unwrap();
        assert!(state.read("x").is_err() && state.write("x", b"three").is_err());
        let left = std::fs::read_dir(state.folder()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(left.filter(|name| name.to_string_lossy().ends_with(".new")).next().is_none());
    }
}
