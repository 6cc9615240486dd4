//! `content/blob/<digest>` and `content/ingests/<ref>`.

use super::labels::Labels;
use super::value;
use crate::digest::Digest;
use crate::finding::ValueError;
use crate::texts::Texts;
use crate::time::Timestamp;

/// The label of a layer's blob that tells its DiffID (core/diff: `containerd.io/uncompressed`).
pub const UNCOMPRESSED: &str = "containerd.io/uncompressed";

/// How the labels begin that keep what an index or a manifest names: `config`, `l.N` or `m.N` follows (core/images/handlers.go).
pub const CONTENT_REFERENCE: &str = "containerd.io/gc.ref.content.";

/// How the labels begin that keep a snapshot: its snapshotter's name follows (core/unpack/unpacker.go).
pub const SNAPSHOT_REFERENCE: &str = "containerd.io/gc.ref.snapshot.";

/// What a namespace knows of a blob.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlobRecord {
    /// When the record was made.
    pub created: Option<Timestamp>,
    /// When it was last changed.
    pub updated: Option<Timestamp>,
    /// The blob's size.
    pub size_bytes: Option<u64>,
    /// Its labels: what it refers to, where it came from.
    pub labels: Labels,
}

impl BlobRecord {
    pub(super) fn set(
        &mut self,
        rest: &[Vec<u8>],
        (key, value): (&[u8], &[u8]),
        texts: &Texts,
    ) -> Result<(), ValueError> {
        match (rest, key) {
            ([], b"createdat") => self.created = Some(value::time(value)?),
            ([], b"updatedat") => self.updated = Some(value::time(value)?),
            ([], b"size") => self.size_bytes = Some(value::count(value)?),
            ([bucket], _) if bucket == b"labels" => value::label(&mut self.labels, (key, value), texts)?,
            _ => {}
        }
        Ok(())
    }

    pub(super) fn missing(&self) -> Option<&'static str> {
        self.size_bytes.is_none().then_some("size")
    }
}

/// A write that was begun.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IngestRecord {
    /// The ref it has in the content store: `namespace/sequence/ref`.
    pub backend_ref: String,
    /// When it may be forgotten.
    pub expires: Option<Timestamp>,
    /// What it will be when it is committed, if that is known.
    pub expected: Option<Digest>,
}

impl IngestRecord {
    pub(super) fn set(&mut self, rest: &[Vec<u8>], (key, value): (&[u8], &[u8])) -> Result<(), ValueError> {
        match (rest, key) {
            ([], b"ref") => self.backend_ref = value::text(value)?,
            ([], b"expireat") => self.expires = Some(value::time(value)?),
            ([], b"expected") if !value.is_empty() => self.expected = Some(value::digest(value)?),
            _ => {}
        }
        Ok(())
    }
}
