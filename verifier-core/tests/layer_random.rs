//! Random layers, unpacked by real containerds: the library must expect exactly the trees that they make.
//!
//! A few seeds by default; `FSCK_LAYER_SEEDS=100` for more, `FSCK_LAYER_SEED=7` for a certain one.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod layer_common;

use std::collections::BTreeSet;

use layer_common::{Snapshotter, Unpacker, compare_at, complaints, is_refused};
use testdata::bed::{self, Bed, Compression, FsKind, Generation, LoopFs};
use testdata::layers::{Candidates, Entry, Layer};
use verifier_core::layer::tar::{Header, Reader};
use verifier_core::layer::tree::{Lookup, Names, NodeId, Rules, Trail, Tree, root_path};

fn seeds(default: u64) -> Vec<u64> {
    let number = |name| std::env::var(name).ok().map(|text: String| text.parse().unwrap());
    match (number("FSCK_LAYER_SEED"), number("FSCK_LAYER_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, count) => (0..count.unwrap_or(default)).collect(),
    }
}

fn header(entry: &Entry) -> Header {
    let bytes = Layer::of(std::slice::from_ref(entry));
    let mut header = Header::default();
    assert!(Reader::new(bytes.as_slice()).next(&mut header).unwrap());
    header
}

/// The folders of a tree that no entry made.
fn implied(tree: &Tree) -> Vec<Vec<u8>> {
    let (mut found, mut folders) = (Vec::new(), vec![NodeId::ROOT]);
    while let Some(folder) = folders.pop() {
        for node in tree.names_in(folder) {
            folders.push(node);
            if tree.inode(node).unwrap().1.inherits().attributes {
                found.push(tree.path(node));
            }
        }
    }
    found
}

/// Whether containerd can look up a parent that no entry made in the layers below: it fails where one of them has a
/// file on the way.
fn can_be_looked_up(path: &[u8], lowers: &[Tree]) -> bool {
    for lower in lowers.iter().rev() {
        let Ok(resolved) = root_path(lower, path) else { return false };
        match lower.lookup(&resolved, &mut Trail::default()) {
            Lookup::Missing => {}
            Lookup::NotFolder | Lookup::Loop => return false,
            Lookup::Other | Lookup::Link(_) => return true,
        }
    }
    true
}

/// A stack of random layers that containerd should take, and for each an entry more that it should not.
struct Stack {
    layers: Vec<Vec<u8>>,
    refused: Vec<Vec<u8>>,
}

fn stack(seed: u64, layers: usize, entries: usize, snapshotter: Snapshotter) -> Stack {
    let mut candidates = Candidates::new(seed);
    let mut made = Stack { layers: Vec::new(), refused: Vec::new() };
    let mut lowers: Vec<Tree> = Vec::new();
    let whole = snapshotter != Snapshotter::Overlayfs;
    for at in 0..layers {
        let rules = Rules { overlay: !whole && at > 0, user_namespace: false };
        let mut tree = match lowers.last() {
            Some(below) if whole => {
                let mut tree = below.clone();
                tree.next_layer(snapshotter == Snapshotter::Native);
                tree
            }
            _ => Tree::new(rules, 1_000_000, 1 << 30),
        };
        let (mut taken, mut refused, mut looked_up) = (Vec::new(), None, BTreeSet::new());
        while taken.len() < entries {
            let entry = candidates.entry();
            let mut next = tree.clone();
            if next.apply(&header(&entry)).is_err() {
                refused = Some([taken.as_slice(), &[entry]].concat());
            } else if next.clone().finish_layer().is_ok() {
                let mut new = implied(&next);
                new.retain(|path| !whole && !looked_up.contains(path));
                if new.iter().all(|path| can_be_looked_up(path, &lowers)) {
                    looked_up.extend(new);
                    tree = next;
                    taken.push(entry);
                }
            }
        }
        tree.finish_layer().unwrap();
        lowers.push(tree);
        made.layers.push(Layer::of(&taken));
        made.refused.extend(refused.map(|entries| Layer::of(&entries)));
    }
    made
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
    let Some(bed) = bed::gate() else { return };
    let stacks: Vec<(u64, Stack)> =
        seeds(default_seeds).into_iter().map(|seed| (seed, stack(seed, layers, 30, snapshotter))).collect();
    for generation in bed.generations() {
        random(&bed, generation, snapshotter, fs, &stacks);
    }
}

#[test]
fn overlayfs() {
    on_each(Snapshotter::Overlayfs, None, 3, 40);
}

#[test]
fn native() {
    on_each(Snapshotter::Native, None, 5, 6);
}

#[test]
fn btrfs() {
    on_each(Snapshotter::Btrfs, Some(FsKind::Btrfs), 5, 6);
}

/// What the library calls impossible, containerd refuses.
#[test]
fn what_is_refused() {
    let Some(bed) = bed::gate() else { return };
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
