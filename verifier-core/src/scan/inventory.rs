//! The parts of a store, put together.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::io::Errno;

use super::databases::{DatabaseFacts, DatabaseState, read_database};
use super::documents::Documents;
use super::own_files::OwnFiles;
use super::platforms::Platforms;
use crate::Interrupt;
use crate::content::{Blobs, IngestFolder, list_blobs, list_ingests};
use crate::finding::Unusable;
use crate::io::locks::lock_state;
use crate::io::{FileKind, Folder, LockState, Time};
use crate::layout::{self, META_DB};
use crate::metadata::{Kind, Metadata, MetadataVisitor, Schema, Snapshots, SnapshotterVisitor};
use crate::scan::Mode;
use crate::snapshot::{Driver, EROFS, ErofsLayer, HOLDERS, erofs_folder};
use crate::store::Store;
use crate::texts::Texts;
use crate::time::Timestamp;

/// Every fact of a store.
#[derive(Debug)]
pub struct Inventory {
    /// Whether a containerd holds the store.
    pub mode: Mode,
    /// What that was told by: the lock of meta.db.
    pub lock: LockState,
    /// When the scan began.
    pub began: Timestamp,
    /// containerd's own database.
    pub meta_db: DatabaseFacts<Metadata>,
    /// The snapshotters that have a folder, by name.
    pub snapshotters: BTreeMap<String, Snapshotter>,
    /// What lies below `blobs/`.
    pub blobs: Blobs,
    /// What lies below `ingest/`.
    pub ingests: Vec<IngestFolder>,
    /// Indexes, manifests and configs.
    pub documents: Documents,
    /// The erofs snapshotter's committed layers, by their number.
    pub erofs: BTreeMap<u64, ErofsLayer>,
    /// containerd's own files.
    pub own_files: OwnFiles,
    /// What runs on this machine.
    pub platforms: Platforms,
    /// What could not be looked at.
    pub unreadable: Vec<(PathBuf, io::Error)>,
    /// Whether the scan was asked to stop before its end.
    pub interrupted: bool,
}

/// A snapshotter's folder.
#[derive(Debug)]
pub struct Snapshotter {
    /// Where it is, below the root.
    pub path: PathBuf,
    /// Its database; `None` for a snapshotter that keeps none there (a remote one, or one that was never used).
    pub database: Option<DatabaseFacts<Snapshots>>,
    /// Whether there is anything in it besides the database.
    pub has_snapshots: bool,
    /// The folders that hold the snapshots' own.
    pub holders: Vec<Holder>,
}

/// A folder of a snapshotter that holds those of its snapshots (one of `HOLDERS`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Where it is, below the root.
    pub path: PathBuf,
    /// When a name in it was last made or removed.
    pub modified: Option<Time>,
    /// The names in it; what is no UTF-8 is left out, as no snapshotter makes such a name.
    pub names: Vec<String>,
}

/// How long nothing may have been written before what no record names is taken for left over. containerd removes files
/// after their records, which takes as long as the files are many, and snapshots' rows at its next collection, which
/// waits in proportion to how long collections take.
const SETTLED_SECONDS: i64 = 600;

impl Snapshotter {
    /// Its database's records, if it gave all of them (see [`Inventory::has_all_records`]).
    #[must_use]
    pub fn all_rows(&self) -> Option<&Snapshots> {
        match &self.database.as_ref()?.state {
            DatabaseState::Read { records, faults, .. } => {
                Some(records).filter(|records| faults.is_empty() && records.invalid.is_empty())
            }
            _ => None,
        }
    }
}

impl Inventory {
    /// Whether meta.db gave all its records: none was on a page that is lost, none had a value that does not decode. Only
    /// then does the absence of a record prove anything.
    #[must_use]
    pub fn has_all_records(&self) -> bool {
        match &self.meta_db.state {
            DatabaseState::Read { records, faults, .. } => faults.is_empty() && records.invalid.is_empty(),
            _ => false,
        }
    }

    /// Whether what was last written at `modified` is at rest: always, when no containerd holds the store.
    #[must_use]
    pub fn is_settled(&self, modified: Option<Time>) -> bool {
        self.mode == Mode::Stopped
            || modified.is_some_and(|time| self.began.seconds.saturating_sub(time.seconds) >= SETTLED_SECONDS)
    }

    /// Where the snapshot of that key and number is, below the root: its folder by what its row says it is, else where its number
    /// is. `None` for a snapshotter whose snapshots are no folders.
    #[must_use]
    pub fn snapshot_folder(&self, snapshotter: &str, key: &str, id: u64) -> Option<PathBuf> {
        let driver = Driver::of(snapshotter)?;
        let of = self.snapshotters.get(snapshotter);
        let rows = of.and_then(|of| of.database.as_ref()?.records());
        let row = rows.and_then(|rows| rows.by_key.get(key)).filter(|row| row.id == id);
        let name = id.to_string();
        let holders = of.into_iter().flat_map(|of| &of.holders);
        let has_it = |holder: &&Holder| holder.names.binary_search(&name).is_ok();
        let below = |kind| layout::snapshotter(snapshotter).join(driver.folder(kind, id));
        match (row, holders.clone().find(has_it)) {
            (Some(row), _) => Some(below(row.kind)),
            (None, Some(holder)) => Some(holder.path.join(name)),
            (None, None) => Some(below(Kind::Committed)),
        }
    }

