//! What a real containerd leaves on disk without a record: notes, and none while it may still be at work on it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use testdata::bed::{self, Containerd, Registry};
use verifier_core::Interrupt;
use verifier_core::event::Unobserved;
use verifier_core::finding::Depth;
use verifier_core::finding::{Code, Severity};
use verifier_core::report::{Outcome, Report};
use verifier_core::scan::Mode;
use verifier_core::{CheckOptions, Store, check};

const SNAPSHOTTER: &str = "io.containerd.snapshotter.v1.overlayfs";

fn look(root: &Path) -> Report {
    let options = CheckOptions::default().depth(Depth::Quick).threads(1);
    check(&Store::open(root).unwrap(), &options, &Unobserved, &Interrupt::default()).unwrap()
}

/// Makes what is at `path` as old as if nothing had been written there for that long.
fn age(path: &Path, seconds: u64) {
    let time = SystemTime::now() - Duration::from_secs(seconds);
    std::fs::File::open(path).unwrap().set_modified(time).unwrap();
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_folder_without_a_row_is_told_once_containerd_is_done_with_it() {
    let bed = bed::gate();
    let registry = Registry::start(&bed);
    registry.push(&bed.image("small"), "small:t");
    for generation in bed.generations() {
        let home = tempfile::tempdir().unwrap();
        let mut containerd = Containerd::start(&bed, generation, home.path());
        let snapshotter = containerd.root().join(SNAPSHOTTER);
        let folders = || {
            let report = look(containerd.root());
            let found = report.findings.iter().filter(|it| it.code() == Code::SnapshotFolderUnreferenced);
            assert_eq!((report.outcome(true), report.mode), (Outcome::Clean, Mode::Live), "{generation}");
            found.count()
        };
        containerd.pull(&registry.reference("small:t"));
        assert_eq!(folders(), 0, "{generation}: healthy");
        // A number that was given out and is free again: one beyond would say that the database is older than the folders.
        containerd.ctr(&["snapshots", "prepare", "brief"]);
        let numbers = std::fs::read_dir(snapshotter.join("snapshots")).unwrap();
        let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse::<u64>().ok();
        let last = numbers.filter_map(|entry| number(entry.unwrap())).max().unwrap();
        containerd.ctr(&["snapshots", "rm", "brief"]);
        containerd.ctr(&["leases", "create", "--id", "collect"]);
        containerd.ctr(&["leases", "delete", "--sync", "collect"]);
        let folder = snapshotter.join("snapshots").join(last.to_string());
        assert!(!folder.exists(), "{generation}: {last}");
        std::fs::create_dir_all(folder.join("fs")).unwrap();
        assert_eq!(folders(), 0, "{generation}: young");
        // Old folders alone: the database says that something was done a moment ago.
        age(&snapshotter.join("snapshots"), 3600);
        assert_eq!(folders(), 0, "{generation}: young database");
        age(&snapshotter.join("metadata.db"), 3600);
        assert_eq!(folders(), 1, "{generation}: old");
        age(&snapshotter.join("snapshots"), 1);
        assert_eq!(folders(), 0, "{generation}: young again");
        // Nobody is at work on a store that is stopped.
        let root = containerd.root().to_path_buf();
        containerd.stop();
        let report = look(&root);
        assert_eq!(report.mode, Mode::Stopped);
        assert_eq!(report.count(Code::SnapshotFolderUnreferenced), 1, "{generation}: {:?}", report.findings);
        assert_eq!(report.outcome(true), Outcome::Clean, "{generation}: it costs space only");
    }
}

/// containerd removes records first, and the rest when it next collects.
#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_containerd_that_ends_right_after_a_removal_leaves_no_damage() {
    let bed = bed::gate();
    let registry = Registry::start(&bed);
    for image in ["small", "small-b"] {
        registry.push(&bed.image(image), &format!("{image}:t"));
    }
    let names = ["small", "small-b"].map(|image| registry.reference(&format!("{image}:t")));
    for generation in bed.generations() {
        let mut notes: BTreeMap<&str, usize> = BTreeMap::new();
        for (delay_ms, killed) in [(0, false), (0, true), (50, true), (150, true), (300, true), (600, true)] {
            let home = tempfile::tempdir().unwrap();
            let mut containerd = Containerd::start(&bed, generation, home.path());
            names.iter().for_each(|name| containerd.pull(name));
            containerd.ctr(&["images", "rm", &names[0], &names[1]]);
            std::thread::sleep(Duration::from_millis(delay_ms));
            let root = containerd.root().to_path_buf();
            if killed {
                containerd.kill();
            } else {
                containerd.stop();
            }
            let report = look(&root);
            let bad: Vec<_> =
                report.findings.iter().filter(|finding| finding.severity() >= Severity::Warning).collect();
            assert!(bad.is_empty(), "{generation}, {delay_ms} ms, killed: {killed}: {bad:#?}");
            for finding in &report.findings {
                *notes.entry(finding.code().as_str()).or_default() += 1;
            }
            // And its next collection leaves nothing of it.
            let mut containerd = Containerd::start(&bed, generation, &root);
            containerd.pull(&names[0]);
            containerd.ctr(&["images", "rm", "--sync", &names[0]]);
            containerd.stop();
            let left = look(&root);
            let unreferenced = |code| left.count(code);
            assert_eq!(unreferenced(Code::BlobUnreferenced), 0, "{generation}: {:?}", left.findings);
            assert_eq!(
                unreferenced(Code::SnapshotFolderUnreferenced),
                0,
                "{generation}: {:?}",
                left.findings
            );
        }
        eprintln!("{generation}: notes {notes:?}");
    }
}
