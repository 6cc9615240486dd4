//! Each way in which a tree can differ, done to a tree that a real containerd unpacked: it causes exactly that difference.

use std::time::Duration;

use crate::layer_common::damages::{DAMAGES, stack};
use crate::layer_common::{Snapshotter, Unpacker, compare_at, complaints, found};
use testdata::bed::{self, Compression};

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn each_damage_is_one_difference() {
    let bed = bed::gate();
    let generation = *bed.generations().last().unwrap();
    let layers = stack();
    for (name, damage, expected) in DAMAGES {
        let root = tempfile::tempdir().unwrap();
        let mut unpacker = Unpacker::start(&bed, generation, root.path(), Snapshotter::Overlayfs);
        let trees = unpacker.import(Compression::Gzip, &layers).unwrap();
        complaints(Snapshotter::Overlayfs, &trees, &layers).unwrap();
        damage(&trees[1]);
        let report = compare_at(Snapshotter::Overlayfs, &trees, &layers, 1).unwrap();
        let mut seen = found(&report);
        if expected.first().is_some_and(|(path, _)| *path == "*") {
            seen.iter_mut().for_each(|(path, _)| "*".clone_into(path));
        }
        let expected: Vec<(String, &str)> =
            expected.iter().map(|(path, kind)| ((*path).to_owned(), *kind)).collect();
        assert_eq!(seen, expected, "{name}: {:#?}", report.differences);
        assert!(
            compare_at(Snapshotter::Overlayfs, &trees, &layers, 0).unwrap().is_same(),
            "{name}: the base"
        );
    }
}

/// A file system that is mounted over a file or a folder of a tree hides it: a gap, no damage, and nothing of it is read.
#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn what_is_mounted_over_is_a_gap() {
    let bed = bed::gate();
    let root = tempfile::tempdir().unwrap();
    let layers = stack();
    let mut unpacker =
        Unpacker::start(&bed, *bed.generations().last().unwrap(), root.path(), Snapshotter::Overlayfs);
    let trees = unpacker.import(Compression::Gzip, &layers).unwrap();
    let mount = trees[1].join("sub");
    let mounted = bed::LoopFs::new(bed::FsKind::Ext4, 64 << 20);
    bed::succeed(
        std::process::Command::new("mount").arg("--bind").arg(mounted.path()).arg(&mount),
        Duration::from_secs(9),
    );
    let report = compare_at(Snapshotter::Overlayfs, &trees, &layers, 1);
    bed::succeed(std::process::Command::new("umount").arg(&mount), Duration::from_secs(9));
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    assert!(report.is_same(), "{:?}", report.differences);
    assert!(report.unread.is_some());
}
