//! Rules within one metadata.db (core/snapshots/storage/bolt.go).

use std::collections::BTreeSet;

use super::Cross;
use super::key::row_subject;
use crate::finding::{BlastRadius, IndexEntry, SnapshotIdShared, SnapshotIndexWrong, SnapshotUsageMissing};
use crate::metadata::{Kind, Snapshots};
use crate::verify::candidate::{Examination, Witness};

impl Cross<'_> {
    pub(super) fn examine_rows(&self, into: &mut Examination) {
        for (snapshotter, rows) in self.snapshotters() {
            self.examine_row_parents(snapshotter, rows, into);
            self.examine_ids(snapshotter, rows, into);
            self.examine_usages(snapshotter, rows, into);
            if self.scope.is_everything() {
                self.examine_row_sequence(snapshotter, rows, into);
                self.examine_index(snapshotter, rows, into);
            }
        }
    }

    /// The id is the folder's name: two rows with one would share it.
    fn examine_ids(&self, snapshotter: &str, rows: &Snapshots, into: &mut Examination) {
        let mut by_id: Vec<(u64, &str)> =
            rows.by_key.iter().map(|(key, row)| (row.id, key.as_str())).collect();
        by_id.sort_unstable();
        for same in by_id.chunk_by(|(a, _), (b, _)| a == b).filter(|same| same.len() > 1) {
            let keys: Vec<&str> = same.iter().map(|(_, key)| *key).collect();
            let Some((first, others)) = keys.split_first() else { continue };
            if !keys.iter().any(|key| self.has_row(key)) {
                continue;
            }
            let Some(row) = rows.by_key.get(*first) else { continue };
            let mut blast = BlastRadius::default();
            for key in &keys {
                let one = self.reach(snapshotter, key);
                blast.namespaces.extend(one.namespaces);
                blast.images.add(&one.images);
                blast.containers.add(&one.containers);
                blast.containers_left_out = blast.containers_left_out.max(one.containers_left_out);
            }
            let kind = SnapshotIdShared { others: others.iter().map(|key| (*key).to_owned()).collect() };
            let created = keys.iter().filter_map(|key| rows.by_key.get(*key)).map(|row| row.created);
            into.find_with(
                Witness::Records(created.collect()),
                kind,
                row_subject(snapshotter, first, row),
                blast,
            );
        }
    }

    /// What a snapshot occupies is recorded in the transaction that commits it.
    fn examine_usages(&self, snapshotter: &str, rows: &Snapshots, into: &mut Examination) {
        let without =
            rows.by_key.iter().filter(|(_, row)| row.kind == Kind::Committed && row.usage.is_none());
        for (key, row) in without.filter(|(key, _)| self.has_row(key)) {
            let witness = Witness::Records(vec![row.created]);
            let subject = row_subject(snapshotter, key, row);
            into.find_with(witness, SnapshotUsageMissing {}, subject, self.reach(snapshotter, key));
        }
    }

    /// `parents` has one entry for each row with a parent: the two ids.
    fn examine_index(&self, snapshotter: &str, rows: &Snapshots, into: &mut Examination) {
        let mut expected = BTreeSet::new();
        let mut orphans = BTreeSet::new();
        for row in rows.by_key.values().filter(|row| !row.parent.is_empty()) {
            match rows.by_key.get(&row.parent) {
                Some(parent) => drop(expected.insert((parent.id, row.id))),
                // Its entry is right as far as anyone can tell.
                None => drop(orphans.insert(row.id)),
            }
        }
        let missing = expected.difference(&rows.parents).map(|ids| (*ids, IndexEntry::Missing));
        let stale = rows.parents.difference(&expected).filter(|(_, child)| !orphans.contains(child));
        for ((parent_id, child_id), entry) in missing.chain(stale.map(|ids| (*ids, IndexEntry::Stale))) {
            let kind = SnapshotIndexWrong { parent_id, child_id, entry };
            let name = format!("{parent_id} {child_id}");
            let subject = self.row_record(snapshotter, ["v1", "parents", &name]);
            let child = rows.by_key.iter().find(|(_, row)| row.id == child_id);
            let blast = child.map(|(key, _)| self.reach(snapshotter, key)).unwrap_or_default();
            into.find(kind, subject, blast);
        }
    }
}
