//! Which snapshots to look at, and with what.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Scope;
use super::lowers::{Lowers, Stacking};
use super::stacks::Stacks;
use crate::digest::{ChainId, DiffId, Digest};
use crate::finding::{Subject, Usage};
use crate::io::FileKind;
use crate::metadata::{BackendSnapshot, Kind, Snapshots, Timestamp};
use crate::report::{Depth, Reason};
use crate::scan::{Inventory, Snapshotter};
use crate::snapshot::Driver;
use crate::texts::Text;
use crate::verify::tree::Flavour;

/// A layer's blob, as it will be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSource {
    /// The blob.
    pub digest: Digest,
    /// Its media type.
    pub media_type: Text,
    /// What its tar must hash to.
    pub diff_id: DiffId,
    /// The file's size.
    pub size_bytes: u64,
}

/// A snapshot to look at.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SnapshotTask {
    /// The namespace it belongs to.
    pub namespace: Text,
    /// Its snapshotter.
    pub snapshotter: Text,
    /// Its key in the snapshotter's database.
    pub backend_key: Text,
    /// Its number there.
    pub id: u64,
    /// What it is.
    pub kind: Kind,
    /// When its record in meta.db was made.
    pub created: Option<Timestamp>,
    /// When it was committed: that is when a committed snapshot's row in the snapshotter's database was made.
    pub committed: Option<Timestamp>,
    /// Its ChainID, if it is named by one.
    pub chain_id: Option<ChainId>,
    /// Its tree, below the root.
    pub tree: PathBuf,
    /// The trees of the snapshots below; `None` when one of them has no record.
    pub lowers: Option<Lowers>,
    /// How the tree came about.
    pub flavour: Flavour,
    /// What it occupied when it was committed.
    pub usage: Option<Usage>,
    /// Whether its owners were shifted for a user namespace.
    pub remapped: bool,
    /// The blobs that made it, the base's first; empty when they are not to be had.
    pub layers: Vec<LayerSource>,
    /// Why they are not.
    pub reason: Option<Reason>,
    /// How far to go with this one: its tree is compared with its layers at [`Depth::Full`] only.
    pub depth: Depth,
}

impl SnapshotTask {
    /// What a finding about it is about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        let (snapshotter, key) = (self.snapshotter.to_string(), self.backend_key.to_string());
        Subject::Snapshot { snapshotter, key, id: self.id }
    }

    /// What its subject is ordered by, and the namespace: two may have a record of one snapshot.
    fn name(&self) -> (&str, &str, u64, &str) {
        (&self.snapshotter, &self.backend_key, self.id, &self.namespace)
    }

    /// Whether a container may write to it.
    pub(crate) fn is_in_use(&self) -> bool {
        self.kind != Kind::Committed
    }

    /// The layers that are read to compare its tree with them.
    pub(crate) fn layers_read(&self) -> &[LayerSource] {
        if self.depth == Depth::Full { &self.layers } else { &[] }
    }
}

impl SnapshotTask {
    /// All that a look at it may find something about: itself, its folder, its layers.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = Subject> {
        let layers = self.layers.iter().map(|layer| Subject::Blob { digest: layer.digest.clone() });
        [self.subject(), Subject::Path { path: self.tree.clone() }].into_iter().chain(layers)
    }
}

/// Labels that say that owners are shifted (core/snapshots/snapshotter.go).
const MAPPINGS: [&str; 2] = ["containerd.io/snapshot/uidmapping", "containerd.io/snapshot/gidmapping"];

/// All snapshots of `scope` that have a record in both databases and a folder this library can read.
pub(super) fn to_examine(inventory: &Inventory, scope: &Scope) -> Vec<SnapshotTask> {
    let mut stacks = Stacks::new(inventory);
    let namespaces = &inventory.metadata().namespaces;
    let records = namespaces.values().flat_map(|records| records.snapshots.values());
    let mut tasks = Vec::with_capacity(records.map(BTreeMap::len).sum());
    for (namespace, records) in namespaces {
        let namespace_name: Text = namespace.as_str().into();
        for (name, snapshots) in &records.snapshots {
            let Some(snapshotter) = inventory.snapshotters.get(name) else { continue };
            let rows = snapshotter.database.as_ref().and_then(|database| database.records());
            let (Some(driver), Some(rows)) = (Driver::of(name), rows) else { continue };
            let snapshotter_name: Text = name.as_str().into();
            let stacking = Stacking::new(&snapshotter.path, driver, rows);
            for (key, record) in snapshots {
                let chain_id = key.parse().ok().map(ChainId);
                let row = rows.by_key.get(&record.backend_key);
                let row = row.filter(|row| driver.has_tree(row.kind, row.parent.is_empty()));
                let Some(row) = row.filter(|_| scope.has_snapshot(namespace, chain_id.as_ref())) else {
                    continue;
                };
                let place = Place { inventory, snapshotter, driver, rows, stacking: &stacking };
                let mut task =
                    place.task((&namespace_name, &snapshotter_name, &record.backend_key), row, chain_id);
                task.created = record.created;
                if task.kind == Kind::Committed {
                    place.choose_layers(&mut task, &mut stacks);
                }
                tasks.push(task);
            }
        }
    }
    let cost = |task: &SnapshotTask| task.layers.iter().map(|layer| layer.size_bytes).sum::<u64>();
    tasks.sort_unstable_by(|a, b| cost(b).cmp(&cost(a)).then_with(|| a.name().cmp(&b.name())));
    tasks
}

