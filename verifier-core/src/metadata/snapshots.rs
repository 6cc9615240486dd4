//! `snapshots/<snapshotter>/<key>`.

use std::collections::BTreeSet;

use super::labels::Labels;
use super::value::{self, Timestamp, ValueError};

/// What a namespace knows of a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotRecord {
    /// The key it has in the snapshotter's database: `namespace/sequence/key`.
    pub backend_key: String,
    /// When the record was made.
    pub created: Option<Timestamp>,
    /// When it was last changed.
    pub updated: Option<Timestamp>,
    /// The key of the snapshot it builds on; empty for a base.
    pub parent: String,
    /// Keys that build on it. Some may be gone: the collector leaves them (containerd issue 11908).
    pub children: BTreeSet<String>,
    /// Its labels.
    pub labels: Labels,
}

impl SnapshotRecord {
    pub(super) fn set(&mut self, rest: &[Vec<u8>], key: &[u8], value: &[u8]) -> Result<(), ValueError> {
        match (rest, key) {
            ([], b"name") => self.backend_key = value::text(value)?,
            ([], b"createdat") => self.created = Some(value::time(value)?),
            ([], b"updatedat") => self.updated = Some(value::time(value)?),
            ([], b"parent") => self.parent = value::text(value)?,
            ([bucket], _) if bucket == b"children" => {
                self.children.insert(value::text(key)?);
            }
            ([bucket], _) if bucket == b"labels" => value::label(&mut self.labels, key, value)?,
            _ => {}
        }
        Ok(())
    }

    pub(super) fn missing(&self) -> Option<&'static str> {
        self.backend_key.is_empty().then_some("name")
    }
}
