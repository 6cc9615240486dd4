//! Each page of each database lost in turn, and rebuilds cut off at each step: no containerd is needed to see what is left.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::bolt_support::{self, ask, healthy, oracle};
use crate::rebuild_common::*;
use verifier_core::bolt::Database;
use verifier_core::repair::disk::StepGate;
use verifier_core::repair::rebuild::{How, LostKind};

const STORES: [&str; 3] = ["1.6", "1.7", "2.1"];

fn golden(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    testdata::golden::unpack(name, folder.path()).unwrap();
    assert_eq!(findings(folder.path()), [""; 0], "{name}");
    folder
}

/// A copy with all that a store's files have.
fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    let mut cp = Command::new("cp");
    assert!(cp.arg("-a").arg(from.join(".")).arg(to.path()).status().unwrap().success());
    to
}

fn sound(root: &Path, what: &str) {
    for database in [META, OVERLAYFS] {
        let bytes = std::fs::read(root.join(database)).unwrap();
        let db = Database::open(&bytes).unwrap();
        assert_eq!(db.walk(&mut ()).faults, [], "{what} {database}");
        if let Some(oracle) = oracle() {
            ask(oracle, &["check"], &root.join(database));
        }
    }
}

/// The pages that the tree of a database has.
fn pages(path: &Path) -> Vec<usize> {
    let bytes = std::fs::read(path).unwrap();
    let db = Database::open(&bytes).unwrap();
    let (high_water, page) = (db.meta().high_water as usize, db.meta().page_size as usize);
    let is_in_use = |at: &usize| {
        let mut without = bytes.clone();
        without[at * page..(at + 1) * page].fill(0);
        Database::open(&without).unwrap().walk(&mut ()).faults.iter().any(|fault| fault.pgid == *at as u64)
    };
    (2..high_water).filter(is_in_use).collect()
}

#[test]
fn each_page_of_each_database_can_be_lost() {
    for store in STORES {
        let original = golden(store);
        for database in [META, OVERLAYFS] {
            for page in pages(&original.path().join(database)) {
                let what = format!("{store} {database} page {page}");
                let root = copy(original.path());
                let path = root.path().join(database);
                let mut bytes = std::fs::read(&path).unwrap();
                bytes[page * 4096..(page + 1) * 4096].fill(0);
                std::fs::write(&path, &bytes).unwrap();
                let before = state(root.path());
                let (run, rebuilt) = rebuild_now(root.path(), database, None);
                assert!(matches!(rebuilt.how, How::Readable | How::OneTransactionBack), "{what}");
                eprintln!("{what}: {:?} {:?}", rebuilt.how, rebuilt.lost);
                sound(root.path(), &what);
                let mut found = findings(root.path());
                // A container's own snapshot comes back from nowhere; it is said, and its files are in the quarantine.
                found.retain(|finding| database == META || !finding.contains("ContainerSnapshotMissing"));
                assert_eq!(found, [""; 0], "{what}: {rebuilt:?}");
                undo(root.path(), &run);
                assert!(state(root.path()) == before, "{what}: undone");
            }
        }
    }
}

#[test]
fn what_is_lost_with_the_last_transaction_alone_is_taken_from_the_one_before() {
    let root = golden("2.1");
    let path = root.path().join(META);
    let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let before = healthy(&std::fs::read(&path).unwrap(), "before").1;
    let mut edits = verifier_core::bolt::Edits::new();
    edits.put(["v1", "default", "labels"], "last", "transaction");
    verifier_core::bolt::commit(&file, &edits).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let top = Database::open(&bytes).unwrap().meta().root as usize;
    bytes[top * 4096..(top + 1) * 4096].fill(0);
    std::fs::write(&path, &bytes).unwrap();
    let (_, rebuilt) = rebuild_now(root.path(), META, None);
    assert_eq!((rebuilt.how, rebuilt.lost.as_slice()), (How::OneTransactionBack, [].as_slice()));
    let after = std::fs::read(&path).unwrap();
    // But for the lease: the lost transaction may have named what nothing else names.
    let lease = hex::encode("containerd-fsck-");
    let text = bolt_support::dump(&Database::open(&after).unwrap()).1.text;
    let rest = text.lines().filter(|line| !line.contains(&lease));
    assert!(rest.eq(before.lines()));
    assert!(text.contains(&lease));
    assert_eq!(findings(root.path()), [""; 0]);
}

