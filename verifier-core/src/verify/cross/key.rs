//! Names of things in both databases, and whom they reach.

use super::Cross;
use crate::digest::{ChainId, Digest};
use crate::finding::{BlastRadius, Subject};
use crate::layout;
use crate::metadata::{BackendSnapshot, Namespace, SnapshotRecord, Snapshots};
use crate::plan::Scope;

/// A backend key, `namespace/sequence/key`: the sequence is that of the bucket `snapshots/<snapshotter>` of the namespace
/// (core/metadata/snapshot.go, createKey).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BackendKey<'a> {
    pub(super) namespace: &'a str,
    pub(super) sequence: u64,
    pub(super) key: &'a str,
}

impl<'a> BackendKey<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (namespace, rest) = text.split_once('/')?;
        let (sequence, key) = rest.split_once('/')?;
        Some(BackendKey { namespace, sequence: sequence.parse().ok()?, key })
    }
}

impl<'a> Cross<'a> {
    /// All records of snapshots within the scope: namespace, snapshotter, key and record.
    pub(super) fn records(&self) -> impl Iterator<Item = (&'a str, &'a str, &'a str, &'a SnapshotRecord)> {
        let scope = self.scope;
        self.namespaces().flat_map(move |(namespace, records)| {
            records.snapshots.iter().flat_map(move |(snapshotter, snapshots)| {
                let snapshots = snapshots.iter().filter(move |(key, _)| in_scope(scope, namespace, key));
                snapshots.map(move |(key, record)| (namespace, snapshotter.as_str(), key.as_str(), record))
            })
        })
    }

    /// The namespaces within the scope.
    pub(super) fn namespaces(&self) -> impl Iterator<Item = (&'a str, &'a Namespace)> {
        let namespaces = self.inventory.metadata().namespaces.iter();
        let scope = self.scope;
        namespaces
            .filter(|(namespace, _)| scope.has_namespace(namespace))
            .map(|(namespace, records)| (namespace.as_str(), records))
    }

    /// The snapshotters whose databases gave all their rows, with those.
    pub(super) fn snapshotters(&self) -> impl Iterator<Item = (&'a str, &'a Snapshots)> {
        let all = self.inventory.snapshotters.iter();
        all.filter_map(|(name, snapshotter)| Some((name.as_str(), snapshotter.all_rows()?)))
    }

    /// The rows of a snapshotter, if its database gave all of them.
    pub(super) fn rows(&self, snapshotter: &str) -> Option<&'a Snapshots> {
        self.inventory.snapshotters.get(snapshotter)?.all_rows()
    }

    /// Whether a row belongs to the scope.
    pub(super) fn has_row(&self, backend_key: &str) -> bool {
        match BackendKey::parse(backend_key) {
            Some(parts) => in_scope(self.scope, parts.namespace, parts.key),
            None => self.scope.is_everything(),
        }
    }

    pub(super) fn meta_record<'b>(&self, path: impl IntoIterator<Item = &'b str>) -> Subject {
        let database = self.inventory.meta_db.path.clone();
        Subject::Record { database, path: path.into_iter().map(str::to_owned).collect() }
    }

    /// A snapshot's record in meta.db.
    pub(super) fn snapshot_record(&self, namespace: &str, snapshotter: &str, key: &str) -> Subject {
        self.meta_record(["v1", namespace, "snapshots", snapshotter, key])
    }

    /// A record in a snapshotter's database.
    pub(super) fn row_record<'b>(
        &self,
        snapshotter: &str,
        path: impl IntoIterator<Item = &'b str>,
    ) -> Subject {
        let folder = self.inventory.snapshotters.get(snapshotter).map(|snapshotter| &snapshotter.path);
        let database = folder.map(|folder| layout::metadata_db(folder)).unwrap_or_default();
        Subject::Record { database, path: path.into_iter().map(str::to_owned).collect() }
    }

    /// Whom a snapshot's record reaches.
    pub(super) fn record_reach(
        &self,
        namespace: &str,
        snapshotter: &str,
        key: &str,
        record: &SnapshotRecord,
    ) -> BlastRadius {
        let chain_id: Option<Digest> = key.parse().ok();
        self.references.of_snapshot(namespace, snapshotter, &record.backend_key, chain_id.as_ref())
    }

    /// Whom a row reaches.
    pub(super) fn reach(&self, snapshotter: &str, backend_key: &str) -> BlastRadius {
        match BackendKey::parse(backend_key) {
            Some(parts) => {
                let chain_id: Option<Digest> = parts.key.parse().ok();
                self.references.of_snapshot(parts.namespace, snapshotter, backend_key, chain_id.as_ref())
            }
            None => BlastRadius::default(),
        }
    }
}

/// Whether a snapshot of that key belongs to the scope.
pub(super) fn in_scope(scope: &Scope, namespace: &str, key: &str) -> bool {
    let chain_id = key.parse().ok().map(ChainId);
    scope.has_snapshot(namespace, chain_id.as_ref())
}

/// What a finding about a row is about.
pub(super) fn row_subject(snapshotter: &str, key: &str, row: &BackendSnapshot) -> Subject {
    Subject::Snapshot { snapshotter: snapshotter.into(), key: key.into(), id: row.id }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backend_keys_have_three_parts() {
        let parse = BackendKey::parse;
        let parts = BackendKey { namespace: "k8s.io", sequence: 12, key: "extract-1/2 sha256:ab" };
        assert_eq!(parse("k8s.io/12/extract-1/2 sha256:ab"), Some(parts));
        for text in ["", "k8s.io", "k8s.io/12", "k8s.io/x/key", "k8s.io/-1/key"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
