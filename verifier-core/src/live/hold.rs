//! Holding everything that is to stay, before the first delete.
//!
//! containerd collects within half a second after any delete, in all namespaces, and then takes whatever no image, container
//! or lease reaches any more (core/metadata/gc.go). A blob that is evicted was perhaps the only thing through which another
//! was reached. So each namespace gets a lease on all of its blobs and snapshots that are not to be evicted.
//!
//! A lease names rows: a blob's file without a row in any namespace goes with the first collection, lease or not.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Act, Code, LiveError, LiveStore, Namespace, Resource, expiry};

/// How the ids of our leases end: of those that hold while something is deleted, and that are of no use after that; and of those
/// that outlive their run, until what they hold is pulled. What was kept while containerd was stopped has an id without an end.
pub(super) const HOLD: &str = "-hold";
pub(super) const COLLECT: &str = "-collect";
pub(super) const FOR_PULL: &str = "-pull";

/// What is to be evicted, so not to be held.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Evictions {
    /// Digests of blobs, in whatever namespace.
    pub blobs: BTreeSet<String>,
    /// Snapshots: namespace, snapshotter, key.
    pub snapshots: BTreeSet<(String, String, String)>,
}

impl Evictions {
    /// These.
    pub fn new(
        blobs: impl IntoIterator<Item = String>,
        snapshots: impl IntoIterator<Item = (String, String, String)>,
    ) -> Evictions {
        Evictions { blobs: blobs.into_iter().collect(), snapshots: snapshots.into_iter().collect() }
    }

    fn has(&self, namespace: &str, resource: &Resource) -> bool {
        match resource.kind.split_once('/') {
            None => resource.kind == "content" && self.blobs.contains(&resource.id),
            Some((_, snapshotter)) => {
                let key = (namespace.to_owned(), snapshotter.to_owned(), resource.id.clone());
                self.snapshots.contains(&key)
            }
        }
    }
}

/// A store of which everything to keep is held. Only this can evict and clean.
///
/// Dropped without [`Held::release`], as after an error, the leases stay until another run's release, or their expiry: nothing is
/// lost by that.
#[derive(Debug)]
pub struct Held<'l> {
    pub(super) store: LiveStore<'l>,
    namespaces: Vec<String>,
    held: usize,
}

