//! A store that containerd does not hold, and cannot take.
//!
//! containerd opens meta.db and each snapshotter's metadata.db under an exclusive flock, and waits for it without end. Who
//! holds all of these has a stopped store, and keeps it stopped: a containerd that is started meanwhile waits.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::io::{FileKind, Holder, hold};
use crate::layout::{self, LOCK, META_DB, OURS};
use crate::repair::quarantine::disk::{Dir, Disk};

/// Why the locks could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Someone holds that database: a containerd runs on this root, or is about to.
    #[error("{}: held by a running containerd", .0.display())]
    Held(PathBuf),
    /// Someone else changes this root.
    #[error("{0}")]
    Busy(Holder),
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
    files: Vec<(PathBuf, File)>,
    _alone: Alone,
}

/// The right to change a root, containerd running or not: there is one for each root, until all copies of it are dropped.
#[derive(Debug, Clone)]
pub struct Alone(#[expect(dead_code, reason = "open, it holds the lock")] Arc<File>);

impl Alone {
    /// Takes it, saying `what` is going to be done; never waits.
    ///
    /// # Errors
    /// [`LockError::Busy`] names who has it; else the lock's file cannot be made.
    pub fn take(disk: Disk<'_>, what: &str) -> Result<Alone, LockError> {
        let path = Path::new(OURS).join(LOCK);
        let taken = || {
            let ours = disk.make_dirs(Path::new(OURS), 0o700)?;
            let mut file = open_lock(&ours)?;
            Ok(hold(&mut file, what)?.map(|()| Alone(Arc::new(file))))
        };
        taken().map_err(|error| LockError::System { path, error })?.map_err(LockError::Busy)
    }
}

/// The lock's file, made where there is none; another process may make it meanwhile.
fn open_lock(ours: &Dir<'_>) -> io::Result<File> {
    let name = OsStr::new(LOCK);
    if ours.stat(name)?.is_none() {
        match ours.create_file(name) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    ours.open_in_place(name)?.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

impl<'a> LockedStore<'a> {
    /// Takes the locks of all databases there are, for who is `alone`.
    ///
    /// # Errors
    /// [`LockError`]: none is held then.
    pub fn lock(disk: Disk<'a>, alone: &Alone) -> Result<LockedStore<'a>, LockError> {
        let mut files = Vec::new();
        for path in databases(disk)? {
            let fail = |error: io::Error| LockError::System { path: path.clone(), error };
            let (dir, name) = match disk.parent(&path) {
                // What is no folder holds no database; a link has an error of its own.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
                {
                    continue;
                }
                other => other.map_err(fail)?,
            };
            // Its lock is on what the link leads to, which nothing here follows.
            if dir.stat(name).map_err(fail)?.is_some_and(|stat| stat.kind == FileKind::Symlink) {
                return Err(fail(Errno::LOOP.into()));
            }
            let Some(file) = dir.open_in_place(name).map_err(fail)? else { continue };
            if !lock(&file).map_err(fail)? {
                return Err(LockError::Held(path));
            }
            files.push((path, file));
        }
        Ok(LockedStore { disk, files, _alone: alone.clone() })
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
    pub fn database(&self, path: &Path) -> Option<&File> {
        self.files.iter().find(|(known, _)| known == path).map(|(_, file)| file)
    }
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
        let is_snapshotter = layout::snapshotter_name(entry.name.as_bytes()).is_some();
        paths.extend(is_snapshotter.then(|| layout::metadata_db(Path::new(entry.name))));
        Ok(())
    };
    let listed = disk.root().list(each);
    listed.map_err(|error| LockError::System { path: PathBuf::new(), error })?;
    Ok(paths)
}
