//! Which snapshots to look at, and with what.

use std::path::PathBuf;

use super::Scope;
use super::stacks::Stacks;
use crate::digest::{ChainId, DiffId, Digest};
use crate::finding::{Subject, Usage};
use crate::io::FileKind;
use crate::metadata::{BackendSnapshot, Kind, Snapshots, Timestamp};
use crate::report::{Depth, Reason};
use crate::scan::{Inventory, Snapshotter};
use crate::snapshot::Driver;
use crate::verify::tree::Flavour;

/// A layer's blob, as it will be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSource {
    /// The blob.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
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
    pub namespace: String,
    /// Its snapshotter.
    pub snapshotter: String,
    /// Its key in the snapshotter's database.
    pub backend_key: String,
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
    /// The trees of the snapshots below, below the root, the nearest first; `None` when one of them has no record.
    pub lowers: Option<Vec<PathBuf>>,
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
        let (snapshotter, key) = (self.snapshotter.clone(), self.backend_key.clone());
        Subject::Snapshot { snapshotter, key, id: self.id }
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
    let mut tasks = Vec::new();
    for (namespace, records) in &inventory.metadata().namespaces {
        for (name, snapshots) in &records.snapshots {
            let Some(snapshotter) = inventory.snapshotters.get(name) else { continue };
            let rows = snapshotter.database.as_ref().and_then(|database| database.records());
            let (Some(driver), Some(rows)) = (Driver::of(name), rows) else { continue };
            for (key, record) in snapshots {
                let chain_id = key.parse().ok().map(ChainId);
                let row = rows.by_key.get(&record.backend_key);
                let row = row.filter(|row| driver.has_tree(row.kind, row.parent.is_empty()));
                let Some(row) = row.filter(|_| scope.has_snapshot(namespace, chain_id.as_ref())) else {
                    continue;
                };
                let place = Place { inventory, snapshotter, driver, rows };
                let mut task = place.task(namespace, name, &record.backend_key, row, chain_id);
                task.created = record.created;
                if task.kind == Kind::Committed {
                    place.choose_layers(&mut task, &mut stacks);
                }
                tasks.push(task);
            }
        }
    }
    let cost = |task: &SnapshotTask| task.layers.iter().map(|layer| layer.size_bytes).sum::<u64>();
    tasks.sort_by_cached_key(|task| (std::cmp::Reverse(cost(task)), task.subject()));
    tasks
}

struct Place<'a> {
    inventory: &'a Inventory,
    snapshotter: &'a Snapshotter,
    driver: Driver,
    rows: &'a Snapshots,
}

impl Place<'_> {
    fn task(
        &self,
        namespace: &str,
        snapshotter: &str,
        backend_key: &str,
        row: &BackendSnapshot,
        chain_id: Option<ChainId>,
    ) -> SnapshotTask {
        SnapshotTask {
            namespace: namespace.into(),
            snapshotter: snapshotter.into(),
            backend_key: backend_key.into(),
            id: row.id,
            kind: row.kind,
            created: None,
            committed: row.created,
            chain_id: chain_id.filter(|_| row.kind == Kind::Committed),
            tree: self.tree(row),
            lowers: self.lowers(backend_key),
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

    /// The trees below that of a snapshot, the nearest first; `None` when a row is missing, or they go round in a circle.
    fn lowers(&self, backend_key: &str) -> Option<Vec<PathBuf>> {
        let keys = self.keys_below(backend_key)?;
        keys.into_iter().map(|key| self.rows.by_key.get(key).map(|row| self.tree(row))).collect()
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
        let mut keys = self.keys_below(&task.backend_key).ok_or(Reason::LowerMissing)?.into_iter();
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
            let file = files.get(&blob.digest).filter(|file| file.stat.kind == FileKind::File)?;
            let (digest, media_type) = (blob.digest.clone(), blob.media_type.clone());
            Some(LayerSource {
                digest,
                media_type,
                diff_id: diff_id.clone(),
                size_bytes: file.stat.size_bytes,
            })
        });
        there.ok_or(Reason::LayerDiscarded)
    }

    /// The backend keys below that of a snapshot, the nearest first.
    fn keys_below(&self, backend_key: &str) -> Option<Vec<&str>> {
        let mut keys = Vec::new();
        let mut row = self.rows.by_key.get(backend_key)?;
        while !row.parent.is_empty() {
            if keys.len() > self.rows.by_key.len() {
                return None;
            }
            keys.push(row.parent.as_str());
            row = self.rows.by_key.get(&row.parent)?;
        }
        Some(keys)
    }
}

/// The ChainID in a backend key, `namespace/sequence/key`.
pub(super) fn chain_of(backend_key: &str) -> Option<ChainId> {
    backend_key.splitn(3, '/').nth(2)?.parse().ok().map(ChainId)
}
