//! Snapshots in both databases, with the numbers and names that containerd gives them.

use std::collections::BTreeMap;

use super::digest::chain_ids;
use super::layer::{Entry, Node, PackedLayer};
use super::model::{Kind, Namespace, Snapshot, SnapshotRow, StoreBuilder};

impl StoreBuilder {
    /// The namespace `name`, made if need be.
    pub fn namespace(&mut self, name: &str) -> &mut Namespace {
        self.namespaces.entry(name.into()).or_default()
    }

    /// Unpacks `layers`, lowest first, where their chain IDs have no snapshot yet, and returns the chain IDs.
    pub fn unpack(&mut self, namespace: &str, snapshotter: &str, layers: &[PackedLayer]) -> Vec<String> {
        let chain = chain_ids(layers.iter().map(|layer| layer.diff_id.as_str()));
        let mut parent = None;
        for (layer, key) in layers.iter().zip(&chain) {
            if self.row(namespace, snapshotter, key).is_none() {
                // An unpacking prepares under a passing key, which takes a number, and commits under the chain ID.
                self.namespace(namespace).snapshots.entry(snapshotter.into()).or_default().sequence += 1;
                self.add_snapshot(namespace, snapshotter, key, Kind::Committed, parent, &layer.entries);
            }
            parent = Some(key.as_str());
        }
        chain
    }

    /// Adds a snapshot, with the entries of its own layer, on the one with the key `parent`.
    pub fn add_snapshot(
        &mut self,
        namespace: &str,
        snapshotter: &str,
        key: &str,
        kind: Kind,
        parent: Option<&str>,
        entries: &[Entry],
    ) {
        let rows = self.namespace(namespace).snapshots.entry(snapshotter.into()).or_default();
        rows.sequence += 1;
        let name = format!("{namespace}/{}/{key}", rows.sequence);
        let parent_name = parent.and_then(|parent| rows.rows.get_mut(parent)).map(|row| {
            row.children.push(key.into());
            row.name.clone()
        });
        let parent = parent.map(Into::into);
        let row = SnapshotRow { name: name.clone(), parent, ..SnapshotRow::default() };
        rows.rows.insert(key.into(), row);

        let on_disk = self.snapshotters.entry(snapshotter.into()).or_default();
        on_disk.sequence += 1;
        let below = parent_name.as_ref().and_then(|name| on_disk.snapshots.get(name));
        let tree = match (snapshotter, below) {
            ("native", below) => applied(below.map_or(&[], |below| &below.tree), entries),
            // A first layer is applied naively, which leaves no whiteouts.
            (_, None) => applied(&[], entries),
            _ => entries.into(),
        };
        let id = on_disk.sequence;
        let snapshot =
            Snapshot { id, kind, parent: parent_name, tree, usage: None, labels: Default::default() };
        on_disk.snapshots.insert(name, snapshot);
    }

    /// The row of a snapshot, by its key.
    #[must_use]
    pub fn row(&self, namespace: &str, snapshotter: &str, key: &str) -> Option<&SnapshotRow> {
        self.namespaces.get(namespace)?.snapshots.get(snapshotter)?.rows.get(key)
    }

    /// A snapshot, by its key in the namespace.
    #[must_use]
    pub fn snapshot(&self, namespace: &str, snapshotter: &str, key: &str) -> Option<&Snapshot> {
        let row = self.row(namespace, snapshotter, key)?;
        self.snapshotters.get(snapshotter)?.snapshots.get(&row.name)
    }

    /// The same, to change it.
    pub fn snapshot_mut(&mut self, namespace: &str, snapshotter: &str, key: &str) -> Option<&mut Snapshot> {
        let name = self.row(namespace, snapshotter, key)?.name.clone();
        self.snapshotters.get_mut(snapshotter)?.snapshots.get_mut(&name)
    }
}

/// `entries` on top of `lower`, with what is removed gone: naive application, for simple trees.
fn applied(lower: &[Entry], entries: &[Entry]) -> Vec<Entry> {
    let mut tree: BTreeMap<&str, (usize, &Entry)> = BTreeMap::new();
    for (at, entry) in lower.iter().chain(entries).enumerate() {
        if entry.node != Node::Folder {
            let below = format!("{}/", entry.path);
            let gone = tree.range(below.as_str()..).take_while(|(path, _)| path.starts_with(&below));
            let gone: Vec<&str> = gone.map(|(path, _)| *path).collect();
            gone.into_iter().for_each(|path| _ = tree.remove(path));
        }
        if entry.node == Node::Whiteout {
            tree.remove(entry.path.as_str());
        } else {
            tree.insert(&entry.path, (at, entry));
        }
    }
    let mut tree: Vec<(usize, &Entry)> = tree.into_values().collect();
    tree.sort_unstable_by_key(|(at, _)| *at);
    let mut tree: Vec<Entry> = tree.into_iter().map(|(_, entry)| entry.clone()).collect();
    // A folder that was merged again now stands behind its children; it must come first to be made with its own mode.
    tree.sort_by_key(|entry| (entry.node != Node::Folder, matches!(entry.node, Node::HardLink(_))));
    tree
}