    /// What meta.db says; nothing, when it cannot be read.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        static NOTHING: std::sync::LazyLock<Metadata> = std::sync::LazyLock::new(Metadata::default);
        self.meta_db.records().unwrap_or(&NOTHING)
    }
}

/// Reads every fact of `store`. What cannot be read becomes part of the inventory, not an error.
pub fn scan(store: &Store, interrupt: &Interrupt) -> Inventory {
    let root = store.folder();
    let mut unreadable = Vec::new();
    let began = Timestamp::now();
    let lock = lock_state(root, META_DB);
    // Files before rows: a blob is renamed into place before its row is written, so a row that is seen has a file that
    // was there to be seen; what the order cannot exclude is looked at again (verify::confirm).
    let blobs = list_blobs(root);
    let ingests = list_ingests(root, &mut unreadable);
    let texts = Rc::new(Texts::default());
    let meta_db = read_database(
        root,
        Path::new(META_DB),
        Schema::Containerd,
        || MetadataVisitor::sharing(Rc::clone(&texts)),
        MetadataVisitor::finish,
    );
    let snapshotters = list_snapshotters(root, &texts, &mut unreadable);
    let documents = match meta_db.records() {
        Some(metadata) => Documents::sharing(root, metadata, &texts, &|| interrupt.is_raised()),
        None => Documents::default(),
    };
    let erofs = list_erofs(root, &snapshotters, interrupt, &mut unreadable);
    let own_files = OwnFiles::look(root, &mut unreadable);
    Inventory {
        mode: lock.into(),
        lock,
        began,
        meta_db,
        snapshotters,
        blobs,
        ingests,
        documents,
        erofs,
        own_files,
        platforms: Platforms::here(),
        unreadable,
        interrupted: interrupt.is_raised(),
    }
}

/// Looks at the beginning of each committed layer of the erofs snapshotter.
fn list_erofs(
    root: &Folder,
    snapshotters: &BTreeMap<String, Snapshotter>,
    interrupt: &Interrupt,
    unreadable: &mut Vec<(PathBuf, io::Error)>,
) -> BTreeMap<u64, ErofsLayer> {
    let mut layers = BTreeMap::new();
    let Some(erofs) = snapshotters.get(EROFS) else { return layers };
    let rows = erofs.database.as_ref().and_then(DatabaseFacts::records);
    let committed = rows.into_iter().flat_map(|rows| rows.by_key.values());
    for row in committed.filter(|row| row.kind == Kind::Committed) {
        if interrupt.is_raised() {
            break;
        }
        let folder = erofs.path.join(erofs_folder(row.id));
        match ErofsLayer::look(root, &folder) {
            Ok(layer) => drop(layers.insert(row.id, layer)),
            Err(error) => unreadable.push((folder.join("layer.erofs"), error)),
        }
    }
    layers
}

fn list_snapshotters(
    root: &Folder,
    texts: &Rc<Texts>,
    unreadable: &mut Vec<(PathBuf, io::Error)>,
) -> BTreeMap<String, Snapshotter> {
    let mut names = Vec::new();
    let listed = root.list(&mut |entry| {
        names.extend(layout::snapshotter_name(entry.name.as_bytes()).map(str::to_owned));
        Ok(())
    });
    if let Err(error) = listed {
        unreadable.push((PathBuf::new(), error));
    }
    let mut snapshotters = BTreeMap::new();
    for name in names {
        let path = layout::snapshotter(&name);
        match root.stat(&path) {
            Ok(stat) if stat.kind == FileKind::Folder => {
                snapshotters.insert(name, read_snapshotter(root, path, texts, unreadable));
            }
            // containerd follows it, to a snapshotter that is not read here.
            Ok(stat) if stat.kind == FileKind::Symlink => unreadable.push((path, Errno::LOOP.into())),
            Ok(_) => {}
            Err(error) => unreadable.push((path, error)),
        }
    }
    snapshotters
}

fn read_snapshotter(
    root: &Folder,
    path: PathBuf,
    texts: &Rc<Texts>,
    unreadable: &mut Vec<(PathBuf, io::Error)>,
) -> Snapshotter {
    let mut holders = Vec::new();
    let mut has_snapshots = false;
    for name in HOLDERS {
        let path = path.join(name);
        match read_holder(root, path.clone(), &mut has_snapshots) {
            Ok(holder) => holders.push(holder),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => {
                has_snapshots |= root.leads_to_folder(&path);
                unreadable.push((path, error));
            }
        }
    }
    let database = read_database(
        root,
        &layout::metadata_db(&path),
        Schema::Snapshotter,
        || SnapshotterVisitor::sharing(Rc::clone(texts)),
        SnapshotterVisitor::finish,
    );
    let none = matches!(database.state, DatabaseState::Unusable(Unusable::Absent)) && !has_snapshots;
    Snapshotter { path, database: (!none).then_some(database), has_snapshots, holders }
}

fn read_holder(root: &Folder, path: PathBuf, has_snapshots: &mut bool) -> io::Result<Holder> {
    let folder = root.folder(&path)?;
    // Before its names: what is made while they are listed makes it younger than it seems.
    let modified = root.stat(&path).ok().map(|stat| stat.mtime);
    let mut names = Vec::new();
    folder.list(&mut |entry| {
        *has_snapshots = true;
        names.extend(entry.name.to_str().map(str::to_owned));
        Ok(())
    })?;
    names.sort_unstable();
    Ok(Holder { path, modified, names })
}
