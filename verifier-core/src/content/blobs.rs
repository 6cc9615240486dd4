//! `blobs/<algorithm>/<encoded>`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::digest::{Algorithm, Digest};
use crate::io::{Entry, FileKind, Folder, Stat, Time};
use crate::layout;

/// All that lies below `blobs/`.
#[derive(Debug, Default)]
pub struct Blobs {
    /// What has a digest for a name.
    pub files: BTreeMap<Digest, BlobFile>,
    /// What has not.
    pub foreign: Vec<ForeignName>,
    /// What could not be looked at.
    pub unreadable: Vec<(PathBuf, io::Error)>,
    /// Whether there is no `blobs/` at all, or nothing in it.
    pub is_absent: bool,
}

/// What has a blob's name: as much of what `stat` told as is of use, because there may be a hundred thousand.
#[derive(Debug, Clone, Copy)]
pub struct BlobFile {
    /// The inode's number.
    pub ino: u64,
    /// The length in bytes.
    pub size_bytes: u64,
    /// When its bytes were last written.
    pub mtime: Time,
    /// The type.
    pub kind: FileKind,
}

/// A name below `blobs/` that is no digest.
#[derive(Debug, Clone)]
pub struct ForeignName {
    /// Below the root.
    pub path: PathBuf,
    /// What it is.
    pub kind: FileKind,
}

impl From<Stat> for BlobFile {
    fn from(stat: Stat) -> Self {
        BlobFile { ino: stat.ino, size_bytes: stat.size_bytes, mtime: stat.mtime, kind: stat.kind }
    }
}

impl BlobFile {
    /// Where the blob of that digest is, below the root.
    #[must_use]
    pub fn path(digest: &Digest) -> PathBuf {
        layout::blob(digest)
    }
}

/// Lists `blobs/` below `root`. A store without one has no blobs.
pub fn list_blobs(root: &Folder) -> Blobs {
    let mut found = Blobs::default();
    let path = layout::blobs();
    let mut algorithms = Vec::new();
    let listed = list_names(root, &path, &mut |name, kind| algorithms.push((name.to_owned(), kind)));
    if let Err(error) = listed {
        found.is_absent = error.kind() == io::ErrorKind::NotFound;
        if !found.is_absent {
            found.unreadable.push((path, error));
        }
        return found;
    }
    found.is_absent = algorithms.is_empty();
    for (name, kind) in algorithms {
        let path = path.join(&name);
        let kind = kind_of(root, &path, kind);
        match (name.to_str().and_then(|name| name.parse::<Algorithm>().ok()), kind) {
            (Some(algorithm), FileKind::Folder) => list_algorithm(root, &path, &algorithm, &mut found),
            // containerd follows it, and has its blobs there.
            (Some(_), FileKind::Symlink) if root.leads_to_folder(&path) => {
                found.unreadable.push((path, Errno::LOOP.into()));
            }
            _ => found.foreign.push(ForeignName { kind, path }),
        }
    }
    found
}

fn list_algorithm(root: &Folder, path: &Path, algorithm: &Algorithm, found: &mut Blobs) {
    let folder = match root.folder(path) {
        Ok(folder) => folder,
        Err(error) => return found.unreadable.push((path.into(), error)),
    };
    let Blobs { foreign, unreadable, .. } = found;
    let mut files = Vec::new();
    let mut each = |entry: Entry<'_>| {
        let digest = entry.name.to_str().and_then(|name| Digest::new(algorithm.clone(), name).ok());
        match (digest, folder.stat(entry.name)) {
            (Some(digest), Ok(stat)) => files.push((digest, stat.into())),
            (None, Ok(stat)) => foreign.push(ForeignName { path: path.join(entry.name), kind: stat.kind }),
            // It was there a moment ago: the collector took it.
            (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
            (_, Err(error)) => unreadable.push((path.join(entry.name), error)),
        }
        Ok(())
    };
    if let Err(error) = folder.list(&mut each) {
        unreadable.push((path.into(), error));
    }
    // Put in one by one in a folder's order, they would fill two thirds of the map's nodes.
    let mut files: BTreeMap<Digest, BlobFile> = files.into_iter().collect();
    found.files.append(&mut files);
}

fn list_names(root: &Folder, path: &Path, each: &mut dyn FnMut(&OsStr, FileKind)) -> io::Result<()> {
    root.folder(path)?.list(&mut |entry| {
        each(entry.name, entry.kind);
        Ok(())
    })
}

/// Some file systems do not tell the kind in a listing.
fn kind_of(root: &Folder, path: &Path, listed: FileKind) -> FileKind {
    match listed {
        FileKind::Unknown => root.stat(path).map_or(FileKind::Unknown, |stat| stat.kind),
        known => known,
    }
}
