//! Every path and name below a containerd root, containerd's and this project's own: where it is, in one place.
//!
//! ```text
//! io.containerd.metadata.v1.bolt/meta.db              containerd's own database
//! io.containerd.content.v1.content/blobs/<algorithm>/<encoded>
//!                                 /ingest/<hex>
//! io.containerd.snapshotter.v1.<name>/metadata.db     a snapshotter's; its snapshots beside it (snapshot/driver.rs)
//! containerd-fsck/lock                                who repairs
//!                /runs/<run>/                         what a repair took out, and its journal
//! ```
//!
//! Sources: plugins/{metadata,content/local,snapshots} of containerd 2.1; the same in metadata/, content/local and snapshots/ of 1.6
//! and 1.7.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::finding::Subject;
use crate::io::{Entry, Folder};

/// How each folder of containerd's plugins begins.
const PREFIX: &str = "io.containerd.";

/// containerd's own database.
pub const META_DB: &str = "io.containerd.metadata.v1.bolt/meta.db";

/// The content store.
pub const CONTENT: &str = "io.containerd.content.v1.content";

/// How a snapshotter's folder begins; its name follows.
pub(crate) const SNAPSHOTTER_PREFIX: &str = "io.containerd.snapshotter.v1.";

/// A snapshotter's database, in its folder.
const METADATA_DB: &str = "metadata.db";

/// What this project keeps in a root: outside of all that containerd looks at, on the same file system.
pub(crate) const OURS: &str = "containerd-fsck";

/// The lock of who repairs, in [`OURS`].
pub(crate) const LOCK: &str = "lock";

/// The runs of repairs, each with what it took out.
pub const RUNS: &str = "containerd-fsck/runs";

/// Whether something of containerd's is in this folder.
///
/// # Errors
/// It cannot be listed.
pub(crate) fn is_root(folder: &Folder) -> io::Result<bool> {
    let mut found = false;
    folder.list(&mut |entry: Entry<'_>| {
        found |= entry.name.as_bytes().starts_with(PREFIX.as_bytes());
        Ok(())
    })?;
    Ok(found)
}

/// The committed blobs.
pub(crate) fn blobs() -> PathBuf {
    Path::new(CONTENT).join("blobs")
}

/// A committed blob.
#[must_use]
pub fn blob(digest: &Digest) -> PathBuf {
    blobs().join(digest.algorithm().as_str()).join(digest.encoded())
}

/// The writes that were begun.
pub(crate) fn ingests() -> PathBuf {
    Path::new(CONTENT).join("ingest")
}

/// Where the snapshotter `name` keeps its things; one that runs elsewhere has no such folder.
#[must_use]
pub fn snapshotter(name: &str) -> PathBuf {
    PathBuf::from(format!("{SNAPSHOTTER_PREFIX}{name}"))
}

/// The database in a snapshotter's folder.
pub(crate) fn metadata_db(snapshotter: &Path) -> PathBuf {
    snapshotter.join(METADATA_DB)
}

/// The name of the snapshotter whose folder has this name.
pub(crate) fn snapshotter_name(folder: &[u8]) -> Option<&str> {
    std::str::from_utf8(folder.strip_prefix(SNAPSHOTTER_PREFIX.as_bytes())?).ok()
}

/// The name of the snapshotter whose database this is.
pub(crate) fn snapshotter_of_database(path: &Path) -> Option<&str> {
    let folder = path.parent().filter(|folder| path == metadata_db(folder))?;
    snapshotter_name(folder.as_os_str().as_bytes())
}

/// Where a subject is, if it has a place of its own. `snapshot` tells where one is, by its snapshotter, key and number: that
/// depends on what it is.
#[must_use]
pub fn place(
    subject: &Subject,
    snapshot: impl FnOnce(&str, &str, u64) -> Option<PathBuf>,
) -> Option<PathBuf> {
    match subject {
        Subject::Store | Subject::Image { .. } => None,
        Subject::Blob { digest } => Some(blob(digest)),
        Subject::Ingest { folder } => Some(ingests().join(folder)),
        Subject::Snapshot { snapshotter, key, id } => snapshot(snapshotter, key, *id),
        Subject::Database { path } | Subject::Path { path } => Some(path.clone()),
        Subject::Record { database, .. } => Some(database.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_of_snapshotters() {
        let of = |path: &str| snapshotter_of_database(Path::new(path)).map(str::to_owned);
        assert_eq!(of("io.containerd.snapshotter.v1.x.y/metadata.db").as_deref(), Some("x.y"));
        for other in [META_DB, "io.containerd.snapshotter.v1.x/meta.db", "metadata.db", "x/metadata.db", ""] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(metadata_db(&snapshotter("x")), Path::new("io.containerd.snapshotter.v1.x/metadata.db"));
    }
}
