//! Takes out what has to be pulled or unpacked again, while containerd is stopped: rows first, then what they named.
//!
//! Cut off in between, files without rows are left: what the collector removes, and what `clean` moves out.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::Interrupt;
use crate::bolt::{CommitError, Edits};
use crate::content::BlobFile;
use crate::digest::Digest;
use crate::event::Unobserved;
use crate::io::Folder;
use crate::layout::META_DB;
use crate::metadata::{EXPIRE, LEASE_PREFIX, Metadata, encode};
use crate::repair::plan::SnapshotName;
use crate::repair::quarantine::run::Run;
use crate::repair::rows::locked::LockedStore;
use crate::scan::Inventory;
use crate::time::Timestamp;
use crate::verify::{Rehash, rehash};

/// How long what was kept for a pull stays when nobody pulls: a week.
const KEEP_SECONDS: i64 = 7 * 86_400;

/// Why something was not taken out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvictError {
    /// The rows could not be changed.
    #[error(transparent)]
    Rows(#[from] CommitError),
    /// What the rows named could not be moved.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A layer that must be unpacked again is not right: its snapshot stays.
    #[error("the layer {0}, from which it would be unpacked again, is damaged")]
    LayerDamaged(Digest),
}

/// Takes out a blob: its records in all namespaces, and its file.
pub(in crate::repair) fn evict_blob(
    run: &mut Run<'_>,
    locked: &LockedStore<'_>,
    inventory: &Inventory,
    digest: &Digest,
) -> Result<(), EvictError> {
    run.rows(locked, META_DB.as_ref(), &without_blob(inventory.metadata(), digest))?;
    take(run, &BlobFile::path(digest))?;
    Ok(())
}

/// Takes out snapshots, the topmost first: their records, their rows, their folders. `blobs`, from which they will be
/// unpacked again, are hashed before anything is touched.
pub(in crate::repair) fn evict_snapshots(
    run: &mut Run<'_>,
    locked: &LockedStore<'_>,
    inventory: &Inventory,
    snapshots: &[SnapshotName],
    blobs: &[Digest],
) -> Result<(), EvictError> {
    if let Some(digest) = first_wrong(run.disk().root(), blobs)? {
        return Err(EvictError::LayerDamaged(digest.clone()));
    }
    let (records, rows) = without_snapshots(inventory, snapshots.iter());
    run.rows(locked, META_DB.as_ref(), &records)?;
    for (database, edits) in &rows {
        run.rows(locked, database, edits)?;
    }
    for folder in snapshots.iter().filter_map(|name| name.folder.as_ref()) {
        take(run, folder)?;
    }
    Ok(())
}

/// What removes a blob's records.
pub(in crate::repair) fn without_blob(metadata: &Metadata, digest: &Digest) -> Edits {
    let mut edits = Edits::new();
    for (namespace, records) in &metadata.namespaces {
        if records.blobs.contains_key(digest) {
            edits.delete_bucket(["v1", namespace, "content", "blob", &digest.to_string()]);
        }
    }
    edits
}

/// What removes the name of an image.
pub(in crate::repair) fn without_image(namespace: &str, name: &str) -> Edits {
    let mut edits = Edits::new();
    edits.delete_bucket(["v1", namespace, "images", name]);
    edits
}

/// What removes snapshots: from meta.db, and from each metadata.db.
pub(in crate::repair) fn without_snapshots<'n>(
    inventory: &Inventory,
    snapshots: impl Iterator<Item = &'n SnapshotName>,
) -> (Edits, BTreeMap<PathBuf, Edits>) {
    let mut records = Edits::new();
    let mut rows: BTreeMap<PathBuf, Edits> = BTreeMap::new();
    for name in snapshots {
        remove_record(inventory.metadata(), name, &mut records);
        let database = inventory.snapshotters.get(&name.snapshotter).and_then(|one| one.database.as_ref());
        if let Some(database) = database {
            let known = database.records().and_then(|rows| rows.by_key.get(name.backend_key.as_str()));
            let parent = known.and_then(|row| Some(database.records()?.by_key.get(&row.parent)?.id));
            let edits = rows.entry(database.path.clone()).or_default();
            edits.delete_bucket(["v1", "snapshots", &name.backend_key]);
            if let (Some(parent), Some(id)) = (parent, name.id) {
                let key = [encode::uvarint(parent), vec![0], encode::uvarint(id)].concat();
                edits.delete(["v1", "parents"], key);
            }
        }
    }
    (records, rows)
}

