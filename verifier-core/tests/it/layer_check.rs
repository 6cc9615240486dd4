//! The whole check on stores full of odd layers: healthy ones have no finding, whatever the depth.

use std::path::Path;

use crate::layer_common::{Snapshotter, Unpacker};
use testdata::bed::{self, Compression, FsKind, LoopFs};
use testdata::layers;
use verifier_core::Interrupt;
use verifier_core::event::Unobserved;
use verifier_core::finding::Depth;
use verifier_core::finding::Severity;
use verifier_core::{CheckOptions, Store, check};

/// What a check says against a store. That the collector was not done when containerd was stopped is a note.
fn findings(root: &Path, depth: Depth) -> Vec<String> {
    let store = Store::open(root).unwrap();
    let options = CheckOptions::default().depth(depth);
    let report = check(&store, &options, &Unobserved, &Interrupt::default()).unwrap();
    let snapshots = report.coverage.snapshots;
    assert!(snapshots.checked > 40, "{snapshots:?}");
    let found = report.findings.iter().filter(|finding| finding.severity() > Severity::Info);
    let found = found.map(|finding| serde_json::to_string(finding).unwrap());
    let left_out = report.coverage.unverified.iter().map(|left| format!("left out: {left:?}"));
    found.chain(left_out).collect()
}

fn healthy(snapshotter: Snapshotter, kind: FsKind) {
    let bed = bed::gate();
    for generation in bed.generations() {
        let fs = LoopFs::new(kind, 1 << 30);
        let root = fs.path().join("root");
        let mut unpacker = Unpacker::start(&bed, generation, &root, snapshotter);
        for image in layers::images() {
            if !image.overlay_only || snapshotter == Snapshotter::Overlayfs {
                unpacker.import(Compression::Gzip, &image.layers).unwrap();
            }
        }
        let what = format!("{generation} {} on {}", snapshotter.name(), kind.name());
        for depth in [Depth::Quick, Depth::Full] {
            assert_eq!(findings(&root, depth), Vec::<String>::new(), "{what}, live, {depth:?}");
        }
        unpacker.containerd.stop();
        fs.sync();
        for depth in [Depth::Quick, Depth::Full] {
            assert_eq!(findings(&root, depth), Vec::<String>::new(), "{what}, stopped, {depth:?}");
        }
    }
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn overlayfs_on_ext4() {
    healthy(Snapshotter::Overlayfs, FsKind::Ext4);
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn native_on_xfs() {
    healthy(Snapshotter::Native, FsKind::Xfs);
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn btrfs() {
    healthy(Snapshotter::Btrfs, FsKind::Btrfs);
}
