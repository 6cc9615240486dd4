//! Who holds what: leases, pins, containers, and whether a registry is known to have it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Allow, RepairOptions, Why};
use crate::digest::Digest;
use crate::finding::{BlastRadius, Named};
use crate::metadata::{LEASE_PREFIX, Metadata};
use crate::scan::Inventory;

/// CRI's mark on an image that no collection may take (internal/cri/labels).
const PINNED: (&str, &str) = ("io.cri-containerd.pinned", "pinned");
/// The repositories that a blob came from (core/remotes/docker).
const SOURCE_PREFIX: &str = "containerd.io/distribution.source.";

pub(super) struct Held<'a> {
    inventory: &'a Inventory,
    /// Leases that have not ended, by the blobs they hold.
    leased_blobs: BTreeMap<&'a Digest, BTreeSet<&'a str>>,
    /// And by the snapshots: namespace, snapshotter, key.
    leased_snapshots: BTreeMap<(&'a str, &'a str, &'a str), BTreeSet<&'a str>>,
}

impl<'a> Held<'a> {
    pub(super) fn new(inventory: &'a Inventory) -> Self {
        let mut held = Held { inventory, leased_blobs: BTreeMap::new(), leased_snapshots: BTreeMap::new() };
        for (namespace, records) in &held.inventory.metadata().namespaces {
            for (id, lease) in &records.leases {
                if lease.ended(inventory.began).is_some() || id.starts_with(LEASE_PREFIX) {
                    continue;
                }
                for digest in &lease.content {
                    held.leased_blobs.entry(digest).or_default().insert(id);
                }
                for (snapshotter, key) in &lease.snapshots {
                    let name = (namespace.as_str(), snapshotter.as_str(), key.as_str());
                    held.leased_snapshots.entry(name).or_default().insert(id);
                }
            }
        }
        held
    }

    fn metadata(&self) -> &'a Metadata {
        self.inventory.metadata()
    }

    /// Whether what only a pull can bring back may be taken from these images.
    pub(super) fn may_pull(&self, blast: &BlastRadius, options: &RepairOptions) -> Result<(), Why> {
        let names = |wanted: &dyn Fn(&Named) -> bool| -> Vec<String> {
            blast.images.iter().filter(|image| wanted(image)).map(|image| image.name.clone()).collect()
        };
        let refuse = |allow, by: Vec<String>| match by.is_empty() || options.allow.contains(&allow) {
            true => Ok(()),
            false => Err(Why::Protected { allow, by }),
        };
        refuse(Allow::Pinned, names(&|image| self.is_pinned(image)))?;
        refuse(Allow::Unpullable, names(&|image| !self.is_pullable(image)))
    }

    /// Whether a blob may be taken out.
    pub(super) fn may_take_blob(&self, digest: &Digest, options: &RepairOptions) -> Result<(), Why> {
        match self.leased_blobs.get(digest) {
            Some(leases) if !options.allow.contains(&Allow::Leased) => {
                let by = leases.iter().map(|lease| (*lease).to_owned()).collect();
                Err(Why::Protected { allow: Allow::Leased, by })
            }
            _ => Ok(()),
        }
    }

    /// Whether a snapshot may be taken out, as far as leases go.
    pub(super) fn may_take_snapshot(
        &self,
        name: (&str, &str, &str),
        options: &RepairOptions,
    ) -> Result<(), Why> {
        match self.leased_snapshots.get(&name) {
            Some(leases) if !options.allow.contains(&Allow::Leased) => {
                let by = leases.iter().map(|lease| (*lease).to_owned()).collect();
                Err(Why::Protected { allow: Allow::Leased, by })
            }
            _ => Ok(()),
        }
    }

    fn is_pinned(&self, image: &Named) -> bool {
        let record =
            self.metadata().namespaces.get(&image.namespace).and_then(|ns| ns.images.get(&image.name));
        record.and_then(|record| record.labels.get(PINNED.0)).is_some_and(|value| value == PINNED.1)
    }

    /// Whether some blob of the image says which registry it came from, and its name is not of this node alone.
    pub(super) fn is_pullable(&self, image: &Named) -> bool {
        if image.name.starts_with("localhost/") {
            return false;
        }
        let Some(records) = self.metadata().namespaces.get(&image.namespace) else { return false };
        let target = records.images.get(&image.name).and_then(|record| record.target.digest.as_ref());
        let reached = self.inventory.documents.reached_from(target);
        let mut labels = reached.into_iter().filter_map(|digest| Some(&records.blobs.get(digest)?.labels));
        labels.any(|labels| labels.keys().any(|key| key.starts_with(SOURCE_PREFIX)))
    }
}
