//! Leaks: what clients that died left held for ever (moby issue 46020, containerd issue 6294).
//!
//! A lease without an end, and the label `containerd.io/gc.root`, keep what they name until somebody removes them. Both are
//! also how live clients hold what they need (builders their cache, Docker its containers), so nothing here is damage: it is told
//! once for each namespace, with how old it is and what it takes, and only where nothing else keeps it.

use std::collections::BTreeSet;

use super::Cross;
use crate::digest::Digest;
use crate::finding::{BlastRadius, GcRootUnreached, Kept, LeaseEndless};
use crate::metadata::{EXPIRE, LEASE_PREFIX, LeaseRecord, Namespace};
use crate::time::Timestamp;
use crate::verify::candidate::Examination;

const ROOT: &str = "containerd.io/gc.root";

/// How old it must be: no client takes longer for one piece of work.
const OLD_SECONDS: i64 = 86_400;

/// A snapshotter and a key.
type Place<'a> = (&'a str, &'a str);

impl Cross<'_> {
    pub(super) fn examine_kept(&self, into: &mut Examination) {
        if self.inventory.interrupted {
            return;
        }
        for (namespace, records) in self.namespaces().filter(|(name, _)| self.scope.has_all_of(name)) {
            let reached = Reached::new(self, records);
            self.examine_endless(namespace, records, &reached, into);
            self.examine_roots(namespace, records, &reached, into);
        }
    }

    fn examine_endless(
        &self,
        namespace: &str,
        records: &Namespace,
        reached: &Reached<'_>,
        into: &mut Examination,
    ) {
        let mut held = Held::default();
        let mut oldest: Option<(Timestamp, &str)> = None;
        let mut leases = 0;
        for (id, lease) in &records.leases {
            let Some(created) = lease.created.filter(|_| is_endless(id, lease)) else { continue };
            let before = held.len();
            let content = lease.content.iter().filter(|digest| !reached.blobs.contains(digest));
            held.blobs.extend(content.filter(|digest| records.blobs.contains_key(digest)));
            let snapshots = lease.snapshots.iter().map(|(name, key)| (name.as_str(), key.as_str()));
            snapshots.for_each(|place| held.add_with_parents(records, place, reached));
            if !self.is_old(created) || held.len() == before {
                continue;
            }
            leases += 1;
            oldest = Some(oldest.map_or((created, id), |known| known.min((created, id))));
        }
        let Some((since, oldest)) = oldest else { return };
        let kept = self.size_of(&held, records);
        let (oldest, since) = (oldest.to_owned(), since.to_string());
        let kind = LeaseEndless { leases, oldest, since, kept };
        let blast = BlastRadius { namespaces: [namespace.to_owned()].into(), ..BlastRadius::default() };
        into.find(kind, self.meta_record(["v1", namespace, "leases"]), blast);
    }

    fn examine_roots(
        &self,
        namespace: &str,
        records: &Namespace,
        reached: &Reached<'_>,
        into: &mut Examination,
    ) {
        let mut held = Held::default();
        let mut since: Option<Timestamp> = None;
        // The label's value is when it was set.
        let old = |labels: &crate::metadata::Labels, created: Option<Timestamp>| {
            let set = labels.get(ROOT)?;
            Timestamp::parse(set).or(created).filter(|time| self.is_old(*time))
        };
        for (digest, record) in records.blobs.iter().filter(|(digest, _)| !reached.blobs.contains(digest)) {
            if let Some(time) = old(&record.labels, record.created) {
                held.blobs.insert(digest);
                since = Some(since.map_or(time, |known| known.min(time)));
            }
        }
        let snapshots = records.snapshots.iter().flat_map(|(name, of)| of.iter().map(move |one| (name, one)));
        for (name, (key, record)) in snapshots {
            let place = (name.as_str(), key.as_str());
            if let Some(time) = old(&record.labels, record.created).filter(|_| !reached.has(place)) {
                held.add_with_parents(records, place, reached);
                since = Some(since.map_or(time, |known| known.min(time)));
            }
        }
        let Some(since) = since else { return };
        let (since, kept) = (since.to_string(), self.size_of(&held, records));
        let blast = BlastRadius { namespaces: [namespace.to_owned()].into(), ..BlastRadius::default() };
        into.find(GcRootUnreached { since, kept }, self.meta_record(["v1", namespace]), blast);
    }

    fn is_old(&self, time: Timestamp) -> bool {
        self.inventory.began.seconds.saturating_sub(time.seconds) >= OLD_SECONDS
    }

    fn size_of(&self, held: &Held<'_>, records: &Namespace) -> Kept {
        let blob = |digest: &&Digest| records.blobs.get(digest).and_then(|record| record.size_bytes);
        let snapshot = |(name, key): &Place<'_>| {
            let record = records.snapshots.get(*name)?.get(*key)?;
            Some(self.rows(name)?.by_key.get(&record.backend_key)?.usage?.size_bytes)
        };
        Kept {
            blobs: held.blobs.len() as u64,
            blob_bytes: held.blobs.iter().filter_map(blob).fold(0, u64::saturating_add),
            snapshots: held.snapshots.len() as u64,
            snapshot_bytes: held.snapshots.iter().filter_map(snapshot).fold(0, u64::saturating_add),
        }
    }
}

