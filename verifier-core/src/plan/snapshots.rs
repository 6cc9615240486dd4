//! Which snapshots to look at, and with what.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::Scope;
use crate::digest::{ChainId, Digest};
use crate::finding::{Depth, Reason};
use crate::finding::{Subject, Usage};
use crate::layer::Flavour;
use crate::metadata::{BackendSnapshot, Kind, Snapshots};
use crate::plan::stack::layers::{Answers, LayerSource, Layers};
use crate::plan::stack::lowers::{Lowers, Stacking};
use crate::plan::stack::origins::{Origins, Row};
use crate::scan::{Inventory, Snapshotter};
use crate::snapshot::Driver;
use crate::texts::Text;
use crate::time::Timestamp;

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
    /// The blobs that made it; empty when they are not to be had.
    pub layers: Layers,
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

    /// The layers that are read to compare its tree with them, if it is.
    pub(crate) fn layers_read(&self) -> Option<&Layers> {
        Some(&self.layers).filter(|layers| self.depth == Depth::Full && !layers.is_empty())
    }
}

impl SnapshotTask {
    /// All that a look at it may find something about: itself, its folder, its layers.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = Subject> {
        self.own_subjects().into_iter().chain(self.layers.base_first().into_iter().map(LayerSource::subject))
    }

    fn own_subjects(&self) -> [Subject; 2] {
        [self.subject(), Subject::Path { path: self.tree.clone() }]
    }
}

/// Leaves the tasks that may find something about a subject that is `wanted`.
pub(super) fn retain_wanted(tasks: &mut Vec<SnapshotTask>, wanted: impl Fn(&Subject) -> bool) {
    let mut answers = Answers::default();
    tasks.retain(|task| {
        task.own_subjects().iter().any(&wanted)
            || task.layers.any(&mut answers, |layer| wanted(&layer.subject()))
    });
}

/// The blobs that are read to compare trees with them.
pub(super) fn blobs_read(tasks: &[SnapshotTask]) -> BTreeSet<&Digest> {
    let (mut digests, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for layers in tasks.iter().filter_map(SnapshotTask::layers_read) {
        digests.extend(layers.unseen(&mut seen).map(|layer| &layer.digest));
    }
    digests
}

/// Labels that say that owners are shifted (core/snapshots/snapshotter.go).
const MAPPINGS: [&str; 2] = ["containerd.io/snapshot/uidmapping", "containerd.io/snapshot/gidmapping"];

/// All snapshots of `scope` that have a record in both databases and a folder this library can read.
pub(super) fn to_examine(inventory: &Inventory, scope: &Scope, depth: Depth) -> Vec<SnapshotTask> {
    let mut origins = Origins::new(inventory);
    let namespaces = &inventory.metadata().namespaces;
    let records = namespaces.values().flat_map(|records| records.snapshots.values());
    let mut tasks = Vec::with_capacity(records.map(BTreeMap::len).sum());
    let mut tops = Vec::with_capacity(tasks.capacity());
    // A snapshotter's are the same in all namespaces.
    let mut stackings = BTreeMap::new();
    for (namespace, records) in namespaces {
        let namespace_name: Text = namespace.as_str().into();
        for (name, snapshots) in &records.snapshots {
            let Some(snapshotter) = inventory.snapshotters.get(name) else { continue };
            let rows = snapshotter.database.as_ref().and_then(|database| database.records());
            let (Some(driver), Some(rows)) = (Driver::of(name), rows) else { continue };
            let snapshotter_name: Text = name.as_str().into();
            let stacking =
                stackings.entry(name).or_insert_with(|| Stacking::new(&snapshotter.path, driver, rows));
            let place = Place { name, snapshotter, driver, rows, stacking };
            for (key, record) in snapshots {
                let chain_id = key.parse().ok().map(ChainId);
                let row = rows.by_key.get_key_value(&record.backend_key);
                let row = row.filter(|(_, row)| driver.has_tree(row.kind, row.parent.is_empty()));
                let Some((key, row)) = row.filter(|_| scope.has_snapshot(namespace, chain_id.as_ref()))
                else {
                    continue;
                };
                let mut task = place.task((&namespace_name, &snapshotter_name, key), row, chain_id);
                task.created = record.created;
                tops.push(place.choose_layers(&mut task, key, &mut origins));
                tasks.push(task);
            }
        }
    }
    // What trees have from the layers below them is asked for only where they are compared.
    let compared = stackings.iter().filter(|_| depth == Depth::Full);
    let below: Vec<_> = compared
        .map(|(name, stacking)| (stacking, inventory.snapshotters.get(*name), *name))
        .filter_map(|(stacking, snapshotter, name)| {
            let rows = snapshotter?.database.as_ref()?.records()?;
            Some((stacking, layers_of_rows(name, stacking, rows, &mut origins)))
        })
        .collect();
    let layers = origins.into_layers();
    for (stacking, tops) in below {
        stacking.set_layers(&layers, tops);
    }
    for (task, top) in tasks.iter_mut().zip(tops) {
        task.layers = top.map(|top| layers.layers(top)).unwrap_or_default();
    }
    let cost = |task: &SnapshotTask| task.layers.size_bytes();
    tasks.sort_unstable_by(|a, b| cost(b).cmp(&cost(a)).then_with(|| a.name().cmp(&b.name())));
    tasks
}

/// The places of the layers that made the rows that others stand on, where each tree has one of its own.
fn layers_of_rows<'a>(
    snapshotter: &'a str,
    stacking: &Stacking<'a>,
    rows: &'a Snapshots,
    origins: &mut Origins<'a>,
) -> Vec<Option<usize>> {
    if Driver::of(snapshotter).is_none_or(|driver| driver.flavour(false).is_whole()) {
        return Vec::new();
    }
    let top = |(key, carries): (&'a str, bool)| {
        let chain_id = chain_of(key).filter(|_| carries)?;
        origins.find(Row { snapshotter, rows, key, is_whole: false }, chain_id).ok()
    };
    stacking.rows().map(top).collect()
}

struct Place<'a, 's> {
    name: &'a str,
    snapshotter: &'a Snapshotter,
    driver: Driver,
    rows: &'a Snapshots,
    stacking: &'s Stacking<'a>,
}

impl<'a> Place<'a, '_> {
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
            layers: Layers::default(),
            reason: None,
            depth: Depth::default(),
        }
    }

    fn tree(&self, row: &BackendSnapshot) -> PathBuf {
        self.snapshotter.path.join(self.driver.tree(row.kind, row.id))
    }

    /// Finds the blobs that made a committed task's tree: of its own layer, or, where the tree holds the whole stack, of all.
    /// Returns the place of the topmost.
    fn choose_layers(
        &self,
        task: &mut SnapshotTask,
        key: &'a str,
        origins: &mut Origins<'a>,
    ) -> Option<usize> {
        if task.kind != Kind::Committed {
            return None;
        }
        let row = Row { snapshotter: self.name, rows: self.rows, key, is_whole: task.flavour.is_whole() };
        let top = match (task.chain_id.clone(), &task.lowers) {
            (None, _) => Err(Reason::NoLayer),
            (_, None) => Err(Reason::LowerMissing),
            (Some(chain_id), Some(_)) => origins.find(row, chain_id),
        };
        top.map_err(|reason| task.reason = Some(reason)).ok()
    }
}

/// The ChainID in a backend key, `namespace/sequence/key`.
pub(super) fn chain_of(backend_key: &str) -> Option<ChainId> {
    backend_key.splitn(3, '/').nth(2)?.parse().ok().map(ChainId)
}
