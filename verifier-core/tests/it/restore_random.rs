//! Damage at random to what real containerds unpacked of every rule, and of random layers: the trees come back just as they
//! were, by an oracle that knows nothing of layers.
//!
//! `FSCK_LAYER_SEED=7` for a certain seed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::layer_common::stacks::stack;
use crate::layer_common::{Snapshotter, Unpacker};
use crate::restore_common::mutate::{Numbers, mutate};
use crate::restore_common::{Facts, heal, is_clock, picture, tasks, unlike};
use testdata::bed::{self, Compression, FsKind, LoopFs};
use testdata::layers;

struct Image {
    name: String,
    layers: Vec<Vec<u8>>,
}

fn rules(snapshotter: Snapshotter) -> Vec<Image> {
    let mut images = layers::images();
    images.retain(|image| snapshotter == Snapshotter::Overlayfs || !image.overlay_only);
    images.into_iter().map(|image| Image { name: image.name.to_string(), layers: image.layers }).collect()
}

fn random(snapshotter: Snapshotter, seeds: u64) -> Vec<Image> {
    let image = |seed| Image { name: format!("seed {seed}"), layers: stack(seed, 6, 30, snapshotter).layers };
    (0..seeds).map(image).collect()
}

fn damage_and_heal(snapshotter: Snapshotter, fs: FsKind, images: &[Image], generation: usize) {
    let bed = bed::gate();
    let generations = bed.generations();
    let fs = LoopFs::new(fs, 2 << 30);
    let root = fs.path().join("root");
    let mut unpacker = Unpacker::start(&bed, generations[generation % generations.len()], &root, snapshotter);
    let seed = std::env::var("FSCK_LAYER_SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut numbers = Numbers::new(seed);
    let mut wrong = Vec::new();
    for image in images {
        let Ok(trees) = unpacker.import(Compression::Zstd, &image.layers) else { continue };
        if let Err(why) = heal_one(&root, &trees, &mut numbers) {
            wrong.push(format!("{}: {why}", image.name));
        }
    }
    assert!(wrong.is_empty(), "seed {seed}:\n{}", wrong.join("\n\n"));
}

fn heal_one(root: &Path, trees: &[PathBuf], numbers: &mut Numbers) -> Result<(), String> {
    let mut tasks = tasks(root);
    tasks.retain(|task| trees.contains(&root.join(&task.tree)));
    assert_eq!(tasks.len(), trees.len());
    let before: Vec<_> = trees.iter().map(|tree| of_layer(tree)).collect();
    for _ in 0..3 {
        let mut done = Vec::new();
        for tree in trees {
            let count = 1 + numbers.below(8);
            done.extend((0..count).filter_map(|_| mutate(tree, numbers)));
        }
        let what = format!("{} {done:?}", trees[0].display());
        heal(root, &tasks, &what);
        for (tree, before) in trees.iter().zip(&before) {
            let unlike = unlike(before, &of_layer(tree), &|path| is_clock(before, path));
            if !unlike.is_empty() {
                return Err(format!("{what}\n{}: {}", tree.display(), unlike.join("\n")));
            }
        }
    }
    Ok(())
}

/// A tree without the host's labels: what is made anew has those of now.
fn of_layer(tree: &Path) -> BTreeMap<PathBuf, Facts> {
    let mut picture = picture(tree);
    picture.values_mut().for_each(|facts| drop(facts.xattrs.remove(b"security.selinux".as_slice())));
    picture
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn every_rule_on_ext4() {
    damage_and_heal(Snapshotter::Overlayfs, FsKind::Ext4, &rules(Snapshotter::Overlayfs), 2);
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn every_rule_on_xfs() {
    damage_and_heal(Snapshotter::Overlayfs, FsKind::Xfs, &rules(Snapshotter::Overlayfs), 0);
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn every_rule_of_native() {
    damage_and_heal(Snapshotter::Native, FsKind::Ext4, &rules(Snapshotter::Native), 1);
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn random_layers() {
    damage_and_heal(Snapshotter::Overlayfs, FsKind::Ext4, &random(Snapshotter::Overlayfs, 4), 1);
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn random_layers_of_native() {
    damage_and_heal(Snapshotter::Native, FsKind::Ext4, &random(Snapshotter::Native, 3), 2);
}
