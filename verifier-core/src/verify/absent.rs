//! Parts that are gone as a whole: a folder that is missing, or hidden by an empty mount, is told by what else says that it
//! should be there.
//!
//! containerd makes an empty one when it starts; from then on every pull fails on what meta.db still says of it.

use std::collections::BTreeMap;

use super::candidate::Examination;
use crate::finding::{BlastRadius, ContentMissing, SnapshotterMissing, Subject};
use crate::layout;
use crate::layout::CONTENT;
use crate::metadata::SnapshotRecord;
use crate::plan::Plan;
use crate::scan::{Inventory, Snapshotter};
use crate::texts::Text;
use crate::verify::references::References;

/// The snapshotters that containerd is built with: these keep their snapshots below the root, unless `root_path` of their
/// configuration says otherwise. Others run elsewhere.
const BUILT_IN: [&str; 7] = ["overlayfs", "native", "btrfs", "devmapper", "zfs", "blockfile", "erofs"];

/// Judges the parts that meta.db needs.
pub(super) fn examine(
    inventory: &Inventory,
    references: &References<'_>,
    plan: &Plan,
    into: &mut Examination,
) {
    if !inventory.unreadable.iter().any(|(path, _)| path.as_os_str().is_empty()) {
        examine_snapshotters(inventory, references, plan, into);
    }
    let blobs = inventory.metadata().namespaces.values().map(|records| records.blobs.len() as u64).sum();
    if is_content_missing(inventory) && plan.scope.is_everything() {
        let blast = everything(inventory, |records| !records.blobs.is_empty());
        into.find(ContentMissing { blobs }, Subject::Path { path: CONTENT.into() }, blast);
    }
}

/// Whether meta.db has content and there is no content store: then nothing is said of each blob.
pub(super) fn is_content_missing(inventory: &Inventory) -> bool {
    let mut namespaces = inventory.metadata().namespaces.values();
    inventory.blobs.is_absent && namespaces.any(|records| !records.blobs.is_empty())
}

fn examine_snapshotters(
    inventory: &Inventory,
    references: &References<'_>,
    plan: &Plan,
    into: &mut Examination,
) {
    for (name, snapshots) in recorded(inventory, plan) {
        let Some(is_empty) = absence(inventory.snapshotters.get(name)) else { continue };
        let path = layout::snapshotter(name);
        let is_unread = inventory.unreadable.iter().any(|(unread, _)| unread.starts_with(&path));
        if is_unread || !BUILT_IN.contains(&name) || plan.elsewhere.contains(name) {
            continue;
        }
        let mut blast = BlastRadius::default();
        for (namespace, key, record) in &snapshots {
            let chain_id = key.parse().ok();
            let one = references.of_snapshot(namespace, name, &record.backend_key, chain_id.as_ref());
            blast.namespaces.extend(one.namespaces);
            blast.images.add(&one.images);
            blast.containers.add(&one.containers);
            blast.containers_left_out = blast.containers_left_out.max(one.containers_left_out);
        }
        let kind = SnapshotterMissing { snapshots: snapshots.len() as u64, is_empty };
        into.find(kind, Subject::Path { path }, blast);
    }
}

type Recorded<'a> = (&'a str, &'a Text, &'a SnapshotRecord);

/// The snapshots that meta.db has within the scope, by their snapshotter.
fn recorded<'a>(inventory: &'a Inventory, plan: &Plan) -> BTreeMap<&'a str, Vec<Recorded<'a>>> {
    let mut recorded: BTreeMap<&str, Vec<Recorded<'_>>> = BTreeMap::new();
    for (namespace, records) in &inventory.metadata().namespaces {
        for (name, snapshots) in &records.snapshots {
            let in_scope = snapshots.iter().filter(|(key, _)| {
                let chain_id = key.parse().ok().map(crate::digest::ChainId);
                plan.scope.has_snapshot(namespace, chain_id.as_ref())
            });
            for (key, record) in in_scope {
                recorded.entry(name).or_default().push((namespace, key, record));
            }
        }
    }
    recorded
}

/// Whether nothing of the snapshotter is there; then, whether its folder is.
fn absence(snapshotter: Option<&Snapshotter>) -> Option<bool> {
    match snapshotter {
        None => Some(false),
        Some(one) => (one.database.is_none() && !one.has_snapshots).then_some(true),
    }
}

fn everything(
    inventory: &Inventory,
    is_concerned: impl Fn(&crate::metadata::Namespace) -> bool,
) -> BlastRadius {
    let mut blast = BlastRadius::default();
    for (namespace, records) in inventory.metadata().namespaces.iter().filter(|(_, one)| is_concerned(one)) {
        blast.namespaces.insert(namespace.clone());
        let named = |name: &String| super::references::named(namespace, name);
        blast.images.extend(records.images.keys().map(named));
    }
    blast
}
