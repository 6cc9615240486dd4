//! Plans a meta.db: the rows that its base has, and rows for what is on disk and has none.

use std::collections::{BTreeMap, BTreeSet};

use super::found::{Found, FoundBlob};
use super::labels::{BlobLabels, content_labels, top_chains};
use super::lost::{Lost, LostKind};
use super::snapshotter::usable;
use crate::bolt::Edits;
use crate::digest::Digest;
use crate::metadata::{
    BackendSnapshot, ContainerRecord, Kind, LeaseRecord, Metadata, Namespace, SNAPSHOT_REFERENCE,
    SandboxRecord, Snapshots, encode,
};
use crate::repair::act::evict::hold;
use crate::time::Timestamp;

/// The version of the schema that every containerd reads: 1.6 and 1.7 write 3, and 2.1 makes a 4 of it when it starts.
const VERSION: i64 = 3;
/// Where content goes when nothing tells a namespace: a pull into any other finds it there.
const DEFAULT_NAMESPACE: &str = "default";

/// What a new meta.db is made from.
#[derive(Debug)]
pub(super) struct Facts<'f> {
    /// What the base says: the readable part, a backup, or nothing.
    pub(super) base: &'f Metadata,
    /// Whether a part of the base could not be read.
    pub(super) is_damaged: bool,
    /// Whether the base is of an earlier time: then what it names and is not here any more goes.
    pub(super) is_backup: bool,
    pub(super) found: &'f Found,
    /// The rows of every snapshotter that has a database that can be read, by name.
    pub(super) rows: &'f BTreeMap<String, Snapshots>,
    /// The name for the leases.
    pub(super) lease: &'f str,
    pub(super) now: Timestamp,
}

/// Edits on top of the base, and what is lost.
#[derive(Debug, Default)]
pub(super) struct MetaPlan {
    pub(super) edits: Edits,
    pub(super) lost: Vec<Lost>,
}

pub(super) fn plan(facts: &Facts<'_>) -> MetaPlan {
    let mut planner = Planner {
        facts,
        nothing: Namespace::default(),
        labels: content_labels(facts.found),
        tops: top_chains(facts.found),
        rows: facts.rows.iter().map(|(name, rows)| (name.as_str(), (rows, usable(rows)))).collect(),
        plan: MetaPlan::default(),
    };
    planner.drop_unreadable();
    if facts.base.version.is_none() {
        planner.plan.edits.put(["v1"], "version", encode::varint(VERSION));
    }
    let named = planner.named_by_nobody();
    for namespace in planner.namespaces() {
        planner.namespace(&namespace, &named);
    }
    planner.lost_names();
    planner.plan.lost.sort();
    planner.plan.lost.dedup();
    planner.plan
}

struct Planner<'f> {
    facts: &'f Facts<'f>,
    nothing: Namespace,
    labels: BlobLabels,
    tops: BTreeMap<&'f Digest, String>,
    rows: BTreeMap<&'f str, (&'f Snapshots, BTreeSet<&'f str>)>,
    plan: MetaPlan,
}

/// The parts of a snapshotter's key: namespace, sequence, key.
fn backend_parts(key: &str) -> Option<(&str, u64, &str)> {
    let mut parts = key.splitn(3, '/');
    let (namespace, sequence, key) = (parts.next()?, parts.next()?, parts.next()?);
    let sequence = sequence.parse().ok()?;
    (!namespace.is_empty() && !key.is_empty()).then_some((namespace, sequence, key))
}

impl<'f> Planner<'f> {
    fn lose(&mut self, what: LostKind, parts: &[&str]) {
        self.plan.lost.push(Lost::new(what, parts));
    }

    fn namespaces(&self) -> BTreeSet<String> {
        let of_rows = self.rows.values().flat_map(|(_, usable)| usable.iter());
        let of_rows = of_rows.filter_map(|key| Some(backend_parts(key)?.0.to_owned()));
        let mut names: BTreeSet<String> = self.facts.base.namespaces.keys().cloned().chain(of_rows).collect();
        if names.is_empty() && !self.facts.found.blobs.is_empty() {
            names.insert(DEFAULT_NAMESPACE.into());
        }
        names
    }

    fn base(&self, namespace: &str) -> &Namespace {
        self.facts.base.namespaces.get(namespace).unwrap_or(&self.nothing)
    }

