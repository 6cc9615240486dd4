//! Rebuilding a database of a stopped store, and what a store has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use verifier_core::Interrupt;
use verifier_core::bolt::{Database, ReadAt};
use verifier_core::event::Unobserved;
use verifier_core::finding::Depth;
use verifier_core::finding::Severity;
use verifier_core::io::{Folder, Gate};
use verifier_core::metadata::{Metadata, MetadataVisitor};
use verifier_core::repair::Run;
use verifier_core::repair::disk::{Disk, StepGate};
use verifier_core::repair::locked::{Alone, LockError, LockedStore};
use verifier_core::repair::rebuild::{Found, RebuildError, Rebuilt, rebuild};
use verifier_core::{CheckOptions, Store, check, scan};

pub(crate) const META: &str = "io.containerd.metadata.v1.bolt/meta.db";
pub(crate) const OVERLAYFS: &str = "io.containerd.snapshotter.v1.overlayfs/metadata.db";
pub(crate) const SNAPSHOTS: &str = "io.containerd.snapshotter.v1.overlayfs/snapshots";
pub(crate) const BLOBS: &str = "io.containerd.content.v1.content/blobs/sha256";

/// Rebuilds `database`; returns the run's name as well.
pub(crate) fn rebuild_with(
    root: &Path,
    database: &str,
    backup: Option<&dyn ReadAt>,
    gate: &StepGate,
) -> Result<(String, Rebuilt), RebuildError> {
    let folder = Folder::open_root(root, Gate::default())?;
    let disk = Disk::new(&folder, gate);
    let locked = lock(disk).map_err(std::io::Error::other)?;
    let store = Store::open(root).unwrap();
    let interrupt = Interrupt::default();
    let inventory = scan(&store, &interrupt);
    let found = Found::read(&folder, &inventory, 0, &Unobserved, &interrupt);
    let mut run = Run::begin(disk)?;
    let id = run.id().to_owned();
    let rebuilt = rebuild(&mut run, &locked, &inventory, &found, database.as_ref(), backup)?;
    run.end("done")?;
    Ok((id, rebuilt))
}

/// A process that another test forks has our locks until it becomes another program: then they are free.
fn lock(disk: Disk<'_>) -> Result<LockedStore<'_>, LockError> {
    let lock = || Alone::take(disk, "a test").and_then(|alone| LockedStore::lock(disk, &alone));
    for _ in 0..200 {
        match lock() {
            Err(LockError::Held(_) | LockError::Busy(_)) => {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            other => return other,
        }
    }
    lock()
}

pub(crate) fn rebuild_now(root: &Path, database: &str, backup: Option<&dyn ReadAt>) -> (String, Rebuilt) {
    rebuild_with(root, database, backup, &StepGate::default()).unwrap()
}

pub(crate) fn undo(root: &Path, run: &str) {
    let folder = Folder::open_root(root, Gate::default()).unwrap();
    let gate = StepGate::default();
    let disk = Disk::new(&folder, &gate);
    let locked = lock(disk).unwrap();
    let undone = verifier_core::repair::undo(disk, run, Some(&locked)).unwrap();
    assert!(undone.left.is_empty(), "{:?}", undone.left);
}

/// What is wrong by a full check, infos left out.
pub(crate) fn findings(root: &Path) -> Vec<String> {
    let store = Store::open(root).unwrap();
    let options = CheckOptions::default().depth(Depth::Full);
    let report = check(&store, &options, &Unobserved, &Interrupt::default()).unwrap();
    let bad = report.findings.iter().filter(|finding| finding.severity() > Severity::Info);
    bad.map(|finding| format!("{:?}", finding.kind)).collect()
}

pub(crate) fn metadata(root: &Path) -> Metadata {
    metadata_of(&std::fs::read(root.join(META)).unwrap())
}

pub(crate) fn metadata_of(bytes: &[u8]) -> Metadata {
    let mut visitor = MetadataVisitor::default();
    assert!(Database::open(&bytes).unwrap().walk(&mut visitor).complete);
    visitor.finish()
}

pub(crate) fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The tree of a database that has one, else its bytes.
fn tree(bytes: Vec<u8>) -> Vec<u8> {
    let dump = Database::open(&bytes).ok().map(|db| crate::bolt_support::dump(&db));
    match dump {
        Some((walk, dump)) if walk.complete => dump.text.into_bytes(),
        _ => bytes,
    }
}

/// Databases, names of blobs, names of snapshot folders.
pub(crate) type State = (BTreeMap<PathBuf, Option<Vec<u8>>>, BTreeSet<String>, BTreeSet<String>);

/// The two databases, and the names of all blobs and snapshot folders.
pub(crate) fn state(root: &Path) -> State {
    let files = [META, OVERLAYFS].map(|path| (path.into(), std::fs::read(root.join(path)).ok().map(tree)));
    (files.into(), names(&root.join(BLOBS)), names(&root.join(SNAPSHOTS)))
}

/// Both meta pages.
pub(crate) fn zero_metas(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes.get_mut(..8192).unwrap().fill(0);
    std::fs::write(path, bytes).unwrap();
}