struct Place<'a> {
    inventory: &'a Inventory,
    snapshotter: &'a Snapshotter,
    driver: Driver,
    rows: &'a Snapshots,
    stacking: &'a Stacking<'a>,
}

impl Place<'_> {
    fn task(
        &self,
        (namespace, snapshotter, backend_key): (&Text, &Text, &Text),
        row: &BackendSnapshot,
        chain_id: Option<ChainId>,
    ) -> SnapshotTask {
        SnapshotTask {
            namespace: namespace.clone(),
            snapshotter: snapshotter.clone(),
            backend_key: backend_key.clone(),
            id: row.id,
            kind: row.kind,
            created: None,
            committed: row.created,
            chain_id: chain_id.filter(|_| row.kind == Kind::Committed),
            tree: self.tree(row),
            lowers: self.stacking.lowers(backend_key),
            flavour: self.driver.flavour(row.parent.is_empty()),
            usage: row.usage.filter(|_| row.kind == Kind::Committed),
            remapped: MAPPINGS.iter().any(|label| row.labels.contains_key(label)),
            layers: Vec::new(),
            reason: None,
            depth: Depth::default(),
        }
    }

    fn tree(&self, row: &BackendSnapshot) -> PathBuf {
        self.snapshotter.path.join(self.driver.tree(row.kind, row.id))
    }

    /// Finds the blobs that made the task's tree: of its own layer, or, where the tree holds the whole stack, of all.
    fn choose_layers(&self, task: &mut SnapshotTask, stacks: &mut Stacks<'_>) {
        match self.layers(task, stacks) {
            Ok(layers) => task.layers = layers,
            Err(reason) => task.reason = Some(reason),
        }
    }

    fn layers(&self, task: &SnapshotTask, stacks: &mut Stacks<'_>) -> Result<Vec<LayerSource>, Reason> {
        let mut chain = task.chain_id.clone().ok_or(Reason::NoLayer)?;
        if task.lowers.is_none() {
            return Err(Reason::LowerMissing);
        }
        let mut keys = self.keys_below(&task.backend_key);
        let mut layers = Vec::with_capacity(1);
        loop {
            let parent = keys.next().map(|key| chain_of(key).ok_or(Reason::NoLayer)).transpose()?;
            let layer = stacks.layer(&chain, parent.as_ref()).ok_or(Reason::NoLayer)?;
            if layer.parent != parent {
                // The snapshots are not stacked as the name says; nothing can be said of what the tree should be.
                return Err(Reason::LowerMissing);
            }
            layers.push(self.source(&layer.diff_id, &layer.blobs)?);
            match parent {
                Some(parent) if task.flavour.is_whole() => chain = parent,
                _ => break,
            }
        }
        layers.reverse();
        Ok(layers)
    }

    /// A blob that is there to be read.
    fn source(&self, diff_id: &DiffId, blobs: &[crate::oci::Descriptor]) -> Result<LayerSource, Reason> {
        let files = &self.inventory.blobs.files;
        let there = blobs.iter().find_map(|blob| {
            let file = files.get(&blob.digest).filter(|file| file.kind == FileKind::File)?;
            let (digest, media_type) = (blob.digest.clone(), blob.media_type.clone());
            Some(LayerSource { digest, media_type, diff_id: diff_id.clone(), size_bytes: file.size_bytes })
        });
        there.ok_or(Reason::LayerDiscarded)
    }

    /// The backend keys below that of a snapshot, the nearest first.
    fn keys_below(&self, backend_key: &str) -> impl Iterator<Item = &str> {
        let parent =
            |key: &str| Some(self.rows.by_key.get(key)?.parent.as_str()).filter(|key| !key.is_empty());
        std::iter::successors(parent(backend_key), move |key| parent(key))
    }
}

/// The ChainID in a backend key, `namespace/sequence/key`.
pub(super) fn chain_of(backend_key: &str) -> Option<ChainId> {
    backend_key.splitn(3, '/').nth(2)?.parse().ok().map(ChainId)
}