fn remove_record(metadata: &Metadata, name: &SnapshotName, edits: &mut Edits) {
    let Some(key) = &name.key else { return };
    let bucket = ["v1", &name.namespace, "snapshots", &name.snapshotter];
    edits.delete_bucket(bucket.into_iter().chain([key.as_str()]));
    let records = metadata.namespaces.get(&name.namespace).and_then(|ns| ns.snapshots.get(&name.snapshotter));
    let parent = records.and_then(|records| records.get_key_value(&records.get(key.as_str())?.parent));
    if let Some((parent, _)) = parent {
        edits.delete(bucket.into_iter().chain([parent.as_str(), "children"]), key);
    }
}

/// Takes out the name of an image. A lease keeps all else of its namespace until it is pulled again, so that no intact
/// layer is fetched twice.
pub(in crate::repair) fn forget_image(
    run: &mut Run<'_>,
    locked: &LockedStore<'_>,
    inventory: &Inventory,
    namespace: &str,
    name: &str,
) -> Result<(), EvictError> {
    let mut edits = without_image(namespace, name);
    if let Some(records) = inventory.metadata().namespaces.get(namespace) {
        let lease = format!("{LEASE_PREFIX}{}", run.id());
        let snapshots = records
            .snapshots
            .iter()
            .flat_map(|(snapshotter, of)| of.keys().map(move |key| (snapshotter.as_str(), key.as_str())));
        hold(namespace, &lease, records.blobs.keys(), snapshots, &mut edits);
    }
    Ok(run.rows(locked, META_DB.as_ref(), &edits)?)
}

/// A lease on content and snapshots of a namespace, as core/metadata/leases.go writes it.
pub(in crate::repair) fn hold<'a>(
    namespace: &str,
    lease: &str,
    blobs: impl Iterator<Item = &'a Digest>,
    snapshots: impl Iterator<Item = (&'a str, &'a str)>,
    edits: &mut Edits,
) {
    let now = Timestamp::now();
    let end = Timestamp { seconds: now.seconds + KEEP_SECONDS, ..now };
    let bucket = ["v1", namespace, "leases", lease];
    edits.put(bucket, "createdat", encode::time(now));
    edits.put(bucket.into_iter().chain(["labels"]), EXPIRE, end.to_string());
    for digest in blobs {
        edits.put(bucket.into_iter().chain(["content"]), digest.to_string(), "");
    }
    for (snapshotter, key) in snapshots {
        edits.put(bucket.into_iter().chain(["snapshots", snapshotter]), key, "");
    }
}

/// Moves out what is there, and gives the item that it is now; that there is nothing is as good.
pub(in crate::repair) fn take(run: &mut Run<'_>, path: &Path) -> io::Result<Option<OsString>> {
    match run.take_all(&[path.into()]) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        taken => Ok(taken?.pop()),
    }
}

/// The first of `blobs` that is not here or does not hash to its name.
pub(in crate::repair) fn first_wrong<'d>(
    root: &Folder,
    blobs: &'d [Digest],
) -> io::Result<Option<&'d Digest>> {
    let queue: Vec<&Digest> = blobs.iter().collect();
    let mut hashed = rehash(root, &queue, 0, &Unobserved, &Interrupt::default());
    for digest in blobs {
        match hashed.remove(digest) {
            Some(Rehash::Right { .. }) => {}
            Some(Rehash::Failed(error)) if !is_absence(&error) => return Err(error),
            _ => return Ok(Some(digest)),
        }
    }
    Ok(None)
}

/// There is no such file, or no way to tell what it hashes to.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::Unsupported)
}
