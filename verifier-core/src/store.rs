//! What is this folder?

use std::path::{Path, PathBuf};

use crate::io::{Folder, Gate};
use crate::layout;

/// An open containerd root: read-only.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    folder: Folder,
}

/// Why a folder cannot be checked at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is nothing there.
    #[error("{}: no such folder", .0.display())]
    NotFound(PathBuf),
    /// It is not a folder.
    #[error("{}: not a folder", .0.display())]
    NotAFolder(PathBuf),
    /// A folder, with nothing of containerd's in it.
    #[error("{}: not a containerd root (no io.containerd.* folder in it)", .0.display())]
    NotARoot(PathBuf),
    /// It may not be read by this user.
    #[error("{}: permission denied (containerd's root is readable by its owner only: try as root)", .0.display())]
    PermissionDenied(PathBuf),
    /// The system says otherwise.
    #[error("{}: {error}", .path.display())]
    System {
        /// What could not be opened.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

impl Store {
    /// Opens the containerd root at `root`, read-only.
    ///
    /// # Errors
    /// [`OpenError`] says what the folder is instead.
    pub fn open(root: &Path) -> Result<Store, OpenError> {
        Store::open_with(root, Gate::default())
    }

    /// As [`Store::open`], with every read passing `gate` first.
    ///
    /// # Errors
    /// [`OpenError`] says what the folder is instead.
    pub fn open_with(root: &Path, gate: Gate) -> Result<Store, OpenError> {
        let fail = |error| OpenError::from_io(root, error);
        let folder = Folder::open_root(root, gate).map_err(fail)?;
        if layout::is_root(&folder).map_err(fail)? {
            Ok(Store { root: root.into(), folder })
        } else {
            Err(OpenError::NotARoot(root.into()))
        }
    }

    /// The root as it was named.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The root, open.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }
}

impl OpenError {
    fn from_io(path: &Path, error: std::io::Error) -> Self {
        let path = path.to_path_buf();
        match error.kind() {
            std::io::ErrorKind::NotFound => OpenError::NotFound(path),
            std::io::ErrorKind::NotADirectory => OpenError::NotAFolder(path),
            std::io::ErrorKind::PermissionDenied => OpenError::PermissionDenied(path),
            _ => OpenError::System { path, error },
        }
    }
}
