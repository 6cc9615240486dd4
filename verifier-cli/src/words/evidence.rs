//! Where the subject of a finding lies.

use std::path::{Path, PathBuf};

use verifier_core::finding::Subject;

const CONTENT: &str = "io.containerd.content.v1.content";

/// Where the subject is below the root, if it has a place of its own.
pub(crate) fn place(subject: &Subject) -> Option<PathBuf> {
    match subject {
        Subject::Blob { digest } => {
            Some(Path::new(CONTENT).join("blobs").join(digest.algorithm().as_str()).join(digest.encoded()))
        }
        Subject::Ingest { folder } => Some(Path::new(CONTENT).join("ingest").join(folder)),
        Subject::Snapshot { snapshotter, id, .. } => Some(
            Path::new(&format!("io.containerd.snapshotter.v1.{snapshotter}"))
                .join("snapshots")
                .join(id.to_string()),
        ),
        Subject::Database { path } | Subject::Path { path } => Some(path.clone()),
        Subject::Record { database, .. } => Some(database.clone()),
        _ => None,
    }
}
