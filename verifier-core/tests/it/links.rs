//! Parts of a root that lie elsewhere, behind a symbolic link: containerd follows it, and finds all it left there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use testdata::builder::{CONTENT, sample};
use verifier_core::Interrupt;
use verifier_core::event::Unobserved;
use verifier_core::finding::{Code, Finding};
use verifier_core::repair::disk::{Disk, StepGate};
use verifier_core::repair::locked::{Alone, LockError, LockedStore};
use verifier_core::report::{Outcome, Report};
use verifier_core::scan::Mode;
use verifier_core::{CheckOptions, Store, check};

const META_DB: &str = "io.containerd.metadata.v1.bolt/meta.db";
const OVERLAYFS: &str = "io.containerd.snapshotter.v1.overlayfs";

fn look(root: &Path) -> Report {
    let store = Store::open(root).unwrap();
    check(&store, &CheckOptions::default().threads(1), &Unobserved, &Interrupt::default()).unwrap()
}

/// A healthy store of which `part` was moved away, with a link in its place.
fn moved(part: &str) -> (tempfile::TempDir, tempfile::TempDir) {
    let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample().unwrap().store.write(root.path()).unwrap();
    let target = elsewhere.path().join("part");
    let copied = std::process::Command::new("cp").arg("-a").arg(root.path().join(part)).arg(&target).status();
    assert!(copied.unwrap().success());
    fs::rename(root.path().join(part), elsewhere.path().join("before")).unwrap();
    symlink(&target, root.path().join(part)).unwrap();
    (root, elsewhere)
}

fn codes(report: &Report) -> Vec<Code> {
    report.findings.iter().map(Finding::code).collect()
}

#[test]
fn what_a_link_leads_to_is_not_checked_and_never_called_damaged_or_clean() {
    let first = format!("{OVERLAYFS}/snapshots/1");
    for part in [
        "io.containerd.metadata.v1.bolt",
        META_DB,
        CONTENT,
        &format!("{CONTENT}/blobs"),
        &format!("{CONTENT}/blobs/sha256"),
        &format!("{CONTENT}/ingest"),
        OVERLAYFS,
        &format!("{OVERLAYFS}/metadata.db"),
        &format!("{OVERLAYFS}/snapshots"),
        &first,
        &format!("{first}/fs"),
    ] {
        let (root, _elsewhere) = moved(part);
        let report = look(root.path());
        assert_eq!(report.outcome(true), Outcome::Incomplete, "{part}: {:?}", codes(&report));
    }
}

#[test]
fn a_link_to_nothing_is_what_it_is() {
    for (part, code) in [
        (META_DB, Code::MetadataUnusable),
        (&*format!("{CONTENT}/blobs/sha256"), Code::BlobMissing),
        (&*format!("{OVERLAYFS}/metadata.db"), Code::SnapshotterDatabaseUnusable),
        (&*format!("{OVERLAYFS}/snapshots/1"), Code::SnapshotFolderMissing),
    ] {
        let (root, elsewhere) = moved(part);
        fs::rename(elsewhere.path().join("part"), elsewhere.path().join("gone")).unwrap();
        let report = look(root.path());
        assert!(codes(&report).contains(&code), "{part}: {:?}", codes(&report));
    }
}

/// The lock that containerd would hold is not where it is looked for.
#[test]
fn behind_a_link_a_containerd_may_run() {
    for part in ["io.containerd.metadata.v1.bolt", META_DB] {
        let (root, _elsewhere) = moved(part);
        assert_eq!(look(root.path()).mode, Mode::Live, "{part}");
        let store = Store::open(root.path()).unwrap();
        let gate = StepGate::default();
        let disk = Disk::new(store.folder(), &gate);
        let alone = Alone::take(disk, "test").unwrap();
        let locked = LockedStore::lock(disk, &alone);
        assert!(matches!(locked, Err(LockError::System { .. })), "{part}: {locked:?}");
    }
}
