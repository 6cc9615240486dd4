//! The snapshots service.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::message::{Empty, Named, OneSnapshot, Snapshot, SnapshotRequest, Snapshots};
use super::namespace::absent_is_none;
use super::{LiveError, Namespace};

const STAT: &str = "/containerd.services.snapshots.v1.Snapshots/Stat";
const LIST: &str = "/containerd.services.snapshots.v1.Snapshots/List";
const PREPARE: &str = "/containerd.services.snapshots.v1.Snapshots/Prepare";
const REMOVE: &str = "/containerd.services.snapshots.v1.Snapshots/Remove";

/// A namespace's row of a snapshot that its snapshotter knows as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRow {
    /// Its key; of a committed one its name, which is the chain ID where a layer made it.
    pub key: String,
    /// The parent's key; empty: none.
    pub parent: String,
    /// What it is.
    pub kind: SnapshotKind,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// What a snapshot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotKind {
    /// Read only.
    View,
    /// Writable.
    Active,
    /// Immutable, and may have children.
    Committed,
    /// Something that no containerd says.
    Unknown,
}

impl Namespace<'_> {
    /// One snapshot; none also where only its row is left (core/metadata/snapshot.go asks the snapshotter).
    pub fn snapshot(&self, snapshotter: &str, key: &str) -> Result<Option<SnapshotRow>, LiveError> {
        let answer = self.ask::<_, OneSnapshot>(STAT, request(snapshotter, key, ""));
        Ok(absent_is_none(answer)?.and_then(|answer| answer.info).map(SnapshotRow::from))
    }

    /// All snapshots of a snapshotter that have a row here and in the snapshotter's own database.
    pub fn snapshots(&self, snapshotter: &str) -> Result<Vec<SnapshotRow>, LiveError> {
        let mut rows = Vec::new();
        let request = Named { name: snapshotter.to_owned() };
        self.stream(LIST, request, |part: Snapshots| {
            rows.extend(part.info.into_iter().map(SnapshotRow::from));
        })?;
        Ok(rows)
    }

    /// Makes an active snapshot with these labels that belongs to `lease`; nothing is mounted by that.
    pub fn prepare_snapshot(
        &self,
        snapshotter: &str,
        row: &SnapshotRow,
        lease: &str,
    ) -> Result<(), LiveError> {
        let request =
            SnapshotRequest { labels: row.labels.clone(), ..request(snapshotter, &row.key, &row.parent) };
        self.ask_leased::<_, Empty>(PREPARE, lease, request).map(drop)
    }

    /// Removes a row; folder and row of the snapshotter go with the next collection.
    ///
    /// [`Code::NotFound`](super::Code::NotFound) is an error here: containerd says it of the snapshot and of its parent's row.
    pub fn remove_snapshot(&self, snapshotter: &str, key: &str) -> Result<(), LiveError> {
        self.ask::<_, Empty>(REMOVE, request(snapshotter, key, "")).map(drop)
    }
}

fn request(snapshotter: &str, key: &str, parent: &str) -> SnapshotRequest {
    SnapshotRequest {
        snapshotter: snapshotter.to_owned(),
        key: key.to_owned(),
        parent: parent.to_owned(),
        labels: BTreeMap::new(),
    }
}

impl From<Snapshot> for SnapshotRow {
    fn from(snapshot: Snapshot) -> SnapshotRow {
        let kind = match snapshot.kind {
            1 => SnapshotKind::View,
            2 => SnapshotKind::Active,
            3 => SnapshotKind::Committed,
            _ => SnapshotKind::Unknown,
        };
        SnapshotRow { key: snapshot.name, parent: snapshot.parent, kind, labels: snapshot.labels }
    }
}
