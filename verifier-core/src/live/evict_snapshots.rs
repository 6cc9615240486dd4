//! Evicting snapshots, leaf first.

use std::collections::{BTreeMap, BTreeSet};

use super::unhook::{Removal, remove};
use super::{Held, LiveError, Namespace, SnapshotRow};

/// A snapshot to evict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotEviction {
    /// Its key.
    pub key: String,
    /// The keys in its row's `children` that have no row themselves, from meta.db: the API does not tell them. Without them
    /// the removal goes through the labels of configs.
    pub dangling: Vec<String>,
}

/// What became of snapshots that were to be evicted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotsEvicted {
    /// Keys whose rows are gone now, in the order of their removal.
    pub removed: Vec<String>,
    /// Keys that had no row any more.
    pub absent: Vec<String>,
    /// Keys that were left, and why.
    pub left: BTreeMap<String, InUse>,
}

/// What holds a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InUse {
    /// Ids of containers whose snapshot it is or stands on, stopped ones too. To be removed first.
    pub containers: Vec<String>,
    /// Keys of its children that are not to be evicted, or were left.
    pub children: Vec<String>,
    /// Leases of others that hold it or one that stands on it.
    pub leases: Vec<String>,
}

impl InUse {
    fn is_free(&self) -> bool {
        self.containers.is_empty() && self.children.is_empty() && self.leases.is_empty()
    }
}

impl Held<'_> {
    /// Removes snapshots of one snapshotter, leaf first, and collects. What is in use is left, and what it stands on.
    ///
    /// All blobs of the chains must have been verified before: from them the snapshots are made again.
    pub fn evict_snapshots(
        &mut self,
        namespace: &str,
        snapshotter: &str,
        evictions: &[SnapshotEviction],
    ) -> Result<SnapshotsEvicted, LiveError> {
        let namespace = self.store.live.namespace(namespace);
        let ours: BTreeSet<&str> = evictions.iter().map(|eviction| eviction.key.as_str()).collect();
        self.remove_throw_aways(&namespace, snapshotter)?;
        let view = View::take(&namespace, snapshotter)?;
        let mut done = SnapshotsEvicted { left: view.in_use(&ours), ..SnapshotsEvicted::default() };
        let mut order: Vec<&SnapshotEviction> =
            evictions.iter().filter(|eviction| !done.left.contains_key(&eviction.key)).collect();
        order.sort_by_key(|eviction| std::cmp::Reverse(view.depth(&eviction.key)));
        let mut stuck = Vec::new();
        // What only has a row has no depth: its leaf may come late. Each round ends with less.
        loop {
            let before = order.len();
            stuck.clear();
            for eviction in std::mem::take(&mut order) {
                let removal = self.evict_one(&namespace, snapshotter, eviction, &view)?;
                match removal {
                    Removal::Removed => done.removed.push(eviction.key.clone()),
                    Removal::Gone => done.absent.push(eviction.key.clone()),
                    Removal::HasChild | Removal::ParentMissing => stuck.push(eviction),
                }
            }
            order.clone_from(&stuck);
            if order.is_empty() || order.len() == before {
                break;
            }
        }
        self.finish(&namespace, snapshotter, &stuck, &mut done)?;
        Ok(done)
    }

    fn evict_one(
        &mut self,
        namespace: &Namespace<'_>,
        snapshotter: &str,
        eviction: &SnapshotEviction,
        view: &View,
    ) -> Result<Removal, LiveError> {
        let key = eviction.key.as_str();
        let parent = view.parents.get(key).map_or("", String::as_str);
        self.before_remove(namespace, snapshotter, key, parent)?;
        let removal = remove(namespace, snapshotter, key)?;
        if removal != Removal::HasChild || !self.unhook(namespace, snapshotter, key, &eviction.dangling)? {
            return Ok(removal);
        }
        self.before_remove(namespace, snapshotter, key, parent)?;
        remove(namespace, snapshotter, key)
    }

    /// What could not be removed by asking goes with a collection, the rest of the others as well.
    fn finish(
        &mut self,
        namespace: &Namespace<'_>,
        snapshotter: &str,
        stuck: &[&SnapshotEviction],
        done: &mut SnapshotsEvicted,
    ) -> Result<(), LiveError> {
        let keys: Vec<String> = stuck.iter().map(|eviction| eviction.key.clone()).collect();
        self.forget(namespace, snapshotter, &keys)?;
        for key in keys {
            self.before_remove(namespace, snapshotter, &key, "")?;
            match remove(namespace, snapshotter, &key)? {
                Removal::Removed | Removal::Gone => done.removed.push(key),
                Removal::HasChild | Removal::ParentMissing => {
                    done.left.insert(key, InUse::default());
                }
            }
        }
        Ok(())
    }
}

