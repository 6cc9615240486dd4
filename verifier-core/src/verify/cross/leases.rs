//! Leases that have ended, and leases on what is not there (F12). Both are what crashes and impatient clients leave: the
//! collector passes over them, and takes the ended ones when it next runs.

use super::Cross;
use crate::finding::{BlastRadius, FindingKind, LeaseExpired, LeaseResourceMissing};
use crate::metadata::{EXPIRE, LEASE_PREFIX, LeaseRecord, Namespace};
use crate::verify::candidate::{Examination, Witness};

impl Cross<'_> {
    pub(super) fn examine_leases(&self, into: &mut Examination) {
        // A pull leases what it is about to write.
        if !self.inventory.is_settled(self.inventory.meta_db.modified) {
            return;
        }
        for (namespace, records) in self.namespaces().filter(|(name, _)| self.scope.has_all_of(name)) {
            for (id, lease) in &records.leases {
                let ours = id.starts_with(LEASE_PREFIX);
                let kind = match lease.ended(self.inventory.began) {
                    Some(expired) => {
                        Some(FindingKind::from(LeaseExpired { expired: expired.to_owned(), ours }))
                    }
                    None => self.missing(lease, records, ours).map(FindingKind::from),
                };
                if let Some(kind) = kind {
                    let subject = self.meta_record(["v1", namespace, "leases", id]);
                    let namespaces = [namespace.to_owned()].into();
                    let blast = BlastRadius { namespaces, ..BlastRadius::default() };
                    into.find_with(Witness::Records(vec![lease.created]), kind, subject, blast);
                }
            }
        }
    }

    /// What a lease holds and is not there: digests, `snapshotter/key`, names of images, refs of ingests. A blob's file that waits for its
    /// record is there.
    fn missing(&self, lease: &LeaseRecord, records: &Namespace, ours: bool) -> Option<LeaseResourceMissing> {
        let files = &self.inventory.blobs.files;
        let content = lease
            .content
            .iter()
            .filter(|digest| !records.blobs.contains_key(digest) && !files.contains_key(digest));
        let has_snapshot = |snapshotter: &str, key: &str| {
            records.snapshots.get(snapshotter).is_some_and(|snapshots| snapshots.contains_key(key))
        };
        let snapshots = lease.snapshots.iter().filter(|(snapshotter, key)| !has_snapshot(snapshotter, key));
        let images = lease.images.iter().filter(|name| !records.images.contains_key(*name));
        let ingests = lease.ingests.iter().filter(|name| !records.ingests.contains_key(*name));
        let missing: Vec<String> = content
            .map(ToString::to_string)
            .chain(snapshots.map(|(snapshotter, key)| format!("{snapshotter}/{key}")))
            .chain(images.cloned())
            .chain(ingests.cloned())
            .collect();
        let ends = lease.labels.get(EXPIRE).map(str::to_owned);
        (!missing.is_empty()).then_some(LeaseResourceMissing { missing, ours, ends })
    }
}
