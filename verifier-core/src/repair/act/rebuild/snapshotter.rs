//! Plans a metadata.db: what of its rows can stay, and what meta.db must forget with those that cannot.

use std::collections::{BTreeMap, BTreeSet};

use super::lost::{Lost, LostKind};
use crate::bolt::Edits;
use crate::metadata::{BackendSnapshot, Kind, Metadata, Namespace, SNAPSHOT_REFERENCE, Snapshots, encode};
use crate::texts::Text;

/// Rows that can be used: they say what they are, and so do all below them.
pub(super) fn usable(rows: &Snapshots) -> BTreeSet<&str> {
    let mut above: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (key, row) in rows.by_key.iter().filter(|(_, row)| row.kind != Kind::Unknown) {
        above.entry(&row.parent).or_default().push(key);
    }
    let mut usable = BTreeSet::new();
    // From the bases up: a row that stands on itself is never reached.
    let mut queue = above.remove("").unwrap_or_default();
    while let Some(key) = queue.pop() {
        usable.insert(key);
        queue.extend(above.remove(key).unwrap_or_default());
    }
    usable
}

/// What to do with a metadata.db, and what with meta.db because of it.
#[derive(Debug, Default)]
pub(super) struct SnapshotterPlan {
    /// Edits of the metadata.db, on top of its readable rows.
    pub(super) rows: Edits,
    /// Edits of meta.db.
    pub(super) records: Edits,
    /// Numbers of snapshots whose folders stay.
    pub(super) kept_ids: BTreeSet<u64>,
    pub(super) lost: Vec<Lost>,
}

/// Plans the metadata.db of `snapshotter`, whose readable rows are `rows`. `names` are the names of its folders.
pub(super) fn plan<'n>(
    snapshotter: &str,
    rows: &Snapshots,
    metadata: &Metadata,
    names: impl Iterator<Item = &'n str>,
) -> SnapshotterPlan {
    let usable = usable(rows);
    let mut plan = SnapshotterPlan::default();
    for key in rows.by_key.keys().filter(|key| !usable.contains(key.as_str())) {
        plan.rows.delete_bucket(["v1", "snapshots", key]);
        plan.lost.push(Lost::new(LostKind::Snapshot, &["metadata.db", snapshotter, key]));
    }
    for invalid in &rows.invalid {
        plan.drop_invalid(&invalid.path, &usable);
    }
    plan.rows.create_bucket(["v1", "snapshots"]);
    plan.kept_ids = rows_of(rows, &usable).map(|(_, row)| row.id).collect();
    index(rows, &usable, &mut plan.rows);
    // Folders that stay without a row must never be in the way of a new one.
    let numbers = names.filter_map(|name| name.parse::<u64>().ok());
    let greatest = numbers.chain(rows.by_key.values().map(|row| row.id)).max().unwrap_or(0);
    plan.rows.set_sequence(["v1", "snapshots"], greatest.max(rows.sequence));
    for (namespace, records) in &metadata.namespaces {
        plan.forget(namespace, snapshotter, records, &usable);
    }
    plan
}

fn rows_of<'r>(
    rows: &'r Snapshots,
    usable: &BTreeSet<&str>,
) -> impl Iterator<Item = (&'r Text, &'r BackendSnapshot)> {
    rows.by_key.iter().filter(|(key, _)| usable.contains(key.as_str()))
}

/// The index of parents is a copy of what the rows say: `uvarint parent 00 uvarint child` → the child's key.
fn index(rows: &Snapshots, usable: &BTreeSet<&str>, edits: &mut Edits) {
    let parents = ["v1", "parents"];
    edits.delete_bucket(parents);
    edits.create_bucket(parents);
    for (key, row) in rows_of(rows, usable) {
        if let Some(parent) = rows.by_key.get(&row.parent) {
            let link = [encode::uvarint(parent.id), vec![0], encode::uvarint(row.id)].concat();
            edits.put(parents, link, key);
        }
    }
}

/// Writes the index of parents of a metadata.db anew.
pub(in crate::repair) fn write_index(rows: &Snapshots, edits: &mut Edits) {
    index(rows, &usable(rows), edits);
}

impl SnapshotterPlan {
    /// A row that cannot be read as such, or one value of a row that can.
    fn drop_invalid(&mut self, path: &[String], usable: &BTreeSet<&str>) {
        match path {
            [_, snapshots, key, value @ ..] if snapshots == "snapshots" && !value.is_empty() => {
                let is_needed = matches!(value, [one] if matches!(one.as_str(), "id" | "kind"));
                if !is_needed && usable.contains(key.as_str()) {
                    if let Some((last, buckets)) = path.split_last() {
                        self.rows.delete(buckets, last);
                        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
                        self.lost.push(Lost::new(LostKind::Value, &parts));
                    }
                    return;
                }
                self.rows.delete_bucket(["v1", "snapshots", key.as_str()]);
            }
            [_, snapshots, key] if snapshots == "snapshots" && !usable.contains(key.as_str()) => {
                self.rows.delete_bucket(["v1", "snapshots", key.as_str()]);
                self.lost.push(Lost::new(LostKind::Snapshot, &["metadata.db", key]));
            }
            _ => {}
        }
    }

    /// Removes what meta.db says of snapshots that have no row.
    fn forget(&mut self, namespace: &str, snapshotter: &str, records: &Namespace, usable: &BTreeSet<&str>) {
        let Some(of) = records.snapshots.get(snapshotter) else { return };
        let gone: BTreeSet<&str> = of
            .iter()
            .filter(|(_, record)| !usable.contains(record.backend_key.as_str()))
            .map(|(key, _)| key.as_str())
            .collect();
        let bucket = ["v1", namespace, "snapshots", snapshotter];
        for key in &gone {
            self.records.delete_bucket(bucket.into_iter().chain([*key]));
            self.lost.push(Lost::new(LostKind::Snapshot, &[namespace, snapshotter, key]));
        }
        for (key, record) in of.iter().filter(|(key, _)| !gone.contains(key.as_str())) {
            for child in record.children.iter().filter(|child| gone.contains(child.as_str())) {
                self.records.delete(bucket.into_iter().chain([key.as_str(), "children"]), child);
            }
        }
        for (id, lease) in &records.leases {
            for (_, key) in lease.snapshots.iter().filter(|(of, _)| of == snapshotter) {
                if gone.contains(key.as_str()) {
                    self.records.delete(["v1", namespace, "leases", id, "snapshots", snapshotter], key);
                }
            }
        }
        let label = format!("{SNAPSHOT_REFERENCE}{snapshotter}");
        for (digest, record) in &records.blobs {
            if record.labels.get(&label).is_some_and(|chain| !of.contains_key(chain) || gone.contains(chain))
            {
                let name = digest.to_string();
                self.records.delete(["v1", namespace, "content", "blob", &name, "labels"], &label);
            }
        }
    }
}
