//! Records on pages that nothing leads to any more: what cannot be told from the disk, and proves itself.
//!
//! Taken are images' names whose target is here and verified, containers whose own snapshot is here, and rows of a snapshotter
//! that meta.db names. Pages of former states may hold older copies of the same record: the one changed last counts.

use std::collections::BTreeMap;

use crate::bolt::{Database, Edit, Edits, Salvager, Standing, Stray, Visitor};
use crate::metadata::{Metadata, MetadataVisitor, Snapshots, SnapshotterVisitor};

/// Most bytes of stray pages that are held.
const MAX_BYTES: usize = 64 << 20;

/// A bucket with all that is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tree {
    sequence: u64,
    values: BTreeMap<Vec<u8>, Vec<u8>>,
    buckets: BTreeMap<Vec<u8>, Tree>,
}

/// Records by namespace and name, or rows by their key alone.
type Records<K> = BTreeMap<K, Tree>;

/// What was found, and is in none of the readable pages.
#[derive(Debug, Default)]
pub(super) struct Salvage {
    images: Records<(String, Vec<u8>)>,
    containers: Records<(String, Vec<u8>)>,
    rows: Records<Vec<u8>>,
}

impl Salvage {
    /// Looks through the stray pages of `db`. `namespace` is the one that there is, if there is but one.
    pub(super) fn of(db: &Database<'_>, namespace: Option<&str>) -> Salvage {
        let mut pages = Pages::default();
        db.salvage(&mut pages);
        let mut salvage = Salvage::default();
        for page in &pages.trees {
            salvage.look(page, namespace);
        }
        salvage
    }

    /// Goes down from a stray page. How deep that may be is bounded by the depth of a walk.
    fn look(&mut self, page: &Tree, only: Option<&str>) {
        let root = if page.is_namespace() { page.proven_name() } else { None };
        let mut queue = vec![(page, root.or_else(|| only.map(str::to_owned)))];
        while let Some((tree, namespace)) = queue.pop() {
            for (name, below) in &tree.buckets {
                if below.is_row() {
                    keep_newest(&mut self.rows, name.clone(), below);
                    continue;
                }
                if let Some(namespace) = &namespace {
                    let key = (namespace.clone(), name.clone());
                    if below.is_image() {
                        keep_newest(&mut self.images, key, below);
                        continue;
                    }
                    if below.is_container() {
                        keep_newest(&mut self.containers, key, below);
                        continue;
                    }
                }
                let of_name = if below.is_namespace() { String::from_utf8(name.clone()).ok() } else { None };
                queue.push((below, of_name.or_else(|| namespace.clone())));
            }
        }
    }

    /// Adds images and containers that `base` does not have and that `wanted` takes (by namespace, and all that was found);
    /// returns the edits that make their records.
    pub(super) fn add_records(
        self,
        base: &mut Metadata,
        is_verified: impl Fn(&crate::digest::Digest) -> bool,
        has_active: impl Fn(&str, &str, &str) -> bool,
    ) -> Edits {
        let mut edits = Edits::new();
        for (bucket, records) in [("images", self.images), ("containers", self.containers)] {
            for ((namespace, name), tree) in records {
                let path: Vec<Vec<u8>> =
                    [b"v1", namespace.as_bytes(), bucket.as_bytes(), &name].map(<[u8]>::to_vec).into();
                let mut visitor = MetadataVisitor::default();
                tree.show(&path, &mut visitor);
                let mut found = visitor.finish();
                let Some(found) = found.namespaces.remove(&namespace).filter(|_| found.invalid.is_empty())
                else {
                    continue;
                };
                let of = base.namespaces.entry(namespace.clone()).or_default();
                let mut taken = false;
                for (name, image) in found.images {
                    if !of.images.contains_key(&name)
                        && image.target.digest.as_ref().is_some_and(&is_verified)
                    {
                        of.images.insert(name, image);
                        taken = true;
                    }
                }
                for (id, container) in found.containers {
                    let is_here = has_active(&namespace, &container.snapshotter, &container.snapshot_key);
                    let known = of.containers.get(&id).is_some_and(|known| known.created.is_some());
                    if !known && is_here {
                        of.containers.insert(id, container);
                        taken = true;
                    }
                }
                if taken {
                    let record = path.iter().map(|name| String::from_utf8_lossy(name));
                    let record: Vec<String> = record.map(std::borrow::Cow::into_owned).collect();
                    base.invalid.retain(|invalid| !invalid.path.starts_with(&record));
                    tree.put(&path, &mut edits);
                }
            }
        }
        edits
    }

