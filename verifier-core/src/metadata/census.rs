//! Counts the records of a database, and tells those of two states apart.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;

use crate::bolt::Visitor;

/// What a record is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordKind {
    /// A namespace.
    Namespace,
    /// An image's name.
    Image,
    /// Committed content.
    Blob,
    /// A write that was begun.
    Ingest,
    /// A snapshot: in meta.db a namespace's record of it, in a metadata.db the snapshotter's row.
    Snapshot,
    /// A container.
    Container,
    /// A sandbox.
    Sandbox,
    /// A lease.
    Lease,
}

/// How many records there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each is documented at its kind")]
pub struct RecordCounts {
    pub namespaces: u64,
    pub images: u64,
    pub blobs: u64,
    pub ingests: u64,
    pub snapshots: u64,
    pub containers: u64,
    pub sandboxes: u64,
    pub leases: u64,
}

impl RecordCounts {
    /// Counts one more.
    pub(super) fn add(&mut self, kind: RecordKind) {
        let count = match kind {
            RecordKind::Namespace => &mut self.namespaces,
            RecordKind::Image => &mut self.images,
            RecordKind::Blob => &mut self.blobs,
            RecordKind::Ingest => &mut self.ingests,
            RecordKind::Snapshot => &mut self.snapshots,
            RecordKind::Container => &mut self.containers,
            RecordKind::Sandbox => &mut self.sandboxes,
            RecordKind::Lease => &mut self.leases,
        };
        *count += 1;
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        let Self { namespaces, images, blobs, ingests, snapshots, containers, sandboxes, leases } = self;
        [namespaces, images, blobs, ingests, snapshots, containers, sandboxes, leases].into_iter().sum()
    }
}

/// The databases there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// containerd's own, meta.db.
    Containerd,
    /// A snapshotter's, metadata.db.
    Snapshotter,
}

impl Schema {
    /// The namespace that the bucket `path` and all in it belong to, if it is one's alone.
    #[must_use]
    pub fn namespace(self, path: &[Vec<u8>]) -> Option<String> {
        let name = match (self, path) {
            (Schema::Containerd, [v1, name, ..]) if v1 == b"v1" => name.as_slice(),
            (Schema::Snapshotter, [v1, snapshots, key, ..]) if v1 == b"v1" && snapshots == b"snapshots" => {
                key.split(|byte| *byte == b'/').next()?
            }
            _ => return None,
        };
        Some(String::from_utf8_lossy(name).into_owned())
    }

    /// The kind of record that the bucket `path` is.
    fn kind(self, path: &[Vec<u8>]) -> Option<RecordKind> {
        // Most buckets are not that deep, and none deeper.
        let mut names: [&[u8]; 5] = [&[]; 5];
        for (name, of) in names.iter_mut().zip(path) {
            *name = of;
        }
        let [v1, second, third, fourth, _] = names;
        if v1 != b"v1" {
            return None;
        }
        match (self, path.len(), third, fourth) {
            (Schema::Snapshotter, 3, ..) if second == b"snapshots" => Some(RecordKind::Snapshot),
            (Schema::Snapshotter, ..) => None,
            (_, 2, ..) => Some(RecordKind::Namespace),
            (_, 4, b"images", _) => Some(RecordKind::Image),
            (_, 4, b"containers", _) => Some(RecordKind::Container),
            (_, 4, b"sandboxes", _) => Some(RecordKind::Sandbox),
            (_, 4, b"leases", _) => Some(RecordKind::Lease),
            (_, 5, b"content", b"blob") => Some(RecordKind::Blob),
            (_, 5, b"content", b"ingests") => Some(RecordKind::Ingest),
            (_, 5, b"snapshots", _) => Some(RecordKind::Snapshot),
            _ => None,
        }
    }
}

/// The records that a walk came by.
#[derive(Debug)]
pub struct Census {
    schema: Schema,
    seen: HashSet<(RecordKind, u64)>,
}

impl Census {
    /// Of a database with `schema`.
    #[must_use]
    pub fn new(schema: Schema) -> Self {
        Self { schema, seen: HashSet::new() }
    }

    /// How many there are.
    #[must_use]
    pub fn counts(&self) -> RecordCounts {
        counts(self.seen.iter())
    }

    /// How many there are that `other` has not.
    #[must_use]
    pub fn beyond(&self, other: &Self) -> RecordCounts {
        counts(self.seen.difference(&other.seen))
    }
}

fn counts<'c>(seen: impl Iterator<Item = &'c (RecordKind, u64)>) -> RecordCounts {
    let mut counts = RecordCounts::default();
    seen.for_each(|(kind, _)| counts.add(*kind));
    counts
}

impl Visitor for Census {
    fn enter(&mut self, path: &[Vec<u8>], _sequence: u64) {
        if let Some(kind) = self.schema.kind(path) {
            let mut hasher = DefaultHasher::new();
            path.hash(&mut hasher);
            self.seen.insert((kind, hasher.finish()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(schema: Schema, paths: &[&str]) -> Census {
        let mut census = Census::new(schema);
        for path in paths {
            let path: Vec<Vec<u8>> = path.split(' ').map(|name| name.as_bytes().to_vec()).collect();
            census.enter(&path, 0);
        }
        census
    }

    #[test]
    fn records_are_told_by_their_place() {
        let paths = [
            "v1",
            "v1 a",
            "v1 a images",
            "v1 a images x",
            "v1 a images x target",
            "v1 a images y",
            "v1 a content blob sha256:00",
            "v1 a content ingests r",
            "v1 a snapshots overlayfs",
            "v1 a snapshots overlayfs k",
            "v1 a snapshots overlayfs k labels",
            "v1 a containers c",
            "v1 a sandboxes s",
            "v1 a leases l",
            "v2 a images z",
        ];
        let ones = RecordCounts {
            namespaces: 1,
            images: 2,
            blobs: 1,
            ingests: 1,
            snapshots: 1,
            containers: 1,
            sandboxes: 1,
            leases: 1,
        };
        assert_eq!(census(Schema::Containerd, &paths).counts(), ones);
        assert_eq!(ones.total(), 9);
        let rows = census(
            Schema::Snapshotter,
            &["v1 snapshots", "v1 snapshots a/1/b", "v1 parents", "v1 snapshots a/1/b labels"],
        );
        assert_eq!(rows.counts(), RecordCounts { snapshots: 1, ..RecordCounts::default() });
    }

    #[test]
    fn two_states_are_told_apart_by_their_records_not_by_their_numbers() {
        let one = census(Schema::Containerd, &["v1 a", "v1 a images x"]);
        let other = census(Schema::Containerd, &["v1 a", "v1 a images y"]);
        let image = RecordCounts { images: 1, ..RecordCounts::default() };
        assert_eq!((one.beyond(&other), other.beyond(&one)), (image, image));
        assert_eq!(one.beyond(&one), RecordCounts::default());
    }
}
