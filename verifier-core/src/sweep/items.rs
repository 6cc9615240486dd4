//! What there is to verify.

use std::collections::BTreeSet;

use super::ledger::Ledger;
use crate::finding::Subject;
use crate::plan::{Plan, SnapshotTask};
use crate::scan::Inventory;

/// A blob, or a snapshot with the layers that are read to compare it.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its name in the ledger.
    pub key: String,
    /// What tells it from another thing of that name.
    pub witness: String,
    /// Bytes of blobs to read.
    pub bytes: u64,
    /// All that a look at it may find something about.
    pub subjects: Vec<Subject>,
    /// When it was last verified, in seconds since 1970. What was damaged then waits as if it never was: each sweep tells of
    /// it, until it is sound or gone.
    pub verified: Option<i64>,
}

impl Item {
    /// Whether it is a snapshot, and not a blob.
    #[must_use]
    pub fn is_snapshot(&self) -> bool {
        matches!(self.subjects.first(), Some(Subject::Snapshot { .. }))
    }
}

/// All that a full check of `inventory` would read, with what `ledger` knows of it; what waits longest comes first.
pub(super) fn items(inventory: &Inventory, plan: &Plan, ledger: &Ledger) -> Vec<Item> {
    let snapshots = plan.snapshots.iter().filter(|task| !task.is_in_use()).map(of_snapshot);
    let blobs = plan.blobs.iter().map(|(digest, bytes)| {
        let file = inventory.blobs.files.get(digest).map(|file| (file.ino, file.mtime));
        let witness = file.map(|(ino, time)| format!("{ino} {}.{:09}", time.seconds, time.nanoseconds));
        let subjects = vec![Subject::Blob { digest: digest.clone() }];
        Item {
            key: format!("blob {digest}"),
            witness: witness.unwrap_or_default(),
            bytes: *bytes,
            subjects,
            verified: None,
        }
    });
    let mut items: Vec<Item> = snapshots.chain(blobs).collect();
    for item in &mut items {
        let sound = ledger.get(&item.key, &item.witness).filter(|entry| !entry.is_damaged());
        item.verified = sound.map(|entry| entry.seconds);
    }
    items.sort_by_key(|item| item.verified);
    items
}

fn of_snapshot(task: &SnapshotTask) -> Item {
    let times = [task.created, task.committed].map(|time| time.map(|time| (time.seconds, time.nanoseconds)));
    let layers: BTreeSet<String> = task.layers.top_first().map(|layer| layer.digest.to_string()).collect();
    let layers = layers.into_iter().collect::<Vec<_>>().join(",");
    Item {
        key: format!("snapshot {} {} {}", task.snapshotter, task.id, task.backend_key),
        witness: format!("{times:?} {layers}"),
        bytes: task.layers.size_bytes(),
        subjects: task.subjects().collect(),
        verified: None,
    }
}
