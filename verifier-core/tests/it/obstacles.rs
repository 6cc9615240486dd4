//! What cannot be read, or is not there, hides nothing but itself.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{XattrFlags, lgetxattr, lsetxattr};
use testdata::builder::{blob_path, sample, snapshotter_folder};
use testdata::damage::{self, Damage};
use testdata::in_parallel;
use verifier_core::event::Unobserved;
use verifier_core::finding::{Depth, Reason, Severity, Subject};
use verifier_core::io::{Gate, Op};
use verifier_core::report::Report;
use verifier_core::{CheckOptions, Interrupt, Store, check};

use crate::parents::{store, tree};
use crate::restore_common::{look as look_plain, restore_all};

const DEPTHS: [Depth; 3] = [Depth::Quick, Depth::Blobs, Depth::Full];

/// Reads that fail, all of them: what is asked, in which part of the root, and the error.
type Obstacle = (Op, &'static str, i32);

const OBSTACLES: [Obstacle; 3] = [
    (Op::Xattr, "io.containerd.snapshotter.v1.overlayfs", 22),
    (Op::Xattr, "io.containerd.snapshotter.v1.native", 13),
    (Op::Read, "io.containerd.snapshotter.v1.overlayfs/snapshots", 13),
];

fn look(root: &Path, depth: Depth, obstacle: Option<Obstacle>) -> Report {
    let gate = match obstacle {
        None => Gate::default(),
        Some((op, part, errno)) => Gate::new(move |asked, at| {
            let fails = asked == op && at.starts_with(part);
            if fails { Err(io::Error::from_raw_os_error(errno)) } else { Ok(()) }
        }),
    };
    let store = Store::open_with(root, gate).unwrap();
    let options = CheckOptions::default().depth(depth).threads(1);
    check(&store, &options, &Unobserved, &Interrupt::default()).unwrap()
}

fn is_damaged(report: &Report) -> bool {
    report.findings.iter().any(|finding| finding.severity() >= Severity::Error)
}

/// Whether damage that a report tells of is gone from a deeper one without a word. (A file of another length than its record is
/// damage as long as nobody has read it; a record that is wrong about a file that is right is a warning.)
fn says_less(report: &Report, deeper: &Report) -> bool {
    let errors = report.findings.iter().filter(|finding| finding.severity() >= Severity::Error);
    let is_told = |subject: &Subject| deeper.findings.iter().any(|finding| finding.subject == *subject);
    errors.into_iter().any(|finding| !is_told(&finding.subject)) && !is_damaged(deeper)
}

/// A deeper depth never says less than a shallower one, whatever cannot be read.
#[test]
fn a_deeper_look_never_says_less() {
    let damages: Vec<&Damage> = damage::all().collect();
    let faults = in_parallel(&damages, |damage| {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        let damaged = damage.apply(&root).unwrap();
        let mut faults = Vec::new();
        let obstacles = [None].into_iter().chain(OBSTACLES.map(Some));
        for obstacle in obstacles.filter(|_| damaged.refusal.is_none()) {
            let reports = DEPTHS.map(|depth| look(&root, depth, obstacle));
            if reports.windows(2).any(|pair| says_less(&pair[0], &pair[1])) {
                faults.push(format!("{} {obstacle:?}: {reports:#?}", damage.name));
            }
        }
        faults
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The path alone is named; the snapshot counts as checked, and what is damaged beside it is found.
#[test]
fn one_path_that_cannot_be_read_is_one_gap() {
    let sample = sample().unwrap();
    let folder = tempfile::tempdir().unwrap();
    sample.store.write(folder.path()).unwrap();
    let id = sample.store.snapshot("default", "overlayfs", &sample.app.chain[0]).unwrap().id;
    let fs = snapshotter_folder("overlayfs").join(format!("snapshots/{id}/fs"));
    let whole = look(folder.path(), Depth::Full, None);
    let (etc, refused) = (fs.join("etc"), fs.join("etc"));
    let gate = Gate::new(move |op, at| {
        let fails = op == Op::Xattr && at == refused;
        if fails { Err(io::Error::from_raw_os_error(22)) } else { Ok(()) }
    });
    let store = Store::open_with(folder.path(), gate.clone()).unwrap();
    let options = CheckOptions::default().depth(Depth::Full);
    let report = check(&store, &options, &Unobserved, &Interrupt::default()).unwrap();
    let gaps: Vec<_> = report.coverage.gaps().map(|gap| (gap.subject.clone(), gap.reason.clone())).collect();
    assert_eq!(gaps, [(Subject::Path { path: etc }, Reason::System { errno: 22 })]);
    assert_eq!(report.coverage.snapshots.checked, whole.coverage.snapshots.checked);
    assert!(report.findings.is_empty() && !report.is_complete());
    let motd = folder.path().join(&fs).join("etc/motd");
    fs::write(motd, b"").unwrap();
    let report = check(&store, &options, &Unobserved, &Interrupt::default()).unwrap();
    assert!(is_damaged(&report), "what is in the folder is compared all the same");
}

/// A recorded layer whose file is gone was not discarded; where a tree holds all layers, those above are not complete.
#[test]
fn a_missing_layer_was_not_discarded() {
    let sample = sample().unwrap();
    let folder = tempfile::tempdir().unwrap();
    sample.store.write(folder.path()).unwrap();
    let healthy = look(folder.path(), Depth::Full, None);
    fs::remove_file(folder.path().join(blob_path(&sample.base.digest))).unwrap();
    let report = look(folder.path(), Depth::Full, None);
    let because = |report: &Report, reason: &Reason, name: &str| {
        let of = |subject: &Subject| matches!(subject, Subject::Snapshot { snapshotter, .. } if snapshotter == name);
        report.coverage.unverified.iter().filter(|one| one.reason == *reason && of(&one.subject)).count()
    };
    assert_eq!(because(&healthy, &Reason::LayerMissing, "overlayfs"), 0);
    assert!(because(&report, &Reason::LayerMissing, "overlayfs") > 0);
    assert_eq!(because(&report, &Reason::LayerMissing, "native"), 1);
    assert_eq!(because(&report, &Reason::LayerBelowMissing, "native"), 2);
    assert_eq!(because(&report, &Reason::LayerDiscarded, "native"), 0);
    assert!(healthy.is_complete() && !report.is_complete());
    // Discarded by design is neither.
    assert!(because(&healthy, &Reason::LayerDiscarded, "overlayfs") > 0);
}

/// What no comparison judges stays on a file that is written anew.
#[test]
#[ignore = "needs root: owners and attributes of others"]
fn what_is_not_judged_is_carried_over() {
    let root = store("2.3.tar.zst");
    let file = first_file(&tree(root.path(), 8));
    let kept: [(&str, &[u8]); 2] = [("user.overlay.example", b"1"), ("security.selinux", b"label\0")];
    for (name, value) in kept {
        lsetxattr(&file, name, value, XattrFlags::empty()).unwrap();
    }
    assert_eq!(look_plain(root.path(), Depth::Full).findings, [], "nobody judges them");
    let bytes = fs::read(&file).unwrap();
    let before = fs::metadata(&file).unwrap();
    fs::write(&file, b"").unwrap();
    restore_all(root.path());
    assert_eq!(fs::read(&file).unwrap(), bytes);
    assert_ne!(fs::metadata(&file).unwrap().ino(), before.ino(), "it was made anew");
    for (name, value) in kept {
        let mut found = [0; 64];
        let count = lgetxattr(&file, name, &mut found[..]).unwrap();
        assert_eq!(&found[..count], value, "{name}");
    }
    assert_eq!(look_plain(root.path(), Depth::Full).findings, []);
}

fn first_file(tree: &Path) -> PathBuf {
    let mut left = vec![tree.to_path_buf()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stat = fs::symlink_metadata(&path).unwrap();
            if stat.is_dir() {
                left.push(path);
            } else if stat.is_file() && stat.len() > 0 {
                return path;
            }
        }
    }
    unreachable!("the tree has files")
}
