//! The databases themselves: are they there, are their pages whole, do their values decode?

use std::path::Path;

use super::candidate::{Examination, reason_for};
use crate::bolt::{Hides, PageFault};
use crate::finding::Reason;
use crate::finding::{BlastRadius, Subject, Unusable};
use crate::finding::{
    BoltMetaInvalid, BoltPageInvalid, LastTransaction, MetadataUnusable, MetadataValueInvalid,
    PathUnreadable, SnapshotterDatabaseUnusable,
};
use crate::io::{errno, is_media_error};
use crate::metadata::InvalidValue;
use crate::scan::{DatabaseFacts, DatabaseState, Inventory};

/// Judges meta.db and every metadata.db.
pub(super) fn examine(inventory: &Inventory, into: &mut Examination) {
    let meta_db = &inventory.meta_db;
    if let DatabaseState::Unusable(why) = &meta_db.state {
        let blobs = inventory.blobs.files.len() as u64;
        let snapshots =
            inventory.snapshotters.values().filter(|snapshotter| snapshotter.has_snapshots).count() as u64;
        // Without content, an absent or empty file is a containerd that never ran.
        let fresh = matches!(why, Unusable::Absent | Unusable::Empty) && blobs == 0 && snapshots == 0;
        if !fresh {
            let kind = MetadataUnusable { why: why.clone(), blobs, snapshots };
            into.find(kind, Subject::Store, BlastRadius::default());
        }
    }
    examine_pages(meta_db, into);
    if let Some(metadata) = meta_db.records() {
        examine_values(&meta_db.path, &metadata.invalid, into);
    }
    for (name, snapshotter) in &inventory.snapshotters {
        let Some(database) = &snapshotter.database else { continue };
        if let DatabaseState::Unusable(why) = &database.state
            && (snapshotter.has_snapshots || has_records(inventory, name))
        {
            let kind = SnapshotterDatabaseUnusable { why: why.clone() };
            into.find(kind, subject(&database.path), BlastRadius::default());
        }
        examine_pages(database, into);
        if let Some(snapshots) = database.records() {
            examine_values(&database.path, &snapshots.invalid, into);
        }
    }
}

/// Whether meta.db has snapshots of that snapshotter.
fn has_records(inventory: &Inventory, snapshotter: &str) -> bool {
    let mut namespaces = inventory.metadata().namespaces.values();
    namespaces.any(|records| records.snapshots.get(snapshotter).is_some_and(|some| !some.is_empty()))
}

fn examine_pages<T>(database: &DatabaseFacts<T>, into: &mut Examination) {
    match &database.state {
        DatabaseState::Read { faults, txid, view, .. } => {
            let last_transaction = view.last_transaction;
            for (page, meta) in view.metas.iter().enumerate() {
                let Err(error) = meta else { continue };
                let (error, used_txid) = (*error, *txid);
                let kind = BoltMetaInvalid { page, error, used_txid, last_transaction };
                into.find(kind, subject(&database.path), BlastRadius::default());
            }
            let torn = last_transaction == LastTransaction::PagesTorn;
            for fault in faults {
                let namespaces = database.schema.namespace(&fault.path).into_iter().collect();
                let blast = BlastRadius { namespaces, ..BlastRadius::default() };
                into.find(page_invalid(fault, torn), subject(&database.path), blast);
            }
        }
        DatabaseState::Unreadable(error) if is_media_error(errno(error)) => {
            let kind = PathUnreadable { errno: errno(error) };
            into.find(kind, Subject::Path { path: database.path.clone() }, BlastRadius::default());
        }
        DatabaseState::Unreadable(error) => into.leave_out(subject(&database.path), reason_for(error)),
        DatabaseState::KeptChanging => into.leave_out(subject(&database.path), Reason::KeptChanging),
        DatabaseState::Unusable(_) => {}
    }
}

fn page_invalid(fault: &PageFault, torn: bool) -> BoltPageInvalid {
    let text = |name: &Vec<u8>| String::from_utf8_lossy(name).into_owned();
    BoltPageInvalid {
        pgid: fault.pgid,
        bucket: fault.path.iter().map(text).collect(),
        from: fault.range.from.as_ref().map(text),
        to: fault.range.to.as_ref().map(text),
        hides: fault.hides,
        torn: torn && fault.hides != Hides::Nothing,
        error: fault.kind,
    }
}

fn examine_values(database: &Path, invalid: &[InvalidValue], into: &mut Examination) {
    for value in invalid {
        // v1/<namespace>/… in meta.db, v1/snapshots/<namespace>/<seq>/<key> in metadata.db.
        let namespace = match value.path.as_slice() {
            [_, snapshots, key, ..] if snapshots == "snapshots" => key.split('/').next().map(str::to_owned),
            [_, namespace, _, ..] => Some(namespace.clone()),
            _ => None,
        };
        let blast = BlastRadius { namespaces: namespace.into_iter().collect(), ..BlastRadius::default() };
        let subject = Subject::Record { database: database.into(), path: value.path.clone() };
        into.find(MetadataValueInvalid { error: value.error.clone() }, subject, blast);
    }
}

fn subject(path: &Path) -> Subject {
    Subject::Database { path: path.into() }
}
