//! Takes out what has to be pulled or unpacked again, while containerd is stopped: rows first, then what they named.
//!
//! Cut off in between, files without rows are left: what the collector removes, and what `clean` moves out.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use super::locked::LockedStore;
use super::plan::SnapshotName;
use super::run::Run;
use crate::bolt::{CommitError, Edits};
use crate::content::BlobFile;
use crate::digest::{Digest, Hasher};
use crate::io::{Folder, ReadAt as _};
use crate::metadata::{Metadata, Timestamp, encode};
use crate::scan::{Inventory, META_DB};

/// How leases of this tool begin.
pub(super) const LEASE_PREFIX: &str = "containerd-fsck-";

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
pub(super) fn evict_blob(
    run: &mut Run<'_>,
    locked: &LockedStore<'_>,
    inventory: &Inventory,
    digest: &Digest,
) -> Result<(), EvictError> {
    let mut edits = Edits::new();
    for (namespace, records) in &inventory.metadata().namespaces {
        if records.blobs.contains_key(digest) {
            edits.delete_bucket(["v1", namespace, "content", "blob", &digest.to_string()]);
        }
    }
    run.rows(locked, META_DB.as_ref(), &edits)?;
    take(run, &BlobFile::path(digest))
}

/// Takes out snapshots, the topmost first: their records, their rows, their folders. `blobs`, from which they will be
/// unpacked again, are hashed before anything is touched.
pub(super) fn evict_snapshots(
    run: &mut Run<'_>,
    locked: &LockedStore<'_>,
    inventory: &Inventory,
    snapshots: &[SnapshotName],
    blobs: &[Digest],
) -> Result<(), EvictError> {
    for digest in blobs {
        if !is_right(run.disk().root(), digest)? {
            return Err(EvictError::LayerDamaged(digest.clone()));
        }
    }
    let mut records = Edits::new();
    let mut rows: BTreeMap<PathBuf, Edits> = BTreeMap::new();
    for name in snapshots {
        remove_record(inventory.metadata(), name, &mut records);
        let database = inventory.snapshotters.get(&name.snapshotter).and_then(|one| one.database.as_ref());
        if let Some(database) = database {
            let known = database.records().and_then(|rows| rows.by_key.get(&name.backend_key));
            let parent = known.and_then(|row| Some(database.records()?.by_key.get(&row.parent)?.id));
            let edits = rows.entry(database.path.clone()).or_default();
            edits.delete_bucket(["v1", "snapshots", &name.backend_key]);
            if let (Some(parent), Some(id)) = (parent, name.id) {
                let key = [encode::uvarint(parent), vec![0], encode::uvarint(id)].concat();
                edits.delete(["v1", "parents"], key);
            }
        }
    }
    run.rows(locked, META_DB.as_ref(), &records)?;
    for (database, edits) in &rows {
        run.rows(locked, database, edits)?;
    }
    for folder in snapshots.iter().filter_map(|name| name.folder.as_ref()) {
        take(run, folder)?;
    }
    Ok(())
}

fn remove_record(metadata: &Metadata, name: &SnapshotName, edits: &mut Edits) {
    let Some(key) = &name.key else { return };
    let bucket = ["v1", &name.namespace, "snapshots", &name.snapshotter];
    edits.delete_bucket(bucket.into_iter().chain([key.as_str()]));
    let records = metadata.namespaces.get(&name.namespace).and_then(|ns| ns.snapshots.get(&name.snapshotter));
    let parent = records.and_then(|records| records.get(records.get(key)?.parent.as_str()).map(|_| ()));
    let parent_key = records.and_then(|records| records.get(key)).map(|record| record.parent.as_str());
    if let (Some(()), Some(parent)) = (parent, parent_key) {
        edits.delete(bucket.into_iter().chain([parent, "children"]), key);
    }
}

/// Takes out the name of an image. A lease keeps all else of its namespace until it is pulled again, so that no intact
/// layer is fetched twice.
pub(super) fn forget_image(
    run: &mut Run<'_>,
    locked: &LockedStore<'_>,
    inventory: &Inventory,
    namespace: &str,
    name: &str,
) -> Result<(), EvictError> {
    let mut edits = Edits::new();
    edits.delete_bucket(["v1", namespace, "images", name]);
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
pub(super) fn hold<'a>(
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
    edits.put(bucket.into_iter().chain(["labels"]), "containerd.io/gc.expire", end.to_string());
    for digest in blobs {
        edits.put(bucket.into_iter().chain(["content"]), digest.to_string(), "");
    }
    for (snapshotter, key) in snapshots {
        edits.put(bucket.into_iter().chain(["snapshots", snapshotter]), key, "");
    }
}

/// Moves out what is there; that there is nothing is as good.
fn take(run: &mut Run<'_>, path: &std::path::Path) -> Result<(), EvictError> {
    match run.take_all(&[path.into()]) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => Ok(other?),
    }
}

/// Whether the blob is here and hashes to its name.
pub(super) fn is_right(root: &Folder, digest: &Digest) -> io::Result<bool> {
    let Some(mut hasher) = Hasher::new(digest.algorithm()) else { return Ok(false) };
    let file = match root.file(BlobFile::path(digest)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    };
    let mut buffer = vec![0; 512 * 1024];
    let mut offset = 0;
    loop {
        let count = file.read_at(&mut buffer, offset)?;
        match buffer.get(..count) {
            None | Some([]) => return Ok(hasher.finish() == *digest),
            Some(bytes) => hasher.update(bytes),
        }
        offset += count as u64;
    }
}