#[test]
fn a_lost_metadata_db_takes_its_snapshots_along() {
    for store in STORES {
        for damage in ["metas", "empty", "absent"] {
            let what = format!("{store} {damage}");
            let root = golden(store);
            let path = root.path().join(OVERLAYFS);
            lose(&path, damage);
            let before = state(root.path());
            let snapshots = metadata(root.path())
                .namespaces
                .values()
                .map(|of| of.snapshots["overlayfs"].len())
                .sum::<usize>();
            let (run, rebuilt) = rebuild_now(root.path(), OVERLAYFS, None);
            assert_eq!(rebuilt.how, How::Disk, "{what}");
            let lost = rebuilt.lost.iter().filter(|lost| lost.what == LostKind::Snapshot).count();
            assert!(lost == snapshots && snapshots > 3, "{what}: {:?}", rebuilt.lost);
            assert_eq!(state(root.path()).2.len(), 0, "{what}: the folders are in the quarantine");
            drop(rebuilt.lock);
            sound(root.path(), &what);
            undo(root.path(), &run);
            assert!(state(root.path()) == before, "{what}: undone");
        }
    }
}

fn lose(path: &Path, damage: &str) {
    match damage {
        "metas" => zero_metas(path),
        "empty" => std::fs::write(path, b"").unwrap(),
        _ => std::fs::remove_file(path).unwrap(),
    }
}

/// Fails at the nth step and at every one after it, as if the process had been killed there.
fn killed_at(nth: usize) -> StepGate {
    let steps = Arc::new(AtomicUsize::new(0));
    StepGate::new(move |_, _| {
        let killed = steps.fetch_add(1, Ordering::Relaxed) >= nth;
        if killed { Err(std::io::Error::other("killed")) } else { Ok(()) }
    })
}

#[test]
fn a_rebuild_that_is_killed_anywhere_is_finished_by_the_next() {
    for (database, damage) in [
        (META, "metas"),
        (META, "empty"),
        (META, "absent"),
        (META, "page"),
        (OVERLAYFS, "metas"),
        (OVERLAYFS, "absent"),
        (OVERLAYFS, "page"),
    ] {
        let original = golden("2.1");
        let path = original.path().join(database);
        match damage {
            "page" => {
                let page = *pages(&path).last().unwrap();
                let mut bytes = std::fs::read(&path).unwrap();
                bytes[page * 4096..(page + 1) * 4096].fill(0);
                std::fs::write(&path, &bytes).unwrap();
            }
            _ => lose(&path, damage),
        }
        let whole = copy(original.path());
        drop(rebuild_now(whole.path(), database, None));
        let expected = findings(whole.path());
        let blobs = state(whole.path()).1;
        let mut nth = 0;
        loop {
            let what = format!("{database} {damage}: killed at step {nth}");
            let root = copy(original.path());
            let done = rebuild_with(root.path(), database, None, &killed_at(nth)).is_ok();
            if !done {
                never_empty(&root.path().join(database), damage, &what);
                drop(rebuild_now(root.path(), database, None));
            }
            sound(root.path(), &what);
            assert_eq!(findings(root.path()), expected, "{what}");
            assert!(state(root.path()).1 == blobs, "{what}");
            if done {
                break;
            }
            nth += 1;
        }
        eprintln!("{database} {damage}: {nth} steps");
        assert!(nth > 8);
    }
}

/// A file that was not empty never becomes so: containerd would take it for an empty store.
fn never_empty(path: &Path, damage: &str, what: &str) {
    let length = path.metadata().map_or(0, |stat| stat.len());
    assert!(length > 0 || matches!(damage, "empty" | "absent"), "{what}");
}
