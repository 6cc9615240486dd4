//! What a finding must be about.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::builder::{META_DB, Sample, blob_path, ingest_path, snapshotter_folder};

/// What a finding must be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The store as a whole.
    Store,
    /// A blob, by its digest.
    Blob(String),
    /// A blob; which one is the checker's choice.
    SomeBlob,
    /// An image record: namespace and name.
    Image(String, String),
    /// An ingest, by its folder's name.
    Ingest(String),
    /// A snapshot: snapshotter, backend key and id.
    Snapshot(String, String, u64),
    /// A bolt file, below the root.
    Database(PathBuf),
    /// A record: the file, then the buckets and the key.
    Record(PathBuf, Vec<String>),
    /// A path below the root.
    Path(PathBuf),
}

impl Subject {
    /// As a report's JSON has it; a report may say more.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Subject::Store => json!({ "kind": "store" }),
            Subject::Blob(digest) => json!({ "kind": "blob", "digest": digest }),
            Subject::SomeBlob => json!({ "kind": "blob" }),
            Subject::Image(namespace, name) => {
                json!({ "kind": "image", "namespace": namespace, "name": name })
            }
            Subject::Ingest(folder) => json!({ "kind": "ingest", "folder": folder }),
            Subject::Snapshot(snapshotter, key, id) => {
                json!({ "kind": "snapshot", "snapshotter": snapshotter, "key": key, "id": id })
            }
            Subject::Database(path) => json!({ "kind": "database", "path": path }),
            Subject::Record(database, path) => {
                json!({ "kind": "record", "database": database, "path": path })
            }
            Subject::Path(path) => json!({ "kind": "path", "path": path }),
        }
    }

    pub(super) fn blob(digest: &str) -> Subject {
        Subject::Blob(digest.into())
    }

    /// What has the name of a blob, as a path.
    pub(super) fn blob_file(digest: &str) -> Subject {
        Subject::Path(blob_path(digest))
    }

    pub(super) fn ingest(backend_ref: &str) -> Subject {
        let path = ingest_path(backend_ref);
        Subject::Ingest(path.file_name().unwrap_or_default().to_string_lossy().into_owned())
    }

    pub(super) fn snapshot(sample: &Sample, namespace: &str, snapshotter: &str, key: &str) -> Subject {
        let name =
            sample.store.row(namespace, snapshotter, key).map(|row| row.name.clone()).unwrap_or_default();
        let id = sample.store.snapshot(namespace, snapshotter, key).map_or(0, |snapshot| snapshot.id);
        Subject::Snapshot(snapshotter.into(), name, id)
    }

    pub(super) fn meta_db() -> Subject {
        Subject::Database(META_DB.into())
    }

    pub(super) fn metadata_db(snapshotter: &str) -> Subject {
        Subject::Database(metadata_db(snapshotter))
    }

    pub(super) fn meta_record<'a>(path: impl IntoIterator<Item = &'a str>) -> Subject {
        Subject::Record(META_DB.into(), path.into_iter().map(Into::into).collect())
    }

    pub(super) fn path(path: impl AsRef<Path>) -> Subject {
        Subject::Path(path.as_ref().into())
    }
}

/// A snapshotter's database, below the root.
pub(super) fn metadata_db(snapshotter: &str) -> PathBuf {
    snapshotter_folder(snapshotter).join("metadata.db")
}
