//! `images/<name>`.

use super::labels::Labels;
use super::value;
use crate::digest::Digest;
use crate::finding::ValueError;
use crate::texts::Texts;
use crate::time::Timestamp;

/// An image record: a name and the descriptor it points to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageRecord {
    /// When the record was made.
    pub created: Option<Timestamp>,
    /// When it was last changed.
    pub updated: Option<Timestamp>,
    /// What it points to.
    pub target: Target,
    /// Its labels.
    pub labels: Labels,
}

/// The descriptor that an image record holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// The index's or manifest's digest.
    pub digest: Option<Digest>,
    /// Its media type.
    pub media_type: String,
    /// Its size.
    pub size_bytes: Option<u64>,
}

impl ImageRecord {
    pub(super) fn set(
        &mut self,
        rest: &[Vec<u8>],
        (key, value): (&[u8], &[u8]),
        texts: &Texts,
    ) -> Result<(), ValueError> {
        match (rest, key) {
            ([], b"createdat") => self.created = Some(value::time(value)?),
            ([], b"updatedat") => self.updated = Some(value::time(value)?),
            ([bucket], _) if bucket == b"labels" => value::label(&mut self.labels, (key, value), texts)?,
            ([bucket], b"digest") if bucket == b"target" => self.target.digest = Some(value::digest(value)?),
            ([bucket], b"mediatype") if bucket == b"target" => self.target.media_type = value::text(value)?,
            ([bucket], b"size") if bucket == b"target" => self.target.size_bytes = Some(value::count(value)?),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn missing(&self) -> Option<&'static str> {
        self.target.digest.is_none().then_some("target/digest")
    }
}
