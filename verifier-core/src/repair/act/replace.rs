//! Puts a blob's right bytes in its place, by rename: containerd sees them at once, running or not, and its records stay.

use std::io;
use std::path::Path;

use crate::content::BlobFile;
use crate::digest::{Digest, Hasher};
use crate::repair::quarantine::run::{Put, Run};
use crate::repair::source::Source;

/// The mode of a blob's file (plugins/content/local).
const BLOB_MODE: u32 = 0o444;

/// Why a blob was not replaced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplaceError {
    /// What the source has hashes to something else.
    #[error("the source's bytes hash to {actual}")]
    WrongBytes {
        /// Their digest.
        actual: Digest,
    },
    /// The digest's algorithm cannot be computed here, so nothing could be proved.
    #[error("its algorithm is not known")]
    UnknownAlgorithm,
    /// Reading the source or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Puts the bytes that `source` has for `digest` in the blob's place; what was there goes into the run's folder.
///
/// # Errors
/// [`ReplaceError`]; then the store is as it was.
pub fn replace(run: &mut Run<'_>, source: &Source, digest: &Digest) -> Result<(), ReplaceError> {
    let mut hasher = Hasher::new(digest.algorithm()).ok_or(ReplaceError::UnknownAlgorithm)?;
    let item = run.new_item();
    let mut file = run.items().create_file(&item)?;
    let copied = source.copy(digest, &mut |bytes| {
        hasher.update(bytes);
        file.write_all(bytes)
    });
    let actual = hasher.finish();
    if copied.is_err() || actual != *digest {
        run.discard(&item)?;
        copied?;
        return Err(ReplaceError::WrongBytes { actual });
    }
    file.sync()?;
    let path = BlobFile::path(digest);
    let folder = run.disk().make_dirs(path.parent().unwrap_or(Path::new("")), 0o755)?;
    let owner = folder.folder().stat("")?;
    run.items().set_owner(&item, (owner.uid, owner.gid))?;
    run.items().set_mode(&item, BLOB_MODE)?;
    run.put_all(&[Put { item, path }])?;
    Ok(folder.sync()?)
}
