//! Parents that a layer does not mention: told by the layers below, never by their trees on disk.
//!
//! The stores were made by containerd 2.3 (testdata/golden), the layers unpacked one after the other and side by side.
//! `parents:1` has snapshots 7, 8 and 9: the lowest has entries for its folders, the others have none.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::restore_common::{look, picture, restore_all, unlike};
use verifier_core::finding::{Code, Depth, Finding, FindingKind, Reason, Subject};

/// Unpacks a store with all its attributes.
pub(crate) fn store(name: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/golden").join(name);
    let mut tar = Command::new("tar")
        .args(["--xattrs", "--xattrs-include=*", "--acls", "--numeric-owner", "-xpf", "-", "-C"])
        .arg(root.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = tar.stdin.take().unwrap();
    std::io::copy(&mut zstd::Decoder::new(std::fs::File::open(packed).unwrap()).unwrap(), &mut input)
        .unwrap();
    drop(input);
    assert!(tar.wait().unwrap().success());
    root
}

pub(crate) fn tree(root: &Path, id: u64) -> PathBuf {
    root.join(format!("io.containerd.snapshotter.v1.overlayfs/snapshots/{id}/fs"))
}

fn found(findings: &[Finding]) -> Vec<(Code, u64, Vec<String>)> {
    let of = |finding: &Finding| {
        let Subject::Snapshot { id, .. } = finding.subject else { return None };
        let damage = match &finding.kind {
            FindingKind::SnapshotDiffers(damage) => damage,
            FindingKind::SnapshotParentsBare(bare) => &bare.0,
            _ => return None,
        };
        let mut paths: Vec<String> =
            damage.differences.iter().map(|one| one.path.to_string_lossy().into_owned()).collect();
        paths.dedup();
        Some((finding.code(), id, paths))
    };
    let mut found: Vec<_> = findings.iter().filter_map(of).collect();
    found.sort();
    found
}

fn remove_xattr(path: PathBuf, name: &str) {
    rustix::fs::lremovexattr(path, name).unwrap();
}

/// The blob of the lowest layer of `parents:1`: the one that gives `srv` its owner.
fn lowest_layer(root: &Path) -> PathBuf {
    let task = crate::restore_common::tasks(root).into_iter().find(|task| task.id == 7).unwrap();
    let digest = task.layers.top().unwrap().digest.to_string().replace(':', "/");
    root.join("io.containerd.content.v1.content/blobs").join(digest)
}

fn has_gap(root: &Path, id: u64) -> bool {
    let report = look(root, Depth::Full);
    report.coverage.unverified.iter().any(|one| {
        let is_it = matches!(one.subject, Subject::Snapshot { id: of, .. } if of == id);
        is_it
            && matches!(&one.reason, Reason::NotComparable { what } if what.to_string().contains("inherited"))
    })
}

#[test]
#[ignore = "needs root: owners and attributes of others"]
fn layers_unpacked_one_after_the_other_are_clean() {
    let root = store("2.3.tar.zst");
    let report = look(root.path(), Depth::Full);
    assert_eq!(report.findings, []);
    assert!(report.is_complete() && !has_gap(root.path(), 8) && !has_gap(root.path(), 9));
}

#[test]
#[ignore = "needs root: owners and attributes of others"]
fn layers_unpacked_side_by_side_have_bare_parents_and_are_put_right() {
    let (sequential, parallel) = (store("2.3.tar.zst"), store("2.3-parallel.tar.zst"));
    let paths = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
    let report = look(parallel.path(), Depth::Full);
    let bare = [
        (Code::SnapshotParentsBare, 8, paths(&["opq", "srv", "srv/app"])),
        (Code::SnapshotParentsBare, 9, paths(&["srv", "srv/app"])),
    ];
    assert_eq!(found(&report.findings), bare);
    assert_eq!(report.findings.len(), 2);
    let (_, outcomes) = restore_all(parallel.path());
    assert!(outcomes.iter().all(|(_, outcome)| outcome.is_ok()), "{outcomes:?}");
    assert_eq!(look(parallel.path(), Depth::Full).findings, []);
    for id in [8, 9] {
        let trees = (picture(&tree(sequential.path(), id)), picture(&tree(parallel.path(), id)));
        // Nothing but the time of folders that no entry made differs.
        assert_eq!(unlike(&trees.0, &trees.1, &|_| true), Vec::<String>::new());
    }
}

#[test]
#[ignore = "needs root: owners and attributes of others"]
fn a_lower_tree_that_lost_an_attribute_is_found_and_nothing_above_it_is_touched() {
    let root = store("2.3.tar.zst");
    let above = picture(&tree(root.path(), 9));
    let healthy = picture(&tree(root.path(), 8));
    remove_xattr(tree(root.path(), 8).join("srv"), "user.a");
    let report = look(root.path(), Depth::Full);
    assert_eq!(found(&report.findings), [(Code::SnapshotDiffers, 8, vec!["srv".to_owned()])]);
    restore_all(root.path());
    assert_eq!(unlike(&above, &picture(&tree(root.path(), 9)), &|_| false), Vec::<String>::new());
    assert_eq!(unlike(&healthy, &picture(&tree(root.path(), 8)), &|_| true), Vec::<String>::new());
    assert_eq!(look(root.path(), Depth::Full).findings, []);
}

/// The values count, not only the names.
#[test]
#[ignore = "needs root: owners and attributes of others"]
fn an_inherited_attribute_of_another_value_is_found() {
    let root = store("2.3.tar.zst");
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::lsetxattr(tree(root.path(), 9).join("srv"), "user.a", b"other", flags).unwrap();
    let report = look(root.path(), Depth::Full);
    assert_eq!(found(&report.findings), [(Code::SnapshotDiffers, 9, vec!["srv".to_owned()])]);
}

#[test]
#[ignore = "needs root: owners and attributes of others"]
fn without_the_layer_below_nothing_is_told_by_its_tree() {
    let root = store("2.3.tar.zst");
    std::fs::remove_file(lowest_layer(root.path())).unwrap();
    let lower = tree(root.path(), 7).join("srv");
    std::fs::set_permissions(&lower, std::fs::Permissions::from_mode(0o2755)).unwrap();
    remove_xattr(lower, "user.a");
    let before: BTreeMap<u64, _> = [8, 9].map(|id| (id, picture(&tree(root.path(), id)))).into();
    assert!(has_gap(root.path(), 8) && has_gap(root.path(), 9), "and that is said");
    // A file goes: what is made anew beside it must not bring the folder's attributes along.
    let file = before[&8].iter().find(|(path, facts)| path.starts_with("srv") && facts.kind == 0o100_000);
    let file = tree(root.path(), 8).join(file.unwrap().0);
    let mode = std::fs::metadata(&file).unwrap().mode();
    std::fs::write(&file, b"").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    restore_all(root.path());
    for (id, before) in before {
        assert_eq!(
            unlike(&before, &picture(&tree(root.path(), id)), &|_| false),
            Vec::<String>::new(),
            "{id}"
        );
    }
}
