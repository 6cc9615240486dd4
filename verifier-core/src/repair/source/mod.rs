//! Where right bytes may come from: an OCI layout, an archive of images, another containerd root.
//!
//! A source is believed in nothing: what it gives is hashed while it is copied, and used only if the digest is right.

mod archive;
mod folder;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::digest::Digest;

/// Something that may have blobs.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Folder(folder::BlobFolder),
    Archive(archive::Archive),
}

/// Why a source cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It cannot be opened.
    #[error("{}: {error}", .path.display())]
    System {
        /// What.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A folder without blobs in any place where they are kept.
    #[error("{}: neither an OCI layout nor a containerd root", .0.display())]
    NoBlobs(PathBuf),
}

impl Source {
    /// Opens `path`: a folder with `blobs/` (an OCI layout), a containerd root, or a file: a tar, compressed or not, of
    /// `ctr images export`, `docker save` or an OCI layout.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn open(path: &Path) -> Result<Source, SourceError> {
        let fail = |error| SourceError::System { path: path.into(), error };
        let is_folder = std::fs::metadata(path).map_err(fail)?.is_dir();
        let kind = if is_folder {
            let found = folder::BlobFolder::open(path).map_err(fail)?;
            Kind::Folder(found.ok_or_else(|| SourceError::NoBlobs(path.into()))?)
        } else {
            Kind::Archive(archive::Archive::open(path).map_err(fail)?)
        };
        Ok(Source { path: path.into(), kind })
    }

    /// Its name: the path it was opened by.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Which of the blobs `wanted` it has, with their sizes. `wanted` gives the size of each where that is known.
    fn find(&mut self, wanted: &BTreeMap<Digest, Option<u64>>) -> io::Result<Vec<(Digest, u64)>> {
        match &mut self.kind {
            Kind::Folder(folder) => Ok(folder.find(wanted)),
            Kind::Archive(archive) => archive.find(wanted),
        }
    }

    /// Hands the bytes of a blob that it has to `to`.
    ///
    /// # Errors
    /// What reading reports, or `to`; `ENOENT` when the blob is not there (any more).
    pub fn copy(&self, digest: &Digest, to: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        match &self.kind {
            Kind::Folder(folder) => folder.copy(digest, to),
            Kind::Archive(archive) => archive.copy(digest, to),
        }
    }
}

/// What the sources have: by digest, the first source that has it, and the bytes there are.
#[derive(Debug, Clone, Default)]
pub struct Available(BTreeMap<Digest, (String, u64)>);

impl Available {
    /// Looks for the blobs `wanted`, with their sizes where these are known, in `sources`.
    ///
    /// # Errors
    /// The source that could not be read, and why.
    pub fn find(
        sources: &mut [Source],
        mut wanted: BTreeMap<Digest, Option<u64>>,
    ) -> Result<Available, SourceError> {
        let mut available = Available::default();
        for source in sources {
            let name = source.name();
            let fail = |error| SourceError::System { path: name.clone().into(), error };
            for (digest, size_bytes) in source.find(&wanted).map_err(fail)? {
                wanted.remove(&digest);
                available.0.insert(digest, (name.clone(), size_bytes));
            }
        }
        Ok(available)
    }

    /// The source that has the blob, and how large it is there.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<(&str, u64)> {
        self.0.get(digest).map(|(source, size_bytes)| (source.as_str(), *size_bytes))
    }
}