/// Whether a lease never ends and is nobody's that is known: Docker names the lease of a container as the container, and so its
/// snapshot; it removes both together.
fn is_endless(id: &str, lease: &LeaseRecord) -> bool {
    let is_containers = lease.snapshots.iter().any(|(_, key)| key == id);
    !lease.labels.contains_key(EXPIRE) && !id.starts_with(LEASE_PREFIX) && !is_containers
}

/// What leases or roots hold.
#[derive(Default)]
struct Held<'a> {
    blobs: BTreeSet<&'a Digest>,
    snapshots: BTreeSet<Place<'a>>,
}

impl<'a> Held<'a> {
    fn len(&self) -> usize {
        self.blobs.len() + self.snapshots.len()
    }

    fn add_with_parents(&mut self, records: &'a Namespace, place: Place<'_>, reached: &Reached<'_>) {
        climb(records, place, |place| !reached.has(place) && self.snapshots.insert(place));
    }
}

/// Calls `go_on` with the snapshot and each that it is built on, until that says no.
fn climb<'a>(records: &'a Namespace, (name, key): Place<'_>, mut go_on: impl FnMut(Place<'a>) -> bool) {
    let Some((name, snapshots)) = records.snapshots.get_key_value(name) else { return };
    let mut next = snapshots.get_key_value(key);
    while let Some((_, record)) = next.filter(|(key, _)| go_on((name.as_str(), key.as_str()))) {
        next = snapshots.get_key_value(&record.parent);
    }
}

/// What images and containers need by themselves.
struct Reached<'a> {
    blobs: BTreeSet<&'a Digest>,
    snapshots: BTreeSet<Place<'a>>,
}

impl<'a> Reached<'a> {
    fn new(cross: &Cross<'a>, records: &'a Namespace) -> Reached<'a> {
        let documents = &cross.inventory.documents;
        let targets = records.images.values().filter_map(|image| image.target.digest.as_ref());
        let blobs = documents.reached_from(targets);
        let tops: Vec<String> =
            blobs.iter().filter_map(|digest| documents.tops.get(*digest)).map(ToString::to_string).collect();
        let mut reached = Reached { blobs, snapshots: BTreeSet::new() };
        let of_images = records
            .snapshots
            .keys()
            .flat_map(|name| tops.iter().map(move |top| (name.as_str(), top.as_str())));
        let containers = records.containers.values();
        let of_containers = containers.map(|one| (one.snapshotter.as_str(), one.snapshot_key.as_str()));
        for place in of_images.chain(of_containers) {
            let snapshots = &mut reached.snapshots;
            climb(records, place, |place| snapshots.insert(place));
        }
        reached
    }

    fn has(&self, place: Place<'_>) -> bool {
        self.snapshots.contains(&place)
    }
}
