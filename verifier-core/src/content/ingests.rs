//! `ingest/<hex>`.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::io::{Folder, Time, read_full_at};
use crate::layout;

/// A write that was begun.
#[derive(Debug, Clone)]
pub struct IngestFolder {
    /// The folder's name: hex of SHA-256 of the backend ref.
    pub name: OsString,
    /// Its backend ref, where the file is there, not empty and UTF-8.
    pub backend_ref: Option<String>,
    /// Bytes written so far.
    pub size_bytes: u64,
    /// When something in it was last written.
    pub modified: Option<Time>,
}

/// What containerd makes refs of is far shorter; the rest of a longer file cannot matter.
const REF_LIMIT_BYTES: usize = 16 * 1024;

impl IngestFolder {
    /// Where the ingest is, below the root.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        layout::ingests().join(&self.name)
    }
}

/// Lists `ingest/` below `root`; what could not be read goes into `unreadable`. A store without one has no ingests.
pub fn list_ingests(root: &Folder, unreadable: &mut Vec<(PathBuf, io::Error)>) -> Vec<IngestFolder> {
    let path = layout::ingests();
    let mut names = Vec::new();
    let listed = root.folder(&path).and_then(|folder| {
        folder.list(&mut |entry| {
            names.push(entry.name.to_owned());
            Ok(())
        })
    });
    if let Err(error) = listed
        && error.kind() != io::ErrorKind::NotFound
    {
        unreadable.push((path.clone(), error));
    }
    names.sort();
    let mut ingests = Vec::with_capacity(names.len());
    for name in names {
        match read_ingest(root, &path, name) {
            Ok(Some(ingest)) => ingests.push(ingest),
            Ok(None) => {}
            Err((path, error)) => unreadable.push((path, error)),
        }
    }
    ingests
}

/// Reads one ingest; `None` when it went away meanwhile, as finished ones do.
fn read_ingest(
    root: &Folder,
    parent: &Path,
    name: OsString,
) -> Result<Option<IngestFolder>, (PathBuf, io::Error)> {
    let path = parent.join(&name);
    let at = |path: &Path, error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Ok(None),
        _ => Err((path.to_path_buf(), error)),
    };
    let folder = match root.folder(&path) {
        Ok(folder) => folder,
        Err(error) => return at(&path, error),
    };
    let backend_ref = match read_ref(&folder) {
        Ok(backend_ref) => backend_ref,
        Err(error) => return at(&path.join("ref"), error),
    };
    // A fresh ingest has no data yet.
    let data = folder.stat("data").ok();
    let modified = data.map(|stat| stat.mtime).or_else(|| folder.stat("").ok().map(|stat| stat.mtime));
    Ok(Some(IngestFolder { name, backend_ref, size_bytes: data.map_or(0, |stat| stat.size_bytes), modified }))
}

fn read_ref(folder: &Folder) -> io::Result<Option<String>> {
    let file = match folder.file("ref") {
        Ok(file) => file,
        // Missing, or something else with its name: an ingest without a ref.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mut bytes = vec![0; REF_LIMIT_BYTES];
    let count = read_full_at(&file, &mut bytes, 0)?;
    bytes.truncate(count);
    Ok(String::from_utf8(bytes).ok().filter(|text| !text.is_empty()))
}
