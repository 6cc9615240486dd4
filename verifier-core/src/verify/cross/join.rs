//! Records of meta.db and rows of the snapshotters' databases, both ways (F8).

use std::collections::BTreeSet;

use super::Cross;
use super::key::row_subject;
use crate::finding::{FindingKind, SnapshotParentDiffers, SnapshotRowMissing, SnapshotUnreferenced};
use crate::metadata::{Kind, SnapshotRecord, Snapshots};
use crate::verify::candidate::{Examination, Witness};

impl Cross<'_> {
    pub(super) fn examine_join(&self, into: &mut Examination) {
        for (namespace, snapshotter, key, record) in self.records() {
            let Some(rows) = self.rows(snapshotter) else { continue };
            let row = rows.by_key.get(&record.backend_key);
            let kind = match row {
                None => Some(SnapshotRowMissing { backend_key: record.backend_key.to_string() }.into()),
                Some(_) => {
                    self.parent_differs((namespace, snapshotter, key), record, rows).map(FindingKind::from)
                }
            };
            if let Some(kind) = kind {
                let subject = self.snapshot_record(namespace, snapshotter, key);
                let witness = Witness::Records(vec![record.created, row.and_then(|row| row.created)]);
                let blast = self.record_reach(namespace, snapshotter, key, record);
                into.find_with(witness, kind, subject, blast);
            }
        }
        if self.scope.is_everything() {
            self.examine_unreferenced(into);
        }
    }

    /// The parent that meta.db gives, as a backend key, against the row's. It is set when the snapshot is made, from the
    /// parent's record, which cannot change while there are children.
    fn parent_differs(
        &self,
        (namespace, snapshotter, key): (&str, &str, &str),
        record: &SnapshotRecord,
        rows: &Snapshots,
    ) -> Option<SnapshotParentDiffers> {
        let row = rows.by_key.get(&record.backend_key)?;
        let snapshots = self.inventory.metadata().namespaces.get(namespace)?.snapshots.get(snapshotter)?;
        let expected = match record.parent.as_str() {
            "" => "",
            // A parent without a record is reported as that.
            parent => snapshots.get(parent)?.backend_key.as_str(),
        };
        if row.parent == expected {
            return None;
        }
        // So is one without a row, and a circle.
        let known = !row.parent.is_empty() && !rows.by_key.contains_key(&row.parent)
            || is_in_circle(key, snapshots.len(), |key| Some(snapshots.get(key)?.parent.as_str()))
            || is_in_circle(&record.backend_key, rows.by_key.len(), |key| {
                Some(rows.by_key.get(key)?.parent.as_str())
            });
        let name = |key: &str| (!key.is_empty()).then(|| key.to_owned());
        (!known).then(|| SnapshotParentDiffers { expected: name(expected), actual: name(&row.parent) })
    }

    /// Rows that no record names: the collector removes them once any snapshot is removed.
    fn examine_unreferenced(&self, into: &mut Examination) {
        for (snapshotter, rows) in self.snapshotters() {
            let modified =
                self.inventory.snapshotters.get(snapshotter).and_then(|one| one.database.as_ref()?.modified);
            let settled = [self.inventory.meta_db.modified, modified]
                .into_iter()
                .all(|time| self.inventory.is_settled(time));
            if !settled {
                continue;
            }
            let needed = self.needed(snapshotter, rows);
            for (key, row) in rows.by_key.iter().filter(|(key, _)| !needed.contains(key.as_str())) {
                let kind = SnapshotUnreferenced { committed: row.kind == Kind::Committed };
                let subject = row_subject(snapshotter, key, row);
                into.find_with(
                    Witness::Records(vec![row.created]),
                    kind,
                    subject,
                    self.reach(snapshotter, key),
                );
            }
        }
    }

    /// Keys of the rows that records name, and of all that those build on: containerd cannot remove these either.
    fn needed<'r>(&self, snapshotter: &str, rows: &'r Snapshots) -> BTreeSet<&'r str> {
        let mut needed = BTreeSet::new();
        for name in self.names(snapshotter) {
            let mut next = rows.by_key.get_key_value(name);
            while let Some((_, row)) = next.filter(|(key, _)| needed.insert(key.as_str())) {
                next = rows.by_key.get_key_value(&row.parent);
            }
        }
        needed
    }

    /// The backend keys that the records of all namespaces name.
    pub(super) fn names(&self, snapshotter: &str) -> impl Iterator<Item = &str> {
        let namespaces = self.inventory.metadata().namespaces.values();
        let snapshots = namespaces.filter_map(move |records| records.snapshots.get(snapshotter));
        snapshots.flat_map(|snapshots| snapshots.values()).map(|record| record.backend_key.as_str())
    }
}

/// Whether the way from `key` to its parents comes back to it, within `limit` steps.
fn is_in_circle<'r>(key: &str, limit: usize, parent: impl Fn(&str) -> Option<&'r str>) -> bool {
    let mut next = parent(key);
    for _ in 0..limit {
        match next {
            Some(other) if other == key => return true,
            Some(other) => next = parent(other),
            None => return false,
        }
    }
    false
}
