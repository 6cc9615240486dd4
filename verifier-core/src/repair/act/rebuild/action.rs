//! Rebuilds one database of a stopped store.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::base::{Collect, choose};
use super::found::Found;
use super::lost::Lost;
use super::meta_db::{self, Facts};
use super::salvage::Salvage;
use super::snapshotter;
use crate::bolt::{CommitError, Database, Edits, OpenError, ReadAt};
use crate::content::BlobFile;
use crate::digest::Digest;
use crate::io::mounts::{Mount, parse};
use crate::layout::{self, META_DB};
use crate::metadata::{Kind, LEASE_PREFIX, Metadata, MetadataVisitor, Schema, Snapshots, SnapshotterVisitor};
use crate::repair::mounted::{InUse, refuse_if_used};
use crate::repair::quarantine::run::Run;
use crate::repair::rows::locked::LockedStore;
use crate::scan::Inventory;
use crate::snapshot::Driver;
use crate::time::Timestamp;

/// What a rebuilt database was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum How {
    /// Its own readable part.
    Readable,
    /// Its own state before the last transaction: that one is whole, and the last one is not.
    OneTransactionBack,
    /// A backup, and what is on disk.
    Backup,
    /// What is on disk alone.
    Disk,
}

/// A rebuilt database.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rebuilt {
    /// Below the root.
    pub database: PathBuf,
    /// What it was made from.
    pub how: How,
    /// What is lost, row by row.
    pub lost: Vec<Lost>,
    /// Bytes written to databases.
    pub bytes_written: u64,
    /// The lock of a database that was not there before, to be held as long as those of the others.
    pub lock: Option<std::fs::File>,
}

/// Why a database was not rebuilt. It is then as it was, unless the error says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// It could not be written.
    #[error(transparent)]
    Commit(CommitError),
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// There is something valid in it: it is not to be built anew.
    #[error("the database is not lost")]
    NotLost,
    /// It is no database of containerd's.
    #[error("not a database of containerd's")]
    Unknown,
    /// meta.db must be put right first: what it says of snapshots goes with them.
    #[error("meta.db must be rebuilt first")]
    MetaFirst,
    /// Hashing the blobs was stopped before its end.
    #[error("stopped before the content was verified")]
    Interrupted,
}

/// Rebuilds the database at `database` (below the root): meta.db, or a snapshotter's metadata.db. Of both, meta.db first.
///
/// `found` is the store's verified content. `backup` is a consistent copy of meta.db from an earlier time; it counts only
/// where neither meta page of meta.db is valid.
///
/// # Errors
/// [`RebuildError`]
pub fn rebuild(
    run: &mut Run<'_>,
    locked: &LockedStore<'_>,
    inventory: &Inventory,
    found: &Found,
    database: &Path,
    backup: Option<&dyn ReadAt>,
) -> Result<Rebuilt, RebuildError> {
    if found.interrupted {
        return Err(RebuildError::Interrupted);
    }
    if database == Path::new(META_DB) {
        return rebuild_meta(run, locked, inventory, found, backup);
    }
    let name = layout::snapshotter_of_database(database).ok_or(RebuildError::Unknown)?;
    rebuild_snapshotter(run, locked, inventory, database, name)
}

