//! Containers and sandboxes, and what they stand on; active snapshots that nothing holds (F12, F17).

use std::collections::BTreeSet;

use super::Cross;
use crate::finding::{BlastRadius, ContainerSnapshotMissing, SandboxFault, SandboxInvalid, SnapshotUnowned};
use crate::metadata::{Kind, Labels, Namespace, SNAPSHOT_REFERENCE};
use crate::scan::Mode;
use crate::verify::candidate::{Examination, Witness};
use crate::verify::references::named;

/// Where the CRI plugin keeps its pods.
pub(super) const CRI_NAMESPACE: &str = "k8s.io";
/// The extension in which it keeps what it knows of one (internal/cri/server/podsandbox, MetadataKey).
const CRI_METADATA: &str = "metadata";

impl Cross<'_> {
    pub(super) fn examine_owners(&self, into: &mut Examination) {
        for (namespace, records) in self.namespaces() {
            if self.scope.has_all_of(namespace) {
                self.examine_sandboxes(namespace, records, into);
                self.examine_unowned(namespace, records, into);
            }
            self.examine_containers(namespace, records, into);
        }
    }

    /// The image's record may be gone: a container needs its snapshot alone.
    fn examine_containers(&self, namespace: &str, records: &Namespace, into: &mut Examination) {
        for (id, container) in &records.containers {
            let (snapshotter, key) = (container.snapshotter.as_str(), container.snapshot_key.as_str());
            let there =
                records.snapshots.get(snapshotter).is_some_and(|snapshots| snapshots.contains_key(key));
            // Without a snapshotter or a key its root file system is no snapshot.
            let needs = !snapshotter.is_empty() && !key.is_empty();
            if needs && !there && self.scope.has_image(namespace, &container.image) {
                let (snapshotter, key) = (snapshotter.into(), key.into());
                let subject = self.meta_record(["v1", namespace, "containers", id]);
                let witness = Witness::Records(vec![container.created, container.updated]);
                let kind = ContainerSnapshotMissing { snapshotter, key };
                into.find_with(witness, kind, subject, reach_container(namespace, id));
            }
        }
    }

    /// CRI reads its pods when it starts: those with a container of their own from that, the others from the sandbox's
    /// record (internal/cri/server/restart.go). Measured: 1.7 with ENABLE_CRI_SANDBOXES ends there, 1.7 without takes no
    /// notice, 2.1.9 removes the record.
    fn examine_sandboxes(&self, namespace: &str, records: &Namespace, into: &mut Examination) {
        for (id, sandbox) in &records.sandboxes {
            let read = namespace == CRI_NAMESPACE && !records.containers.contains_key(id);
            let why = match &sandbox.runtime {
                None => SandboxFault::NoRuntime,
                Some(_) if read && !sandbox.extensions.contains(CRI_METADATA) => SandboxFault::NoMetadata,
                Some(_) => continue,
            };
            // A sandbox's record is made first and gets its metadata once its network is there.
            let made = sandbox.created.map(|time| crate::io::Time { seconds: time.seconds, nanoseconds: 0 });
            if self.inventory.is_settled(made) {
                let subject = self.meta_record(["v1", namespace, "sandboxes", id]);
                let witness = Witness::Records(vec![sandbox.created, sandbox.updated]);
                let namespaces = [namespace.to_owned()].into();
                let members = records.containers.iter().filter(|(_, container)| container.sandbox_id == *id);
                let containers = members.map(|(id, _)| named(namespace, id)).collect();
                let blast = BlastRadius { namespaces, containers, ..BlastRadius::default() };
                into.find_with(witness, SandboxInvalid { why }, subject, blast);
            }
        }
    }

    /// What the collector would take, as far as the databases tell; a running containerd knows of more that holds
    /// snapshots (streams, mounts), and collects what nothing holds by itself.
    fn examine_unowned(&self, namespace: &str, records: &Namespace, into: &mut Examination) {
        if self.inventory.mode != Mode::Stopped {
            return;
        }
        let held = held(records);
        for (snapshotter, snapshots) in &records.snapshots {
            let Some(rows) = self.rows(snapshotter) else { continue };
            let parents: BTreeSet<&str> = snapshots.values().map(|record| record.parent.as_str()).collect();
            for (key, record) in snapshots {
                let row = rows.by_key.get(&record.backend_key);
                let active = row.is_some_and(|row| matches!(row.kind, Kind::Active | Kind::View));
                let rooted = record.labels.keys().any(|label| label.starts_with("containerd.io/gc."));
                let free = !parents.contains(key.as_str());
                if active && free && !rooted && !held.contains(&(snapshotter.as_str(), key.as_str())) {
                    let subject = self.snapshot_record(namespace, snapshotter, key);
                    let blast = self.record_reach(namespace, snapshotter, key, record);
                    into.find(SnapshotUnowned {}, subject, blast);
                }
            }
        }
    }
}

/// Snapshots that a container, a lease or a label holds: snapshotter and key.
fn held(records: &Namespace) -> BTreeSet<(&str, &str)> {
    let containers = records.containers.values();
    let containers =
        containers.map(|container| (container.snapshotter.as_str(), container.snapshot_key.as_str()));
    let leases = records.leases.values().flat_map(|lease| &lease.snapshots);
    let leases = leases.map(|(snapshotter, key)| (snapshotter.as_str(), key.as_str()));
    containers.chain(leases).chain(labels(records).flat_map(referred)).collect()
}

/// The labels of all that may refer to snapshots.
fn labels(records: &Namespace) -> impl Iterator<Item = &Labels> {
    let blobs = records.blobs.values().map(|record| &record.labels);
    let images = records.images.values().map(|record| &record.labels);
    let containers = records.containers.values().map(|record| &record.labels);
    let sandboxes = records.sandboxes.values().map(|record| &record.labels);
    let snapshots = records.snapshots.values().flat_map(|snapshots| snapshots.values());
    let snapshots = snapshots.map(|record| &record.labels);
    blobs.chain(images).chain(containers).chain(sandboxes).chain(snapshots)
}

/// `containerd.io/gc.ref.snapshot.<snapshotter>[/<anything>]` = key.
fn referred(labels: &Labels) -> impl Iterator<Item = (&str, &str)> {
    labels.iter().filter_map(|(label, key)| {
        let snapshotter = label.strip_prefix(SNAPSHOT_REFERENCE)?;
        Some((snapshotter.split('/').next().unwrap_or_default(), key))
    })
}

pub(super) fn reach_container(namespace: &str, id: &str) -> BlastRadius {
    let (namespaces, containers) = ([namespace.to_owned()].into(), [named(namespace, id)].into());
    BlastRadius { namespaces, containers, ..BlastRadius::default() }
}