    /// Records of the base without what containerd needs of them, and values that do not decode.
    fn drop_unreadable(&mut self) {
        for invalid in &self.facts.base.invalid {
            let path: Vec<&str> = invalid.path.iter().map(String::as_str).collect();
            let record = match path.as_slice() {
                ["v1", _, "images", _] | ["v1", _, "images", _, "target", ..] => path.get(..4),
                ["v1", _, "snapshots", _, _] | ["v1", _, "snapshots", _, _, "name"] => path.get(..5),
                ["v1", _, "leases", _, "content", _] => None,
                ["v1", _, "content", "blob", digest, rest @ ..] if digest.parse::<Digest>().is_err() => {
                    if rest.is_empty() {
                        path.get(..5)
                    } else {
                        continue;
                    }
                }
                // The size is put right below, from the file.
                ["v1", _, "content", "blob", _] => continue,
                _ => None,
            };
            match (record, path.split_last()) {
                (Some(record), _) => {
                    self.plan.edits.delete_bucket(record);
                    let what =
                        if record.get(2) == Some(&"images") { LostKind::Image } else { LostKind::Record };
                    self.plan.lost.push(Lost::new(what, record));
                }
                (None, Some((key, buckets))) if !buckets.is_empty() => {
                    self.plan.edits.delete(buckets, key);
                    self.plan.lost.push(Lost::new(LostKind::Value, &path));
                }
                _ => {}
            }
        }
    }

    /// Records of which nothing is left but their names.
    fn drop_empty(&mut self, namespace: &str) {
        let Some(records) = self.facts.base.namespaces.get(namespace) else { return };
        let containers =
            records.containers.iter().filter(|(_, record)| **record == ContainerRecord::default());
        for (id, _) in containers {
            self.plan.edits.delete_bucket(["v1", namespace, "containers", id]);
            self.lose(LostKind::Container, &[namespace, id]);
        }
        let leases = records.leases.iter().filter(|(_, record)| **record == LeaseRecord::default());
        let sandboxes = records.sandboxes.iter().filter(|(_, record)| **record == SandboxRecord::default());
        let leases = leases.map(|(id, _)| ("leases", id));
        for (kind, id) in leases.chain(sandboxes.map(|(id, _)| ("sandboxes", id))) {
            self.plan.edits.delete_bucket(["v1", namespace, kind, id]);
            self.lose(LostKind::Record, &["v1", namespace, kind, id]);
        }
    }

