//! A store that containerd does not hold, and cannot take.
//!
//! containerd opens meta.db and each snapshotter's metadata.db under an exclusive flock, and waits for it without end. Who
//! holds all of these has a stopped store, and keeps it stopped: a containerd that is started meanwhile waits.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::disk::Disk;
use super::run::RUNS;
use crate::scan::{META_DB, SNAPSHOTTER_PREFIX};

/// Why the locks could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Someone holds that database: a containerd runs on this root, or is about to.
    #[error("{}: held by a running containerd", .0.display())]
    Held(PathBuf),
    /// Another repair of this root is under way.
    #[error("another repair of this root is under way")]
    Repairing,
    /// The system refused.
    #[error("{}: {error}", .path.display())]
    System {
        /// What could not be opened or locked.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// The locks of all databases of a store. They end when this is dropped.
#[derive(Debug)]
pub struct LockedStore<'a> {
    disk: Disk<'a>,
    files: Vec<(PathBuf, std::fs::File)>,
    /// Keeps a second repair out; nobody else knows of it.
    _folder: std::os::fd::OwnedFd,
}

impl<'a> LockedStore<'a> {
    /// Takes the locks of all databases there are.
    ///
    /// # Errors
    /// [`LockError`]: none is held then.
    pub fn lock(disk: Disk<'a>) -> Result<LockedStore<'a>, LockError> {
        let folder = only_one(disk)?;
        let mut files = Vec::new();
        for path in databases(disk)? {
            let fail = |error: io::Error| LockError::System { path: path.clone(), error };
            let (dir, name) = match disk.parent(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(fail)?,
            };
            let Some(file) = dir.open_in_place(name).map_err(fail)? else { continue };
            if !lock(&file).map_err(fail)? {
                return Err(LockError::Held(path));
            }
            files.push((path, file));
        }
        Ok(LockedStore { disk, files, _folder: folder })
    }

    /// The root, which may be changed.
    #[must_use]
    pub fn disk(&self) -> Disk<'a> {
        self.disk
    }

    /// Holds the lock of a database that was not there before: made by a rebuild, and locked since.
    pub fn adopt(&mut self, path: PathBuf, file: std::fs::File) {
        self.files.push((path, file));
    }

    /// The open file of the database at `path`, below the root; `None` when there was none to lock.
    #[must_use]
    pub fn database(&self, path: &Path) -> Option<&std::fs::File> {
        self.files.iter().find(|(known, _)| known == path).map(|(_, file)| file)
    }
}

/// Keeps every other repair of this root out, live or not, until what it returns is dropped.
///
/// # Errors
/// [`LockError::Repairing`], or the folder cannot be made.
pub fn only_one(disk: Disk<'_>) -> Result<std::os::fd::OwnedFd, LockError> {
    let fail = |error: io::Error| LockError::System { path: RUNS.into(), error };
    let runs = disk.make_dirs(Path::new(RUNS), 0o700).map_err(fail)?;
    let fd = runs.folder().fd().try_clone_to_owned().map_err(fail)?;
    if lock(&fd).map_err(fail)? { Ok(fd) } else { Err(LockError::Repairing) }
}

/// Whether the lock could be had.
fn lock(file: &impl std::os::fd::AsFd) -> io::Result<bool> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Ok(false),
        other => Ok(other.map(|()| true)?),
    }
}

/// Where the databases of a store may be.
fn databases(disk: Disk<'_>) -> Result<Vec<PathBuf>, LockError> {
    let mut paths = vec![PathBuf::from(META_DB)];
    let each = &mut |entry: crate::io::Entry<'_>| {
        let name = entry.name.to_str().filter(|name| name.starts_with(SNAPSHOTTER_PREFIX));
        paths.extend(name.map(|name| Path::new(name).join("metadata.db")));
        Ok(())
    };
    let listed = disk.root().list(each);
    listed.map_err(|error| LockError::System { path: PathBuf::new(), error })?;
    Ok(paths)
}