/// What the API tells of one snapshotter of a namespace.
struct View {
    /// Parent by key.
    parents: BTreeMap<String, String>,
    /// Container by snapshot key.
    containers: Vec<(String, String)>,
    /// Lease of others by snapshot key.
    leases: Vec<(String, String)>,
}

impl View {
    fn take(namespace: &Namespace<'_>, snapshotter: &str) -> Result<View, LiveError> {
        let parent = |row: SnapshotRow| (row.key, row.parent);
        let parents = namespace.snapshots(snapshotter)?.into_iter().map(parent).collect();
        let containers = namespace.containers()?.into_iter();
        let containers = containers
            .filter(|container| container.snapshotter == snapshotter)
            .map(|container| (container.snapshot_key, container.id))
            .collect();
        let kind = format!("snapshots/{snapshotter}");
        let mut leases = Vec::new();
        for lease in namespace.leases()? {
            // Those of another run of ours end by themselves; what they hold is held by this run's too.
            if lease.id.starts_with(super::LEASE_PREFIX) {
                continue;
            }
            let resources = namespace.lease_resources(&lease.id)?.unwrap_or_default();
            let snapshots = resources.into_iter().filter(|resource| resource.kind == kind);
            leases.extend(snapshots.map(|resource| (resource.id, lease.id.clone())));
        }
        Ok(View { parents, containers, leases })
    }

    /// A key and all that it stands on, at most as many as there are snapshots.
    fn chain<'v>(&'v self, key: &'v str) -> impl Iterator<Item = &'v str> {
        let next =
            |key: &&'v str| self.parents.get(*key).map(String::as_str).filter(|parent| !parent.is_empty());
        std::iter::successors(Some(key), next).take(self.parents.len().saturating_add(1))
    }

    fn depth(&self, key: &str) -> usize {
        self.chain(key).count()
    }

    /// Which of `ours` something holds that is not of `ours`.
    fn in_use(&self, ours: &BTreeSet<&str>) -> BTreeMap<String, InUse> {
        let mut uses: BTreeMap<String, InUse> = BTreeMap::new();
        let mut mark = |key: &str, add: &dyn Fn(&mut InUse)| {
            let chain = self.chain(key).filter(|below| ours.contains(below));
            chain.for_each(|below| add(uses.entry(below.to_owned()).or_default()));
        };
        for (key, container) in &self.containers {
            mark(key, &|holds| holds.containers.push(container.clone()));
        }
        for (key, lease) in &self.leases {
            mark(key, &|holds| holds.leases.push(lease.clone()));
        }
        let others =
            self.parents.iter().filter(|(key, parent)| !ours.contains(key.as_str()) && !parent.is_empty());
        let directly: BTreeMap<&str, Vec<&String>> =
            others.fold(BTreeMap::new(), |mut directly, (key, parent)| {
                directly.entry(parent.as_str()).or_default().push(key);
                directly
            });
        for (parent, children) in directly {
            mark(parent, &|holds| holds.children.extend(children.iter().map(|&key| key.clone())));
        }
        uses.retain(|_, holds| !holds.is_free());
        uses
    }
}