impl<'l> LiveStore<'l> {
    /// Leases, in every namespace, everything but `evictions`: blobs, and snapshots of these snapshotters. A snapshotter that
    /// this containerd does not run has nothing to be held.
    ///
    /// One lease costs one transaction for each thing in it, about a millisecond and a sync of meta.db.
    pub fn hold(mut self, evictions: &Evictions, snapshotters: &[String]) -> Result<Held<'l>, LiveError> {
        let namespaces = self.live.namespaces()?;
        let mut held = 0_usize;
        for name in &namespaces {
            let namespace = self.live.namespace(name);
            let (evicted, kept): (Vec<_>, Vec<_>) = resources(&namespace, snapshotters)?
                .into_iter()
                .partition(|resource| evictions.has(name, resource));
            held = held.saturating_add(kept.len());
            let lease = self.lease(HOLD);
            self.let_go(&namespace, &evicted)?;
            self.fill_lease(&namespace, &lease, kept, self.hold_expiry())?;
        }
        Ok(Held { store: self, namespaces, held })
    }

    /// Takes what is to be evicted out of leases that this run or another left when it was killed.
    fn let_go(&mut self, namespace: &Namespace<'_>, evicted: &[Resource]) -> Result<(), LiveError> {
        let evicted: BTreeSet<&Resource> = evicted.iter().collect();
        for lease in self.leases(namespace.name())? {
            let held = namespace.lease_resources(&lease)?.unwrap_or_default();
            for resource in held.into_iter().filter(|resource| evicted.contains(resource)) {
                let (name, id) = (namespace.name().to_owned(), lease.clone());
                self.before(&Act::TakeFromLease { namespace: name, lease: id, resource: resource.clone() })?;
                namespace.take_from_lease(&lease, &resource)?;
            }
        }
        Ok(())
    }

    /// The ids of our leases in a namespace, of whatever run. Some hold what is yet to be pulled ([`Held::remove_names`]); each
    /// ends by itself.
    pub fn leases(&self, namespace: &str) -> Result<Vec<String>, LiveError> {
        let ids = self.live.namespace(namespace).leases()?.into_iter().map(|lease| lease.id);
        Ok(ids.filter(|id| id.starts_with(super::LEASE_PREFIX)).collect())
    }

    /// Deletes a lease and waits for the collection.
    pub fn release_lease(&mut self, namespace: &str, lease: &str) -> Result<(), LiveError> {
        self.delete_lease(namespace, lease, true)
    }

    fn delete_lease(&mut self, namespace: &str, lease: &str, sync: bool) -> Result<(), LiveError> {
        self.before(&Act::DeleteLease { namespace: namespace.to_owned(), lease: lease.to_owned() })?;
        self.live.namespace(namespace).delete_lease(lease, sync).map(drop)
    }

    /// Makes a lease, unless it is there, and adds what is missing in it.
    pub(super) fn fill_lease(
        &mut self,
        namespace: &Namespace<'_>,
        lease: &str,
        resources: Vec<Resource>,
        expiry: Duration,
    ) -> Result<(), LiveError> {
        let (name, labels) = (namespace.name().to_owned(), expiry::labels(expiry));
        self.before(&Act::CreateLease {
            namespace: name.clone(),
            lease: lease.to_owned(),
            labels: labels.clone(),
        })?;
        namespace.create_lease(lease, &labels)?;
        let there: BTreeSet<Resource> =
            namespace.lease_resources(lease)?.unwrap_or_default().into_iter().collect();
        let missing: Vec<Resource> =
            resources.into_iter().filter(|resource| !there.contains(resource)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        self.before(&Act::FillLease {
            namespace: name,
            lease: lease.to_owned(),
            resources: missing.clone(),
        })?;
        missing.iter().try_for_each(|resource| namespace.add_to_lease(lease, resource))
    }

    /// Has containerd collect now and waits for the end of it: by a lease on nothing that is deleted.
    pub(super) fn collect(&mut self, namespace: &Namespace<'_>) -> Result<(), LiveError> {
        let lease = self.lease(COLLECT);
        self.fill_lease(namespace, &lease, Vec::new(), self.hold_expiry())?;
        self.release_lease(namespace.name(), &lease)
    }
}

impl<'l> Held<'l> {
    /// How many blobs and snapshots are held.
    pub fn count(&self) -> usize {
        self.held
    }

    /// The store, for what deletes nothing.
    pub fn store(&mut self) -> &mut LiveStore<'l> {
        &mut self.store
    }

    /// Ends the holding, also that of runs which were killed; each namespace's collection is waited for. What nothing else
    /// holds is gone then. Two runs on one store at the same time are for the caller to prevent.
    pub fn release(&mut self) -> Result<(), LiveError> {
        let own = self.store.lease(HOLD);
        for namespace in &self.namespaces.clone() {
            let others = self.store.leases(namespace)?.into_iter();
            for lease in others.filter(|lease| *lease != own && is_passing(lease)) {
                self.store.delete_lease(namespace, &lease, false)?;
            }
            self.store.release_lease(namespace, &own)?;
        }
        Ok(())
    }
}

fn is_passing(lease: &str) -> bool {
    lease.ends_with(HOLD) || lease.ends_with(COLLECT)
}

fn resources(namespace: &Namespace<'_>, snapshotters: &[String]) -> Result<Vec<Resource>, LiveError> {
    let mut resources: Vec<Resource> =
        namespace.blobs()?.iter().map(|row| Resource::content(&row.digest)).collect();
    for snapshotter in snapshotters {
        let rows = match namespace.snapshots(snapshotter) {
            Err(why) if why.code() == Some(Code::InvalidArgument) => continue,
            rows => rows?,
        };
        resources.extend(rows.iter().map(|row| Resource::snapshot(snapshotter, &row.key)));
    }
    Ok(resources)
}
