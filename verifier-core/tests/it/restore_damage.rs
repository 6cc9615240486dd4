//! Each way in which a tree can differ, done to trees that real containerds unpacked, restored, undone, and restored again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::layer_common::{
    self,
    damages::{DAMAGES, stack},
};
use crate::layer_common::{Snapshotter, Unpacker};
use crate::restore_common::{Facts, is_clock, picture, restore_all, undo_run, unlike};
use testdata::bed::{self, Compression, FsKind, LoopFs};

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn each_damage_is_healed_and_undone() {
    let bed = bed::gate();
    for generation in bed.generations() {
        let root = tempfile::tempdir().unwrap();
        let mut unpacker = Unpacker::start(&bed, generation, root.path(), Snapshotter::Overlayfs);
        let trees = unpacker.import(Compression::Gzip, &stack()).unwrap();
        unpacker.containerd.stop();
        heal_and_undo(root.path(), &trees);
    }
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn on_xfs() {
    let bed = bed::gate();
    let fs = LoopFs::new(FsKind::Xfs, 1 << 30);
    let root = fs.path().join("root");
    let newest = *bed.generations().last().unwrap();
    let mut unpacker = Unpacker::start(&bed, newest, &root, Snapshotter::Overlayfs);
    let trees = unpacker.import(Compression::Gzip, &stack()).unwrap();
    unpacker.containerd.stop();
    heal_and_undo(&root, &trees);
}

fn heal_and_undo(root: &Path, trees: &[PathBuf]) {
    let look = || trees.iter().map(|tree| picture(tree)).collect::<Vec<_>>();
    let before = look();
    for (name, damage, differences) in DAMAGES {
        damage(&trees[1]);
        let damaged = look();
        let run = heal(root, name);
        if differences.is_empty() {
            compare(name, &damaged, &look());
            let _ = rustix::fs::removexattr(trees[1].join("d/file"), "security.ima");
            continue;
        }
        compare(name, &before, &look());
        undo_run(root, &run);
        for (before, after) in damaged.iter().zip(look()) {
            let unlike = unlike(before, &after, &|_| false);
            assert!(unlike.is_empty(), "{name}, undone:\n{}", unlike.join("\n"));
        }
        heal(root, name);
        compare(name, &before, &look());
        // The next one begins with times that are as they were.
        if let Some(top) = before[1].get(Path::new("")) {
            layer_common::damages::set_time(&trees[1], top.mtime);
        }
    }
}

fn heal(root: &Path, name: &str) -> String {
    let (run, outcomes) = restore_all(root);
    for (task, outcome) in &outcomes {
        assert!(outcome.is_ok(), "{name}: {}: {outcome:?}", task.tree.display());
    }
    run
}

fn compare(name: &str, before: &[BTreeMap<PathBuf, Facts>], after: &[BTreeMap<PathBuf, Facts>]) {
    for (before, after) in before.iter().zip(after) {
        let unlike = unlike(before, after, &|path| is_clock(before, path));
        assert!(unlike.is_empty(), "{name}:\n{}", unlike.join("\n"));
    }
}
