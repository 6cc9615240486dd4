//! `leases/<id>` (core/metadata/leases.go; `images` since containerd 2.0).

use std::collections::BTreeSet;

use super::labels::Labels;
use super::value;
use crate::digest::Digest;
use crate::finding::ValueError;
use crate::texts::Texts;
use crate::time::Timestamp;

/// The label that ends a lease by itself, RFC 3339 (core/metadata/gc.go takes an ended lease for none).
pub const EXPIRE: &str = "containerd.io/gc.expire";

/// What the ids of the leases that this project makes begin with.
pub const LEASE_PREFIX: &str = "containerd-fsck-";

/// A lease: what the collector must keep although nothing else names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeaseRecord {
    /// When the record was made.
    pub created: Option<Timestamp>,
    /// Its labels; `containerd.io/gc.expire` ends it.
    pub labels: Labels,
    /// Snapshots it keeps: snapshotter and key.
    pub snapshots: BTreeSet<(String, String)>,
    /// Blobs it keeps.
    pub content: BTreeSet<Digest>,
    /// Images it keeps, by name: those that would expire by themselves (since containerd 2.0).
    pub images: BTreeSet<String>,
    /// Ingests it keeps, by ref.
    pub ingests: BTreeSet<String>,
}

impl LeaseRecord {
    /// When it ended, as its label says, if that was before `now`.
    #[must_use]
    pub fn ended(&self, now: Timestamp) -> Option<&str> {
        self.labels.get(EXPIRE).filter(|text| Timestamp::parse(text).is_some_and(|end| end < now))
    }

    pub(super) fn set(
        &mut self,
        rest: &[Vec<u8>],
        (key, value): (&[u8], &[u8]),
        texts: &Texts,
    ) -> Result<(), ValueError> {
        match (rest, key) {
            ([], b"createdat") => self.created = Some(value::time(value)?),
            ([bucket], _) if bucket == b"labels" => value::label(&mut self.labels, (key, value), texts)?,
            ([bucket], _) if bucket == b"content" => {
                self.content.insert(value::digest(key)?);
            }
            ([bucket], _) if bucket == b"images" => {
                self.images.insert(value::text(key)?);
            }
            ([bucket], _) if bucket == b"ingests" => {
                self.ingests.insert(value::text(key)?);
            }
            ([bucket, snapshotter], _) if bucket == b"snapshots" => {
                self.snapshots.insert((value::text(snapshotter)?, value::text(key)?));
            }
            _ => {}
        }
        Ok(())
    }
}
