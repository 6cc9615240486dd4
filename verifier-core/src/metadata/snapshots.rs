//! `snapshots/<snapshotter>/<key>`.

use super::labels::Labels;
use super::value;
use crate::finding::ValueError;
use crate::texts::{Text, Texts};
use crate::time::Timestamp;

/// What a namespace knows of a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotRecord {
    /// The key it has in the snapshotter's database: `namespace/sequence/key`.
    pub backend_key: Text,
    /// When the record was made.
    pub created: Option<Timestamp>,
    /// When it was last changed.
    pub updated: Option<Timestamp>,
    /// The key of the snapshot it builds on; empty for a base.
    pub parent: Text,
    /// Keys that build on it, sorted. Some may be gone: the collector leaves them (containerd issue 11908).
    pub children: Vec<Text>,
    /// Its labels.
    pub labels: Labels,
}

impl SnapshotRecord {
    pub(super) fn set(
        &mut self,
        rest: &[Vec<u8>],
        (key, value): (&[u8], &[u8]),
        texts: &Texts,
    ) -> Result<(), ValueError> {
        match (rest, key) {
            ([], b"name") => self.backend_key = value::shared(value, texts)?,
            ([], b"createdat") => self.created = Some(value::time(value)?),
            ([], b"updatedat") => self.updated = Some(value::time(value)?),
            ([], b"parent") => self.parent = value::shared(value, texts)?,
            ([bucket], _) if bucket == b"children" => {
                let child = value::shared(key, texts)?;
                if let Err(at) = self.children.binary_search(&child) {
                    self.children.reserve(usize::from(self.children.is_empty()));
                    self.children.insert(at, child);
                }
            }
            ([bucket], _) if bucket == b"labels" => value::label(&mut self.labels, (key, value), texts)?,
            _ => {}
        }
        Ok(())
    }

    pub(super) fn missing(&self) -> Option<&'static str> {
        self.backend_key.is_empty().then_some("name")
    }
}