fn rebuild_meta(
    run: &mut Run<'_>,
    locked: &LockedStore<'_>,
    inventory: &Inventory,
    found: &Found,
    backup: Option<&dyn ReadAt>,
) -> Result<Rebuilt, RebuildError> {
    let path = Path::new(META_DB);
    let rows = read_rows(locked, inventory);
    let lease = format!("{LEASE_PREFIX}{}", run.id());
    let now = Timestamp::now();
    let facts = |base, is_damaged, is_backup| Facts {
        base,
        is_damaged,
        is_backup,
        found,
        rows: &rows,
        lease: &lease,
        now,
    };
    let own = locked.database(path).map(|file| Database::open(file)).transpose();
    if let Some(db) = usable_database(own)? {
        let choice = choose(&db, Schema::Containerd);
        let mut visitor = MetadataVisitor::default();
        let db = db.at_slot(choice.slot).ok_or(RebuildError::Unknown)?;
        db.walk(&mut visitor);
        let mut base = visitor.finish();
        let salvaged =
            if choice.whole { Edits::new() } else { salvage_records(&db, &mut base, found, &rows) };
        let plan = meta_db::plan(&facts(&base, !choice.whole, false));
        let mut edits = plan.edits;
        edits.extend(salvaged.0);
        let bytes_written = run.rewrite_database(locked, path, choice.slot, &edits, &|_, _, _| true)?;
        let how = if choice.one_back { How::OneTransactionBack } else { How::Readable };
        let mut lost = choice.lost;
        lost.extend(plan.lost);
        return Ok(Rebuilt { database: path.into(), how, lost, bytes_written, lock: None });
    }
    let (how, base, mut edits) = match backup {
        Some(backup) => {
            let (base, edits) = read_backup(backup)?;
            (How::Backup, base, edits)
        }
        None => (How::Disk, Metadata::default(), Edits::new()),
    };
    let plan = meta_db::plan(&facts(&base, false, how == How::Backup));
    edits.extend(plan.edits.0);
    let (bytes_written, lock) = run.build_database(locked, path, &edits)?;
    // What is wrong and has no record would be taken for the right thing by the next pull.
    let has_record = |digest| base.namespaces.values().any(|records| records.blobs.contains_key(digest));
    let wrong = found.wrong.iter().filter(|digest| !has_record(digest));
    run.take_all(&wrong.map(BlobFile::path).collect::<Vec<_>>())?;
    Ok(Rebuilt { database: path.into(), how, lost: plan.lost, bytes_written, lock })
}

/// Records on stray pages, added to `base`.
fn salvage_records(
    db: &Database<'_>,
    base: &mut Metadata,
    found: &Found,
    rows: &BTreeMap<String, Snapshots>,
) -> Edits {
    let keys = rows.values().flat_map(|rows| rows.by_key.keys());
    let namespaces: BTreeSet<&str> = keys
        .filter_map(|key| Some(key.split_once('/')?.0))
        .chain(base.namespaces.keys().map(String::as_str))
        .collect();
    let only = if namespaces.len() == 1 { namespaces.first().copied() } else { None };
    let salvage = Salvage::of(db, only);
    let is_verified = |digest: &Digest| found.blobs.contains_key(digest);
    let has_active = |namespace: &str, snapshotter: &str, key: &str| {
        let rows = rows.get(snapshotter).into_iter().flat_map(|rows| &rows.by_key);
        let parts = |of: &str| Some((of.split('/').next()? == namespace) && of.splitn(3, '/').nth(2)? == key);
        rows.filter(|(_, row)| row.kind == Kind::Active).any(|(of, _)| parts(of).unwrap_or(false))
    };
    salvage.add_records(base, is_verified, has_active)
}

/// Rows on stray pages that meta.db names and that have a folder, added to `rows`.
fn salvage_rows(
    db: &Database<'_>,
    rows: &mut Snapshots,
    metadata: &Metadata,
    name: &str,
    folders: &BTreeSet<&str>,
) -> Edits {
    let records = metadata.namespaces.values().filter_map(|of| of.snapshots.get(name));
    let named: BTreeSet<&str> =
        records.flat_map(|of| of.values()).map(|record| record.backend_key.as_str()).collect();
    let is_named = |key: &str, id: u64| named.contains(key) && folders.contains(id.to_string().as_str());
    Salvage::of(db, None).add_rows(rows, is_named)
}

/// The database, unless there is none or neither of its meta pages is valid.
fn usable_database<'d>(
    opened: Result<Option<Database<'d>>, OpenError>,
) -> Result<Option<Database<'d>>, RebuildError> {
    match opened {
        Ok(database) => Ok(database),
        Err(OpenError::Io(error)) => Err(error.into()),
        Err(_) => Ok(None),
    }
}

fn read_backup(backup: &dyn ReadAt) -> Result<(Metadata, Edits), RebuildError> {
    let db = Database::open(backup).map_err(CommitError::Open)?;
    let mut visitor = MetadataVisitor::default();
    let walk = db.walk(&mut visitor);
    if !walk.complete {
        return Err(CommitError::Damaged { faults: walk.faults }.into());
    }
    let mut tree = Collect::default();
    db.walk(&mut tree);
    Ok((visitor.finish(), tree.0))
}

