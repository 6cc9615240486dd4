//! Numbers that were given out, and the counters that gave them: a counter that is behind is an older database's.

use std::collections::BTreeSet;

use super::Cross;
use super::folders::id_of;
use super::key::BackendKey;
use crate::finding::{BlastRadius, SnapshotSequenceBehind};
use crate::metadata::{Namespace, SnapshotRecord, Snapshots, Text};
use crate::snapshot::Driver;
use crate::time::Timestamp;
use crate::verify::candidate::{Examination, Witness};

impl Cross<'_> {
    /// Ids are numbered by the sequence of `v1/snapshots` (storage.CreateSnapshot). The next one would be given out a second
    /// time, and the creation that fails then removes the folder that has the number already.
    pub(super) fn examine_row_sequence(&self, snapshotter: &str, rows: &Snapshots, into: &mut Examination) {
        if let Some(in_use) = self.id_ahead(snapshotter, rows) {
            let subject = self.row_record(snapshotter, ["v1", "snapshots"]);
            let kind = SnapshotSequenceBehind { sequence: rows.sequence, in_use };
            into.find(kind, subject, BlastRadius::default());
        }
    }

    /// An id beyond the last one that was given out. A folder gets its name before its row is committed, so the very next
    /// number proves nothing there: a creation that never came to its end leaves it.
    pub(super) fn id_ahead(&self, snapshotter: &str, rows: &Snapshots) -> Option<u64> {
        let of_row = rows.by_key.values().map(|row| row.id).max().unwrap_or(0);
        let holders = self.inventory.snapshotters.get(snapshotter).map(|snapshotter| &snapshotter.holders);
        let holders = holders.filter(|_| Driver::of(snapshotter).is_some());
        let names = holders.into_iter().flatten().flat_map(|holder| &holder.names);
        let of_folder = names.filter_map(|name| id_of(name)).max().unwrap_or(0);
        let ahead = of_row > rows.sequence || of_folder > rows.sequence.saturating_add(1);
        ahead.then(|| of_row.max(of_folder))
    }

    /// Backend keys are numbered by the sequence of the bucket `snapshots/<snapshotter>` of the namespace (createKey in
    /// core/metadata/snapshot.go).
    pub(super) fn examine_sequences(&self, into: &mut Examination) {
        for (namespace, records) in self.namespaces().filter(|_| self.scope.is_everything()) {
            for snapshotter in records.snapshots.keys() {
                let sequence = records.sequences.get(snapshotter).copied().unwrap_or(0);
                let own = highest_of_records(namespace, snapshotter, records);
                let lost = self.highest_of_lost_rows(namespace, snapshotter, records, sequence);
                let Some((in_use, created)) = own.into_iter().chain(lost).max() else { continue };
                if in_use > sequence {
                    let subject = self.meta_record(["v1", namespace, "snapshots", snapshotter]);
                    let kind = SnapshotSequenceBehind { sequence, in_use };
                    let namespaces = [namespace.to_owned()].into();
                    let blast = BlastRadius { namespaces, ..BlastRadius::default() };
                    into.find_with(Witness::Records(vec![created]), kind, subject, blast);
                }
            }
        }
    }

    /// The highest number of a row that no record names, where that proves that meta.db is older than the snapshotter's
    /// database. Three things do not: a row that was left when the namespace was removed and made again, whose records are
    /// all younger; the row of a commit that never came to its end in meta.db, which has the very next number; and the row
    /// that a record of another namespace names.
    fn highest_of_lost_rows(
        &self,
        namespace: &str,
        snapshotter: &str,
        records: &Namespace,
        sequence: u64,
    ) -> Option<(u64, Option<Timestamp>)> {
        let rows = self.rows(snapshotter)?;
        let oldest =
            records.snapshots.get(snapshotter)?.values().filter_map(|record| record.created).min()?;
        let names: BTreeSet<&str> = self.names(snapshotter).collect();
        let lost = rows.by_key.iter().filter_map(|(key, row)| {
            let parts = BackendKey::parse(key).filter(|parts| parts.namespace == namespace)?;
            let younger = row.created.is_some_and(|created| created > oldest);
            let next = sequence.saturating_add(1);
            (younger && parts.sequence > next && !names.contains(key.as_str()))
                .then_some((parts.sequence, row.created))
        });
        lost.max()
    }
}

/// The highest number in a name that a record of the namespace gave its snapshot itself.
fn highest_of_records(
    namespace: &str,
    snapshotter: &str,
    records: &Namespace,
) -> Option<(u64, Option<Timestamp>)> {
    let number = |(key, record): (&Text, &SnapshotRecord)| {
        let parts = BackendKey::parse(&record.backend_key)?;
        (parts.namespace == namespace && parts.key == key.as_str())
            .then_some((parts.sequence, record.created))
    };
    records.snapshots.get(snapshotter)?.iter().filter_map(number).max()
}