    /// Blobs that no namespace has a record of, nor an image that leads to them: they go to every namespace.
    fn named_by_nobody(&self) -> BTreeSet<&'f Digest> {
        let base = &self.facts.base.namespaces;
        let mut reached = BTreeSet::new();
        for target in base.values().flat_map(targets) {
            self.facts.found.reached(target, &mut reached);
        }
        let blobs = self.facts.found.blobs.keys();
        let has_record = |digest: &Digest| base.values().any(|records| records.blobs.contains_key(digest));
        blobs.filter(|digest| !reached.contains(digest) && !has_record(digest)).collect()
    }

    fn namespace(&mut self, namespace: &str, named_by_nobody: &BTreeSet<&'f Digest>) {
        self.drop_empty(namespace);
        let snapshots = self.snapshots(namespace);
        let mut reached = BTreeSet::new();
        let facts = self.facts;
        for target in facts.base.namespaces.get(namespace).into_iter().flat_map(targets) {
            facts.found.reached(target, &mut reached);
        }
        let mut new = Vec::new();
        for (digest, blob) in &facts.found.blobs {
            let known = facts.base.namespaces.get(namespace).and_then(|records| records.blobs.get(digest));
            match known {
                Some(record) if record.size_bytes.is_some() => {}
                Some(_) => self.put_size(namespace, digest, blob),
                None if reached.contains(digest) || named_by_nobody.contains(digest) => {
                    self.put_blob(namespace, digest, blob);
                    new.push(digest);
                }
                None => {}
            }
        }
        self.drop_blobs(namespace);
        self.hold_all(namespace, new, &snapshots);
        if facts.is_backup {
            self.drop_gone(namespace);
        }
    }

    /// Holds all that the namespace has: whatever name or lease is lost, the collector takes nothing that it held.
    fn hold_all(&mut self, namespace: &str, mut blobs: Vec<&'f Digest>, new: &[(String, String)]) {
        let facts = self.facts;
        let base = facts.base.namespaces.get(namespace);
        blobs.extend(
            base.into_iter().flat_map(|base| base.blobs.keys()).filter(|digest| facts.found.has_file(digest)),
        );
        let mut snapshots: BTreeSet<(&str, &str)> =
            new.iter().map(|(snapshotter, key)| (snapshotter.as_str(), key.as_str())).collect();
        for (snapshotter, of) in base.into_iter().flat_map(|base| &base.snapshots) {
            let is_here = |name: &str| {
                self.rows.get(snapshotter.as_str()).is_none_or(|(_, usable)| usable.contains(name))
            };
            let here = of.iter().filter(|(_, record)| is_here(&record.backend_key));
            snapshots.extend(here.map(|(key, _)| (snapshotter.as_str(), key.as_str())));
        }
        if !blobs.is_empty() || !snapshots.is_empty() {
            hold(namespace, facts.lease, blobs.into_iter(), snapshots.into_iter(), &mut self.plan.edits);
        }
    }

    fn put_size(&mut self, namespace: &str, digest: &Digest, blob: &FoundBlob) {
        let name = digest.to_string();
        let size = i64::try_from(blob.size_bytes).unwrap_or(i64::MAX);
        self.plan.edits.put(["v1", namespace, "content", "blob", &name], "size", encode::varint(size));
    }

    fn put_blob(&mut self, namespace: &str, digest: &Digest, blob: &FoundBlob) {
        let name = digest.to_string();
        let bucket = ["v1", namespace, "content", "blob", &name];
        let written = Timestamp { seconds: blob.modified.seconds, nanoseconds: blob.modified.nanoseconds };
        for key in ["createdat", "updatedat"] {
            self.plan.edits.put(bucket, key, encode::time(written));
        }
        self.put_size(namespace, digest, blob);
        for (label, value) in self.labels.get(digest).into_iter().flatten() {
            self.plan.edits.put(bucket.into_iter().chain(["labels"]), label, value);
        }
        let Some(chain) = self.tops.get(digest) else { return };
        for (snapshotter, (_, usable)) in &self.rows {
            let is_here =
                |key: &&str| backend_parts(key).is_some_and(|(of, _, key)| of == namespace && key == chain);
            if usable.iter().any(is_here) {
                let label = format!("{SNAPSHOT_REFERENCE}{snapshotter}");
                self.plan.edits.put(bucket.into_iter().chain(["labels"]), label, chain);
            }
        }
    }

    /// Records of blobs that have no file any more, and that say no size.
    fn drop_blobs(&mut self, namespace: &str) {
        let facts = self.facts;
        let Some(records) = facts.base.namespaces.get(namespace) else { return };
        for (digest, record) in &records.blobs {
            let unusable = record.size_bytes.is_none() && !facts.found.blobs.contains_key(digest);
            if unusable || facts.is_backup && !facts.found.has_file(digest) {
                let name = digest.to_string();
                self.plan.edits.delete_bucket(["v1", namespace, "content", "blob", &name]);
                self.lose(LostKind::Blob, &[namespace, &name]);
            }
        }
    }

    /// What a backup names and is not here any more: images without a target; and writes that were under way.
    fn drop_gone(&mut self, namespace: &str) {
        let facts = self.facts;
        let Some(records) = facts.base.namespaces.get(namespace) else { return };
        for (name, image) in &records.images {
            if image.target.digest.as_ref().is_some_and(|target| !facts.found.has_file(target)) {
                self.plan.edits.delete_bucket(["v1", namespace, "images", name]);
                self.lose(LostKind::Image, &[namespace, name]);
            }
        }
        for name in records.ingests.keys() {
            self.plan.edits.delete_bucket(["v1", namespace, "content", "ingests", name]);
        }
    }

    /// Records for the rows of a namespace that have none; returns snapshotter and key of each.
    fn snapshots(&mut self, namespace: &str) -> Vec<(String, String)> {
        let names: BTreeSet<&'f str> = self.rows.keys().copied().collect();
        let mut new = Vec::new();
        for snapshotter in names {
            let gone = if self.facts.is_backup {
                self.drop_snapshots(namespace, snapshotter)
            } else {
                BTreeSet::new()
            };
            let Some((rows, usable)) = self.rows.get(snapshotter) else { continue };
            let (rows, usable) = (*rows, usable.clone());
            let mut greatest = self.base(namespace).sequences.get(snapshotter).copied().unwrap_or(0);
            for backend_key in usable {
                let Some((_, sequence, key)) = backend_parts(backend_key).filter(|(of, ..)| *of == namespace)
                else {
                    continue;
                };
                greatest = greatest.max(sequence);
                let known = self.base(namespace).snapshots.get(snapshotter).and_then(|of| of.get(key));
                let is_known = known.is_some_and(|record| !record.backend_key.is_empty());
                let Some(row) = rows.by_key.get(backend_key) else { continue };
                let is_known = is_known && !gone.contains(key);
                if !is_known || self.facts.is_damaged {
                    self.lose_container(namespace, key, row);
                }
                if is_known {
                    continue;
                }
                self.put_snapshot(namespace, snapshotter, backend_key, key, row);
                new.push((snapshotter.to_owned(), key.to_owned()));
            }
            if greatest > self.base(namespace).sequences.get(snapshotter).copied().unwrap_or(0) {
                self.plan.edits.set_sequence(["v1", namespace, "snapshots", snapshotter], greatest);
            }
        }
        new
    }

    fn put_snapshot(
        &mut self,
        namespace: &str,
        snapshotter: &str,
        backend_key: &str,
        key: &str,
        row: &BackendSnapshot,
    ) {
        let bucket = ["v1", namespace, "snapshots", snapshotter, key];
        let edits = &mut self.plan.edits;
        edits.put(bucket, "name", backend_key);
        let created = row.created.unwrap_or(self.facts.now);
        edits.put(bucket, "createdat", encode::time(created));
        edits.put(bucket, "updatedat", encode::time(row.updated.unwrap_or(created)));
        if let Some((_, _, parent)) = backend_parts(&row.parent) {
            edits.put(bucket, "parent", parent);
            edits.put(["v1", namespace, "snapshots", snapshotter, parent, "children"], key, "");
        }
        for (label, value) in row.labels.iter() {
            edits.put(bucket.into_iter().chain(["labels"]), label, value);
        }
    }

    /// The container whose own snapshot this is, and that has no record.
    fn lose_container(&mut self, namespace: &str, key: &str, row: &BackendSnapshot) {
        let containers = &self.base(namespace).containers;
        let has_record = containers.values().any(|container| container.snapshot_key == key);
        if row.kind == Kind::Active && !has_record {
            self.lose(LostKind::Container, &[namespace, key]);
        }
    }

    /// Drops the records of a backup whose rows are gone, and those that stand on them.
    fn drop_snapshots(&mut self, namespace: &str, snapshotter: &str) -> BTreeSet<&'f str> {
        let facts = self.facts;
        let none = BTreeMap::new();
        let records = facts.base.namespaces.get(namespace).and_then(|base| base.snapshots.get(snapshotter));
        let records = records.unwrap_or(&none);
        let usable = self.rows.get(snapshotter).map(|(_, usable)| usable.clone()).unwrap_or_default();
        let mut gone = BTreeSet::new();
        for (key, record) in facts
            .base
            .namespaces
            .get(namespace)
            .and_then(|base| base.snapshots.get(snapshotter))
            .into_iter()
            .flatten()
        {
            if !usable.contains(record.backend_key.as_str()) {
                gone.insert(key.as_str());
            }
        }
        let bucket = ["v1", namespace, "snapshots", snapshotter];
        for key in &gone {
            self.plan.edits.delete_bucket(bucket.into_iter().chain([*key]));
            self.lose(LostKind::Snapshot, &[namespace, snapshotter, key]);
        }
        for (key, record) in records.iter().filter(|(key, _)| !gone.contains(key.as_str())) {
            for child in record.children.iter().filter(|child| gone.contains(child.as_str())) {
                self.plan.edits.delete(bucket.into_iter().chain([key.as_str(), "children"]), child);
            }
        }
        gone
    }

    /// Images that are here, and that no name leads to any more.
    fn lost_names(&mut self) {
        let facts = self.facts;
        let mut reached = BTreeSet::new();
        for target in facts.base.namespaces.values().flat_map(targets) {
            facts.found.reached(target, &mut reached);
        }
        for top in facts.found.tops().filter(|top| !reached.contains(top)) {
            self.lose(LostKind::ImageName, &[&top.to_string()]);
        }
        for digest in &facts.found.wrong {
            self.lose(LostKind::BlobFile, &[&digest.to_string()]);
        }
    }
}

fn targets(records: &Namespace) -> impl Iterator<Item = &Digest> {
    records.images.values().filter_map(|image| image.target.digest.as_ref())
}