/// The readable rows of every snapshotter that has a database with a valid meta page.
fn read_rows(locked: &LockedStore<'_>, inventory: &Inventory) -> BTreeMap<String, Snapshots> {
    let mut rows = BTreeMap::new();
    for (name, snapshotter) in &inventory.snapshotters {
        let Some(file) = locked.database(&layout::metadata_db(&snapshotter.path)) else { continue };
        let Ok(db) = Database::open(file) else { continue };
        let choice = choose(&db, Schema::Snapshotter);
        let mut visitor = SnapshotterVisitor::default();
        if let Some(db) = db.at_slot(choice.slot) {
            db.walk(&mut visitor);
            rows.insert(name.clone(), visitor.finish());
        }
    }
    rows
}

fn rebuild_snapshotter(
    run: &mut Run<'_>,
    locked: &LockedStore<'_>,
    inventory: &Inventory,
    path: &Path,
    name: &str,
) -> Result<Rebuilt, RebuildError> {
    let metadata = read_meta(locked)?;
    let own = locked.database(path).map(|file| Database::open(file)).transpose();
    let db = usable_database(own)?;
    let holders = inventory.snapshotters.get(name).map(|one| one.holders.as_slice()).unwrap_or_default();
    let folders: BTreeSet<&str> =
        holders.iter().flat_map(|holder| &holder.names).map(String::as_str).collect();
    let mut edits = Edits::new();
    let (choice, rows) = match &db {
        Some(db) => {
            let choice = choose(db, Schema::Snapshotter);
            let mut visitor = SnapshotterVisitor::default();
            let db = db.at_slot(choice.slot).ok_or(RebuildError::Unknown)?;
            db.walk(&mut visitor);
            let mut rows = visitor.finish();
            if !choice.whole {
                edits = salvage_rows(&db, &mut rows, &metadata, name, &folders);
            }
            (Some(choice), rows)
        }
        None => (None, Snapshots::default()),
    };
    let plan = snapshotter::plan(name, &rows, &metadata, folders.iter().copied());
    edits.extend(plan.rows.0);
    // First what names the rows: cut off in between, what is left are rows without records, and folders.
    run.rows(locked, META_DB.as_ref(), &plan.records)?;
    let (how, mut lost, (bytes_written, lock)) = match choice {
        Some(choice) => {
            let how = if choice.one_back { How::OneTransactionBack } else { How::Readable };
            let bytes = run.rewrite_database(locked, path, choice.slot, &edits, &|_, _, _| true)?;
            (how, choice.lost, (bytes, None))
        }
        None => (How::Disk, Vec::new(), run.build_database(locked, path, &edits)?),
    };
    lost.extend(plan.lost);
    lost.sort();
    lost.dedup();
    let mut folders = Vec::new();
    let overlays = has_overlays();
    for holder in holders {
        let is_gone = |name: &&String| {
            let gone = name.parse().is_ok_and(|id| !plan.kept_ids.contains(&id));
            gone && !(overlays && is_used(run, &holder.path.join(name)))
        };
        folders.extend(holder.names.iter().filter(is_gone).map(|name| holder.path.join(name)));
    }
    run.take_all(&folders)?;
    Ok(Rebuilt { database: path.into(), how, lost, bytes_written, lock })
}

/// Whether something that still runs has the snapshot mounted: then its folder stays, below the numbers of new ones.
fn is_used(run: &Run<'_>, path: &Path) -> bool {
    let folder = Driver::trees_in(path).find_map(|path| run.disk().root().folder(path).ok());
    let used = folder.map(|tree| refuse_if_used(&tree));
    matches!(used, Some(Err(InUse::Mounted { .. } | InUse::Perhaps { .. })))
}

/// Whether there are overlays at all: to ask for each of thousands of folders takes its time.
fn has_overlays() -> bool {
    let tables = ["/proc/1/mountinfo", "/proc/self/mountinfo"].map(std::fs::read);
    let has = |mounts: Vec<Mount>| mounts.iter().any(Mount::is_overlay);
    tables.into_iter().any(|table| table.ok().and_then(|table| parse(&table)).is_none_or(has))
}

fn read_meta(locked: &LockedStore<'_>) -> Result<Metadata, RebuildError> {
    let file = locked.database(META_DB.as_ref()).ok_or(RebuildError::MetaFirst)?;
    let db = Database::open(file).map_err(|_| RebuildError::MetaFirst)?;
    let mut visitor = MetadataVisitor::default();
    if db.walk(&mut visitor).complete { Ok(visitor.finish()) } else { Err(RebuildError::MetaFirst) }
}
