//! The fault that this project exists for, healed: after a power cut every damaged snapshot is restored from the blobs that
//! are there, containerd starts, and the image runs, with nothing pulled.

use std::time::Instant;

use crate::restore_common::{look, restore_all};
use testdata::bed::{self, Bed, Containerd, FsKind, Generation, LoopFs, Registry};
use verifier_core::finding::Code;
use verifier_core::finding::Depth;

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_power_cut_is_healed_without_a_pull() {
    let bed = bed::gate();
    let generations = bed.generations();
    for (kind, generation) in [FsKind::Ext4, FsKind::Xfs].into_iter().zip(ends(&generations)) {
        heal(&bed, kind, generation);
    }
}

/// The oldest and the newest.
fn ends(generations: &[Generation]) -> [Generation; 2] {
    [0, generations.len() - 1].map(|at| generations[at])
}

fn heal(bed: &Bed, kind: FsKind, generation: Generation) {
    let registry = Registry::start(bed);
    registry.push(&bed.image("base"), "base:t");
    let image = registry.reference("base:t");
    let live = LoopFs::new(kind, 3 << 30);
    let mut containerd = Containerd::start(bed, generation, &live.path().join("root"));
    live.sync();
    containerd.pull(&image);
    let cut = live.cut_image();
    containerd.stop();
    drop(live);
    let fs = cut.mount();
    let root = fs.path().join("root");
    let damaged = look(&root, Depth::Full).findings;
    let differing: u64 = damaged
        .iter()
        .map(|finding| match &finding.kind {
            verifier_core::finding::FindingKind::SnapshotDiffers(damage) => damage.paths,
            _ => 0,
        })
        .sum();
    assert!(damaged.iter().all(|finding| finding.code() == Code::SnapshotDiffers), "{damaged:?}");
    assert!(differing > 1000, "the cut came too late: only {differing} paths differ");

    let start = Instant::now();
    let (_, outcomes) = restore_all(&root);
    let files: u64 =
        outcomes.iter().map(|(_, outcome)| outcome.as_ref().map_or(0, |restored| restored.files)).sum();
    eprintln!("{kind} containerd {generation}: {files} files in {:.2?}", start.elapsed());
    for (task, outcome) in &outcomes {
        assert!(outcome.is_ok(), "{}: {outcome:?}", task.tree.display());
    }
    // Nothing of it is in the page cache only.
    let fs = fs.remount();
    let root = fs.path().join("root");
    for depth in [Depth::Full, Depth::Quick] {
        assert_eq!(look(&root, depth).findings, [], "{kind} {depth:?}");
    }
    let before = registry.blob_pulls();
    let containerd = Containerd::start(bed, generation, &root);
    containerd.pull(&image);
    let said = containerd.run_with(&["--rm"], &image, "once", &["/bin/sh", "-c", "echo $((6 * 7))"]);
    assert_eq!(said.trim(), "42");
    assert_eq!(registry.blob_pulls(), before, "{kind}: blobs were pulled");
}