    /// Adds the rows that `rows` does not have and that `is_named` takes (by key and number); returns the edits that make them.
    pub(super) fn add_rows(self, rows: &mut Snapshots, is_named: impl Fn(&str, u64) -> bool) -> Edits {
        let mut edits = Edits::new();
        for (name, tree) in self.rows {
            let path: Vec<Vec<u8>> = [b"v1".as_slice(), b"snapshots", &name].map(<[u8]>::to_vec).into();
            let mut visitor = SnapshotterVisitor::default();
            tree.show(&path, &mut visitor);
            let found = visitor.finish();
            for (key, row) in found.by_key {
                let taken = rows.by_key.contains_key(&key) || rows.by_key.values().any(|of| of.id == row.id);
                if found.invalid.is_empty() && !taken && is_named(&key, row.id) {
                    rows.by_key.insert(key, row);
                    tree.put(&path, &mut edits);
                }
            }
        }
        edits
    }
}

fn keep_newest<K: Ord>(records: &mut Records<K>, key: K, tree: &Tree) {
    match records.entry(key) {
        std::collections::btree_map::Entry::Vacant(slot) => drop(slot.insert(tree.clone())),
        std::collections::btree_map::Entry::Occupied(mut slot) => {
            // Go's encoding of a time in UTC compares as the time does.
            if tree.values.get(b"updatedat".as_slice()) > slot.get().values.get(b"updatedat".as_slice()) {
                slot.insert(tree.clone());
            }
        }
    }
}

impl Tree {
    fn has(&self, key: &str) -> bool {
        self.values.contains_key(key.as_bytes())
    }

    fn bucket(&self, name: &str) -> Option<&Tree> {
        self.buckets.get(name.as_bytes())
    }

    fn is_image(&self) -> bool {
        self.has("createdat") && self.bucket("target").is_some_and(|target| target.has("digest"))
    }

    fn is_container(&self) -> bool {
        self.has("createdat") && self.has("snapshotKey") && self.bucket("runtime").is_some()
    }

    fn is_row(&self) -> bool {
        self.has("id") && self.has("kind")
    }

    fn is_namespace(&self) -> bool {
        self.values.is_empty() && self.bucket("snapshots").is_some() && self.bucket("content").is_some()
    }

    /// The namespace that the keys of its snapshots begin with.
    fn proven_name(&self) -> Option<String> {
        let snapshotters = self.bucket("snapshots")?.buckets.values();
        let mut names = snapshotters.flat_map(|of| of.buckets.values()).filter_map(|record| {
            let name = std::str::from_utf8(record.values.get(b"name".as_slice())?).ok()?;
            Some(name.split_once('/')?.0.to_owned())
        });
        let first = names.next()?;
        names.all(|name| name == first).then_some(first)
    }

    /// Shows it as a walk does that comes by it at `path`.
    fn show(&self, path: &[Vec<u8>], visitor: &mut dyn Visitor) {
        visitor.enter(path, self.sequence);
        for (key, value) in &self.values {
            visitor.value(path, key, value);
        }
        for (name, below) in &self.buckets {
            let path: Vec<Vec<u8>> = path.iter().cloned().chain([name.clone()]).collect();
            below.show(&path, visitor);
        }
        visitor.leave(path);
    }

    fn put(&self, path: &[Vec<u8>], edits: &mut Edits) {
        struct Puts<'e>(&'e mut Edits);
        impl Visitor for Puts<'_> {
            fn enter(&mut self, path: &[Vec<u8>], _sequence: u64) {
                self.0.push(Edit::CreateBucket { path: path.to_vec() });
            }
            fn value(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) {
                self.0.put(path, key, value);
            }
        }
        self.show(path, &mut Puts(edits));
    }
}

/// Collects stray pages as trees.
#[derive(Debug, Default)]
struct Pages {
    trees: Vec<Tree>,
    bytes: usize,
    /// Whether the page is known to be of a former state: what was removed since must not come back.
    skip: bool,
}

impl Pages {
    fn at(&mut self, path: &[Vec<u8>]) -> Option<&mut Tree> {
        let root = self.trees.last_mut().filter(|_| !self.skip)?;
        path.iter().try_fold(root, |tree, name| tree.buckets.get_mut(name))
    }
}

impl Visitor for Pages {
    fn enter(&mut self, path: &[Vec<u8>], sequence: u64) {
        let Some((name, above)) = path.split_last().filter(|_| !self.skip) else { return };
        self.bytes += name.len() + size_of::<Tree>();
        if let Some(tree) = self.at(above) {
            tree.buckets.insert(name.clone(), Tree { sequence, ..Tree::default() });
        }
    }

    fn value(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) {
        if self.skip {
            return;
        }
        self.bytes += key.len() + value.len() + 2 * size_of::<Vec<u8>>();
        if let Some(tree) = self.at(path) {
            tree.values.insert(key.to_vec(), value.to_vec());
        }
    }

    fn interrupted(&self) -> bool {
        self.bytes > MAX_BYTES
    }
}

impl Salvager for Pages {
    fn stray(&mut self, stray: &Stray) {
        self.skip = stray.standing == Standing::Stale;
        if !self.skip {
            self.trees.push(Tree::default());
        }
    }
}
