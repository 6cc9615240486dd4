//! Snapshots that are wrong: put right from their layers, else out with them, and with all that stands on them.

use std::collections::{BTreeMap, BTreeSet};

use super::{ActionKind, Draft, Planner, SnapshotName, Why};
use crate::digest::{ChainId, Digest};
use crate::finding::{Finding, FindingKind, Named, Names, Subject};
use crate::layout;
use crate::metadata::{Kind, SnapshotRecord, Snapshots};
use crate::plan::Lowers;
use crate::snapshot::{Driver, EROFS, erofs_folder};

impl Planner<'_> {
    /// A folder that is missing, or not what the layer makes, while the layer's blob is intact.
    pub(super) fn tree(&self, finding: &Finding, draft: &mut Draft) -> Result<(), Why> {
        let Subject::Snapshot { snapshotter, key, id } = &finding.subject else { return Err(Why::ByHand) };
        if Driver::of(snapshotter).is_some_and(|driver| !driver.can_restore()) {
            return self.evict_snapshot(finding, draft);
        }
        if let Some(how) = self.mounted.get(snapshotter, key) {
            return Err(Why::Mounted { how: how.into() });
        }
        let tasks = &self.checked.plan.snapshots;
        let task = tasks.iter().find(|task| task.snapshotter == *snapshotter && task.backend_key == *key);
        let whole_bytes = task.and_then(|task| task.usage).map_or(0, |usage| usage.size_bytes);
        let write_bytes = match &finding.kind {
            FindingKind::SnapshotDiffers(damage) => damage.write_bytes,
            _ => whole_bytes,
        };
        let depth = task.and_then(|task| task.lowers.as_ref()).map_or(0, Lowers::height);
        let (snapshotter, backend_key) = (snapshotter.clone(), key.clone());
        let kind = ActionKind::Restore { depth, snapshotter, backend_key, id: *id };
        draft.act(finding, kind, write_bytes, 0);
        Ok(())
    }

    /// A snapshot that has to be unpacked again, or that cannot be.
    pub(super) fn evict_snapshot(&self, finding: &Finding, draft: &mut Draft) -> Result<(), Why> {
        let (snapshotter, backend_key) = self.name_of(&finding.subject).ok_or(Why::ByHand)?;
        let tower = Tower::on(self, &snapshotter, &backend_key);
        self.nothing_stands_on(&tower)?;
        for name in &tower.names {
            if let Some(key) = &name.key {
                self.held.may_take_snapshot((&name.namespace, &name.snapshotter, key), self.options)?;
            }
        }
        let blobs = self.blobs_of(&tower)?;
        let (intact, to_pull): (Vec<Digest>, Vec<Digest>) =
            blobs.into_iter().partition(|digest| self.is_intact(digest));
        let mut blast = finding.blast.clone();
        if !to_pull.is_empty() {
            // The images of all that goes are concerned, not only those of the snapshot that is wrong.
            blast.images.extend(self.images_of(&tower));
            self.held.may_pull(&blast, self.options)?;
        }
        let images = if to_pull.is_empty() { Names::default() } else { blast.images };
        let pull_bytes = to_pull.iter().map(|digest| self.size_of(digest)).sum();
        let kind = ActionKind::EvictSnapshots { snapshots: tower.names, blobs: intact };
        self.act_and_pull(finding, kind, pull_bytes, &images, draft);
        Ok(())
    }

    /// Snapshotter and backend key of what a finding about a snapshot is about.
    fn name_of(&self, subject: &Subject) -> Option<(String, String)> {
        match subject {
            Subject::Snapshot { snapshotter, key, .. } => Some((snapshotter.clone(), key.clone())),
            Subject::Record { path, .. } => match path.as_slice() {
                [_, namespace, bucket, snapshotter, key] if bucket == "snapshots" => {
                    let namespace = self.checked.inventory.metadata().namespaces.get(namespace)?;
                    let record = namespace.snapshots.get(snapshotter)?.get(key.as_str())?;
                    Some((snapshotter.clone(), record.backend_key.to_string()))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Containers, and snapshots that no layer made, forbid it.
    fn nothing_stands_on(&self, tower: &Tower) -> Result<(), Why> {
        let mut containers = Vec::new();
        let namespaces = &self.checked.inventory.metadata().namespaces;
        for name in &tower.names {
            let Some(records) = namespaces.get(&name.namespace) else { continue };
            let on = records.containers.iter().filter(|(_, container)| {
                container.snapshotter == name.snapshotter
                    && Some(&container.snapshot_key) == name.key.as_ref()
            });
            let namespace = &name.namespace;
            containers.extend(on.map(|(id, _)| Named { namespace: namespace.clone(), name: id.clone() }));
        }
        if !containers.is_empty() {
            return Err(Why::Containers { containers });
        }
        let foreign: Vec<String> = tower.foreign.iter().cloned().collect();
        if foreign.is_empty() { Ok(()) } else { Err(Why::Snapshots { keys: foreign }) }
    }

    /// The layers' blobs that the snapshots are unpacked from.
    fn blobs_of(&self, tower: &Tower) -> Result<BTreeSet<Digest>, Why> {
        let documents = &self.checked.inventory.documents;
        let mut blobs = BTreeSet::new();
        for chain_id in &tower.chain_ids {
            let layer = documents.chains.get(chain_id).ok_or(Why::NoLayer)?;
            // Several blobs may hold the same layer; one that is here will do.
            let here = layer.blobs.iter().find(|blob| self.is_intact(&blob.digest));
            let blob = here.or(layer.blobs.first()).ok_or(Why::NoLayer)?;
            blobs.insert(blob.digest.clone());
        }
        Ok(blobs)
    }

    /// Whether the blob is here and the report says nothing against it.
    fn is_intact(&self, digest: &Digest) -> bool {
        let named =
            |finding: &Finding| matches!(&finding.subject, Subject::Blob { digest: of } if of == digest);
        self.checked.inventory.blobs.files.contains_key(digest)
            && !self.checked.report.findings.iter().any(named)
    }

    fn images_of(&self, tower: &Tower) -> BTreeSet<Named> {
        let documents = &self.checked.inventory.documents;
        let mut images = BTreeSet::new();
        for (namespace, records) in &self.checked.inventory.metadata().namespaces {
            for (name, image) in &records.images {
                let reached = documents.reached_from(&image.target.digest);
                let tops = reached.into_iter().filter_map(|digest| documents.tops.get(digest));
                let mut chains = tops.flat_map(|top| documents.stack(top));
                if chains.any(|chain_id| tower.chain_ids.contains(chain_id)) {
                    images.insert(Named { namespace: namespace.clone(), name: name.clone() });
                }
            }
        }
        images
    }
}

/// A snapshot with all that stands on it, the topmost first.
struct Tower {
    names: Vec<SnapshotName>,
    /// The stacks of layers that its committed snapshots hold the tops of.
    chain_ids: BTreeSet<ChainId>,
    /// Keys of snapshots in it that are no image's, and no container's: someone's work.
    foreign: BTreeSet<String>,
}

impl Tower {
    fn on(planner: &Planner<'_>, snapshotter: &str, backend_key: &str) -> Tower {
        let inventory = &planner.checked.inventory;
        let rows = inventory.snapshotters.get(snapshotter).and_then(|one| one.database.as_ref()?.records());
        let records = records_by_backend_key(planner, snapshotter);
        let mut order = vec![backend_key.to_owned()];
        let mut seen = BTreeSet::from([backend_key.to_owned()]);
        let mut at = 0;
        while let Some(parent) = order.get(at).cloned() {
            at += 1;
            for child in children_of(&parent, rows, &records) {
                if seen.insert(child.clone()) {
                    order.push(child);
                }
            }
        }
        let mut tower = Tower { names: Vec::new(), chain_ids: BTreeSet::new(), foreign: BTreeSet::new() };
        // Found from the bottom up, level by level: backwards no snapshot comes before what stands on it.
        for (level, backend_key) in order.iter().enumerate().rev() {
            tower.add(snapshotter, backend_key, rows, &records, level == 0);
        }
        tower
    }

    fn add(
        &mut self,
        snapshotter: &str,
        backend_key: &str,
        rows: Option<&Snapshots>,
        records: &BTreeMap<&str, (&str, &str, &SnapshotRecord)>,
        is_bottom: bool,
    ) {
        let row = rows.and_then(|rows| rows.by_key.get(backend_key));
        let record = records.get(backend_key);
        let in_key = backend_key.splitn(3, '/').collect::<Vec<_>>();
        let (namespace, key) = match (record, in_key.as_slice()) {
            (Some((namespace, key, _)), _) => ((*namespace).to_owned(), Some((*key).to_owned())),
            (None, [namespace, ..]) => ((*namespace).to_owned(), None),
            _ => (String::new(), None),
        };
        let plain = key.as_deref().or(in_key.get(2).copied()).unwrap_or_default();
        match plain.parse() {
            Ok(digest) => drop(self.chain_ids.insert(ChainId(digest))),
            // The snapshot that is wrong is taken out whatever it is; what stands on it and is no image's is not.
            Err(_) if !is_bottom || row.is_some_and(|row| row.kind == Kind::Committed) => {
                self.foreign.insert(plain.to_owned());
            }
            Err(_) => {}
        }
        let image = row.filter(|_| snapshotter == EROFS).map(|row| erofs_folder(row.id));
        let image = image.map(|folder| layout::snapshotter(snapshotter).join(folder));
        let folder = Driver::of(snapshotter)
            .zip(row)
            .map(|(driver, row)| layout::snapshotter(snapshotter).join(driver.folder(row.kind, row.id)));
        self.names.push(SnapshotName {
            namespace,
            snapshotter: snapshotter.into(),
            key,
            backend_key: backend_key.into(),
            id: row.map(|row| row.id),
            folder: folder.or(image),
        });
    }
}

/// Backend key to namespace, key and record.
fn records_by_backend_key<'a>(
    planner: &Planner<'a>,
    snapshotter: &str,
) -> BTreeMap<&'a str, (&'a str, &'a str, &'a SnapshotRecord)> {
    let namespaces = planner.checked.inventory.metadata().namespaces.iter();
    let of =
        namespaces.filter_map(|(namespace, records)| Some((namespace, records.snapshots.get(snapshotter)?)));
    of.flat_map(|(namespace, records)| {
        records.iter().map(move |(key, record)| {
            (record.backend_key.as_str(), (namespace.as_str(), key.as_str(), record))
        })
    })
    .collect()
}

/// What stands on `parent`, by either database.
fn children_of(
    parent: &str,
    rows: Option<&Snapshots>,
    records: &BTreeMap<&str, (&str, &str, &SnapshotRecord)>,
) -> BTreeSet<String> {
    let rows = rows.into_iter().flat_map(|rows| &rows.by_key).filter(|(_, row)| row.parent == parent);
    let mut children: BTreeSet<String> = rows.map(|(key, _)| key.to_string()).collect();
    if let Some((namespace, key, _)) = records.get(parent) {
        let on = records.iter().filter(|(_, (of, _, record))| of == namespace && record.parent == *key);
        children.extend(on.map(|(backend_key, _)| (*backend_key).to_owned()));
    }
    children
}
