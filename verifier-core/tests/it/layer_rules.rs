//! Each rule of containerd's apply, against what the containerds of all generations make.

use crate::layer_common::{Snapshotter, Unpacker, compare_at, complaints, is_refused};
use testdata::bed::{self, Compression, FsKind, LoopFs};
use testdata::layers;

fn every_rule(snapshotter: Snapshotter, kind: Option<FsKind>) {
    let bed = bed::gate();
    for generation in bed.generations() {
        let here = tempfile::tempdir().unwrap();
        let fs = kind.map(|kind| LoopFs::new(kind, 1 << 30));
        let root = fs.as_ref().map_or(here.path(), LoopFs::path).join("root");
        let mut unpacker = Unpacker::start(&bed, generation, &root, snapshotter);
        let mut wrong = Vec::new();
        let compressions = [Compression::Gzip, Compression::Zstd, Compression::None];
        let mut images = layers::images();
        images.retain(|image| snapshotter == Snapshotter::Overlayfs || !image.overlay_only);
        for (image, compression) in images.iter().zip(compressions.iter().cycle()) {
            let trees = unpacker.import(*compression, &image.layers);
            if let Err(why) = trees.and_then(|trees| complaints(snapshotter, &trees, &image.layers)) {
                wrong.push(format!("{}: {why}", image.name));
            }
        }
        assert!(wrong.is_empty(), "{generation} {}\n{}", snapshotter.name(), wrong.join("\n"));
    }
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn overlayfs() {
    every_rule(Snapshotter::Overlayfs, None);
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn native() {
    every_rule(Snapshotter::Native, None);
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn overlayfs_on_xfs() {
    every_rule(Snapshotter::Overlayfs, Some(FsKind::Xfs));
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn btrfs() {
    every_rule(Snapshotter::Btrfs, Some(FsKind::Btrfs));
}

/// What containerd refuses has no snapshot; the library says so too, and takes it for no damage of a tree.
#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn what_containerd_refuses() {
    let bed = bed::gate();
    for generation in bed.generations() {
        let root = tempfile::tempdir().unwrap();
        let mut unpacker = Unpacker::start(&bed, generation, root.path(), Snapshotter::Overlayfs);
        let mut empty = unpacker.import(Compression::None, &[vec![0; 1024]]).unwrap();
        empty.push(root.path().to_path_buf());
        for (name, tar) in layers::refused() {
            // The second of two layers, where whiteouts become devices.
            let stack = [vec![0; 1024], tar];
            let output = unpacker.try_import(Compression::Gzip, &stack);
            assert!(!output.status.success(), "containerd {generation} takes it: {name}");
            let error = compare_at(Snapshotter::Overlayfs, &empty, &stack, 1);
            assert!(is_refused(&error), "{name}: {error:?}");
        }
    }
}
