//! Random layers, unpacked by real containerds: the library must expect exactly the trees that they make.
//!
//! A few seeds by default; `FSCK_LAYER_SEEDS=100` for more, `FSCK_LAYER_SEED=7` for a certain one.

use crate::layer_common::stacks::{Stack, stack};
use crate::layer_common::{Snapshotter, Unpacker, compare_at, complaints, is_refused};
use testdata::bed::{self, Bed, Compression, FsKind, Generation, LoopFs};

fn seeds(default: u64) -> Vec<u64> {
    let number = |name| std::env::var(name).ok().map(|text: String| text.parse().unwrap());
    match (number("FSCK_LAYER_SEED"), number("FSCK_LAYER_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, count) => (0..count.unwrap_or(default)).collect(),
    }
}

fn random(
    bed: &Bed,
    generation: Generation,
    snapshotter: Snapshotter,
    fs: Option<FsKind>,
    stacks: &[(u64, Stack)],
) {
    let here = tempfile::tempdir().unwrap();
    let fs = fs.map(|kind| LoopFs::new(kind, 2 << 30));
    let root = fs.as_ref().map_or(here.path(), LoopFs::path).join("root");
    let mut unpacker = Unpacker::start(bed, generation, &root, snapshotter);
    let mut wrong = Vec::new();
    for (seed, stack) in stacks {
        let trees = unpacker.import(Compression::Gzip, &stack.layers);
        if let Err(why) = trees.and_then(|trees| complaints(snapshotter, &trees, &stack.layers)) {
            wrong.push(format!("seed {seed}: {why}"));
        }
    }
    assert!(wrong.is_empty(), "{generation} {}\n{}", snapshotter.name(), wrong.join("\n"));
}

fn on_each(snapshotter: Snapshotter, fs: Option<FsKind>, default_seeds: u64, layers: usize) {
    let bed = bed::gate();
    let stacks: Vec<(u64, Stack)> =
        seeds(default_seeds).into_iter().map(|seed| (seed, stack(seed, layers, 30, snapshotter))).collect();
    for generation in bed.generations() {
        random(&bed, generation, snapshotter, fs, &stacks);
    }
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn overlayfs() {
    on_each(Snapshotter::Overlayfs, None, 3, 40);
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn native() {
    on_each(Snapshotter::Native, None, 5, 6);
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn btrfs() {
    on_each(Snapshotter::Btrfs, Some(FsKind::Btrfs), 5, 6);
}

/// What the library calls impossible, containerd refuses.
#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn what_is_refused() {
    let bed = bed::gate();
    for generation in bed.generations() {
        let root = tempfile::tempdir().unwrap();
        let mut unpacker = Unpacker::start(&bed, generation, root.path(), Snapshotter::Overlayfs);
        let here = vec![root.path().to_path_buf()];
        for seed in seeds(2) {
            for (at, layer) in stack(1000 + seed, 10, 20, Snapshotter::Native).refused.into_iter().enumerate()
            {
                // As a first layer, applied naively to nothing.
                let stack = [layer];
                let expected = compare_at(Snapshotter::Overlayfs, &here, &stack, 0);
                let refused = is_refused(&expected);
                let output = unpacker.try_import(Compression::None, &stack);
                assert_eq!(
                    !output.status.success(),
                    refused,
                    "{generation}, seed {seed}, layer {at}: {expected:?}"
                );
            }
        }
    }
}
