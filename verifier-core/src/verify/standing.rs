//! Which containers stand on a snapshot: on it, or on one above it.

use std::collections::BTreeMap;

use crate::metadata::{Metadata, Namespace};

/// Namespace and name, or snapshotter and backend key.
type Pair<'a> = (&'a str, &'a str);

/// The snapshots that containers stand on, each with what is right above it. Written out for each snapshot, containers would
/// take memory by their number times the height of the stacks.
#[derive(Debug, Default)]
pub(super) struct Standing<'a> {
    places: Vec<Place<'a>>,
    /// By snapshotter and backend key. In a damaged database two records may name one.
    by_key: BTreeMap<Pair<'a>, Vec<usize>>,
}

#[derive(Debug)]
struct Place<'a> {
    containers: Vec<Pair<'a>>,
    /// The places right above that some container stands on.
    above: Vec<usize>,
}

impl<'a> Standing<'a> {
    pub(super) fn new(metadata: &'a Metadata) -> Self {
        let mut standing = Standing::default();
        for (namespace, records) in &metadata.namespaces {
            standing.note(namespace, records);
        }
        standing.pass_over();
        standing
    }

    fn note(&mut self, namespace: &'a str, records: &'a Namespace) {
        // The records that are noted, by snapshotter and key; all below them are noted, too.
        let mut noted: BTreeMap<Pair<'a>, usize> = BTreeMap::new();
        for (id, container) in &records.containers {
            let snapshotter = container.snapshotter.as_str();
            let Some(snapshots) = records.snapshots.get(snapshotter) else { continue };
            let (mut key, mut above) = (container.snapshot_key.as_str(), None);
            while let Some((name, snapshot)) = snapshots.get_key_value(key) {
                let known = noted.get(&(snapshotter, name.as_str())).copied();
                let place = known.unwrap_or_else(|| {
                    self.places.push(Place { containers: Vec::new(), above: Vec::new() });
                    let place = self.places.len() - 1;
                    noted.insert((snapshotter, name), place);
                    self.by_key.entry((snapshotter, &snapshot.backend_key)).or_default().push(place);
                    place
                });
                if let Some(at) = self.places.get_mut(place) {
                    match above {
                        Some(above) => at.above.push(above),
                        None => at.containers.push((namespace, id)),
                    }
                }
                if known.is_some() {
                    break;
                }
                (key, above) = (snapshot.parent.as_str(), Some(place));
            }
        }
    }

    /// Leaves out of the ways up all places that only lead on: a way is then no longer than what it leads to.
    fn pass_over(&mut self) {
        for place in 0..self.places.len() {
            let Some(at) = self.places.get_mut(place) else { continue };
            let above: Vec<usize> = std::mem::take(&mut at.above);
            let above = above.into_iter().map(|next| self.leads_to(next)).collect();
            if let Some(at) = self.places.get_mut(place) {
                at.above = above;
            }
        }
    }

    /// The first place on the way up that has containers, or more than one way; what is passed leads there at once from now on.
    fn leads_to(&mut self, place: usize) -> usize {
        let (mut passed, mut end) = (Vec::new(), place);
        while let Some(Place { containers, above }) = self.places.get(end)
            && let ([], [only]) = (&containers[..], &above[..])
            && passed.len() < self.places.len()
        {
            passed.push(end);
            end = *only;
        }
        for place in passed {
            if let Some([only]) = self.places.get_mut(place).map(|at| &mut at.above[..]) {
                *only = end;
            }
        }
        end
    }

    /// The containers on a snapshot, as namespace and name, in no order.
    pub(super) fn on(&self, snapshotter: &str, backend_key: &str) -> Vec<Pair<'a>> {
        let mut queue = self.by_key.get(&(snapshotter, backend_key)).cloned().unwrap_or_default();
        let mut seen = vec![false; if queue.is_empty() { 0 } else { self.places.len() }];
        let mut is_new =
            |place: usize| seen.get_mut(place).is_some_and(|seen| !std::mem::replace(seen, true));
        queue.retain(|place| is_new(*place));
        let mut containers = Vec::new();
        while let Some(place) = queue.pop().and_then(|place| self.places.get(place)) {
            containers.extend(&place.containers);
            queue.extend(place.above.iter().copied().filter(|place| is_new(*place)));
        }
        containers
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::metadata::{ContainerRecord, SnapshotRecord};

    /// Snapshots as (key, parent) and containers as (name, key).
    fn metadata(snapshots: &[(String, String)], containers: &[(String, String)]) -> Metadata {
        let mut records = Namespace::default();
        let rows = snapshots.iter().map(|(key, parent)| {
            let mut row = SnapshotRecord::default();
            (row.backend_key, row.parent) = (key.as_str().into(), parent.as_str().into());
            (key.as_str().into(), row)
        });
        records.snapshots.insert("s".into(), rows.collect());
        for (name, key) in containers {
            let mut container = ContainerRecord::default();
            (container.snapshotter, container.snapshot_key) = ("s".into(), key.as_str().into());
            records.containers.insert(name.clone(), container);
        }
        let namespaces = BTreeMap::from([("n".to_owned(), records)]);
        Metadata { namespaces, ..Metadata::default() }
    }

    /// The containers whose way down leads over a snapshot, each walked by itself.
    fn walked(metadata: &Metadata, wanted: &str) -> BTreeSet<String> {
        let records = &metadata.namespaces["n"];
        let snapshots = &records.snapshots["s"];
        let stands = |top: &str| {
            let mut way = std::iter::successors(Some(top), |key| Some(&*snapshots.get(*key)?.parent));
            way.by_ref().take(snapshots.len() + 1).any(|key| key == wanted && snapshots.contains_key(key))
        };
        let standing = records.containers.iter().filter(|(_, container)| stands(&container.snapshot_key));
        standing.map(|(name, _)| name.clone()).collect()
    }

    #[test]
    fn each_snapshot_has_the_containers_whose_way_down_leads_over_it() {
        let mut random = 7_u64;
        let mut next = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        for _ in 0..2000 {
            // Any snapshot may be another's parent, itself, or none of them: trees, circles and ways into them.
            let count = 1 + next(12);
            let snapshots: Vec<_> =
                (0..count).map(|key| (key.to_string(), next(count + 2).to_string())).collect();
            let containers: Vec<_> =
                (0..next(6)).map(|name| (name.to_string(), next(count + 1).to_string())).collect();
            let metadata = metadata(&snapshots, &containers);
            let standing = Standing::new(&metadata);
            for (key, _) in &snapshots {
                let on: BTreeSet<String> =
                    standing.on("s", key).into_iter().map(|(_, name)| name.to_owned()).collect();
                assert_eq!(on, walked(&metadata, key), "{key}: {snapshots:?} {containers:?}");
            }
        }
    }

    #[test]
    fn many_containers_on_a_high_stack_take_no_more_than_both() {
        let snapshots: Vec<_> = (0..20_000_u64).map(|key| (key.to_string(), (key + 1).to_string())).collect();
        let containers: Vec<_> = (0..20_000_u64).map(|name| (name.to_string(), "0".to_owned())).collect();
        let metadata = metadata(&snapshots, &containers);
        let standing = Standing::new(&metadata);
        let (places, ways) =
            (standing.places.len(), standing.places.iter().map(|at| at.above.len()).sum::<usize>());
        assert_eq!((places, ways), (20_000, 19_999));
        assert_eq!(standing.on("s", "19999").len(), 20_000);
    }
}
