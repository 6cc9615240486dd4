//! Snapshots whose folders are missing are made as a whole: just what containerd made, and it works with them.

use std::path::{Path, PathBuf};

use crate::layer_common::damages::stack;
use crate::layer_common::{Snapshotter, Unpacker};
use crate::restore_common::{heal, is_clock, look, picture, restore_all, tasks, undo_run, unlike};
use testdata::bed::{self, Compression, Containerd};
use verifier_core::finding::Depth;

/// The folder that holds a snapshot.
fn folder(snapshotter: Snapshotter, tree: &Path) -> PathBuf {
    if snapshotter == Snapshotter::Overlayfs { tree.parent().unwrap().into() } else { tree.into() }
}

fn missing(snapshotter: Snapshotter) {
    let bed = bed::gate();
    for generation in bed.generations() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let mut unpacker = Unpacker::start(&bed, generation, root, snapshotter);
        let trees = unpacker.import(Compression::Gzip, &stack()).unwrap();
        unpacker.containerd.stop();
        let snapshots = trees[0].ancestors().find(|path| path.ends_with("snapshots")).unwrap();
        let before = picture(snapshots);
        for which in [&trees[..1], &trees[1..], &trees[..]] {
            for tree in which {
                std::fs::remove_dir_all(folder(snapshotter, tree)).unwrap();
            }
            let run = heal(root, &tasks(root), "missing");
            let unlike = unlike(&before, &picture(snapshots), &|path| is_clock(&before, path));
            assert!(unlike.is_empty(), "{generation} {which:?}\n{}", unlike.join("\n"));
            assert_eq!(look(root, Depth::Full).findings, []);
            assert_eq!(look(root, Depth::Quick).findings, []);
            undo_run(root, &run);
            assert!(which.iter().all(|tree| !folder(snapshotter, tree).exists()), "{which:?}");
            heal(root, &tasks(root), "missing, undone and made again");
        }
    }
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn overlayfs() {
    missing(Snapshotter::Overlayfs);
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn native() {
    missing(Snapshotter::Native);
}

/// Only `fs` is missing, or something else has its name, or the folder's.
#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn parts_of_a_folder() {
    let bed = bed::gate();
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let newest = *bed.generations().last().unwrap();
    let mut unpacker = Unpacker::start(&bed, newest, root, Snapshotter::Overlayfs);
    let trees = unpacker.import(Compression::Gzip, &stack()).unwrap();
    unpacker.containerd.stop();
    let snapshots = trees[0].ancestors().find(|path| path.ends_with("snapshots")).unwrap();
    let before = picture(snapshots);
    let (tree, id) = (&trees[1], trees[1].parent().unwrap());
    let damages: [(&str, &dyn Fn()); 4] = [
        ("fs missing", &|| std::fs::remove_dir_all(tree).unwrap()),
        ("fs is a file", &|| {
            std::fs::remove_dir_all(tree).unwrap();
            std::fs::write(tree, "file").unwrap();
        }),
        ("fs is a link out", &|| {
            std::fs::remove_dir_all(tree).unwrap();
            std::os::unix::fs::symlink("/", tree).unwrap();
        }),
        ("the folder is a file", &|| {
            std::fs::remove_dir_all(id).unwrap();
            std::fs::write(id, "file").unwrap();
        }),
    ];
    for (what, damage) in damages {
        damage();
        heal(root, &tasks(root), what);
        let unlike = unlike(&before, &picture(snapshots), &|path| is_clock(&before, path));
        assert!(unlike.is_empty(), "{what}\n{}", unlike.join("\n"));
        assert_eq!(look(root, Depth::Full).findings, [], "{what}");
    }
}

/// A container runs on an image all of whose snapshots were gone.
#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_container_runs_on_them() {
    let bed = bed::gate();
    for generation in bed.generations() {
        let root = tempfile::tempdir().unwrap();
        let mut containerd = Containerd::start(&bed, generation, root.path());
        containerd.import(&bed.image("small"), "small");
        containerd.stop();
        let snapshots = root.path().join("io.containerd.snapshotter.v1.overlayfs/snapshots");
        std::fs::remove_dir_all(&snapshots).unwrap();
        std::fs::create_dir(&snapshots).unwrap();
        let (_, outcomes) = restore_all(root.path());
        assert!(!outcomes.is_empty());
        for (task, outcome) in outcomes {
            assert!(outcome.as_ref().is_ok_and(|restored| restored.whole), "{:?}: {outcome:?}", task.tree);
        }
        let containerd = Containerd::start(&bed, generation, root.path());
        let said = containerd.run_with(&["--rm"], "small:latest", "once", &["/bin/sh", "-c", "echo works"]);
        assert_eq!(said.trim(), "works");
    }
}
