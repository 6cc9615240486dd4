//! Layers, unpacked by real containerds, and compared.

pub(crate) mod damages;
pub(crate) mod stacks;

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use testdata::bed::{self, Bed, Compression, Containerd, Generation};
use verifier_core::Interrupt;
use verifier_core::compare::{
    CompareOptions, LayerBlob, LayerComparison, LayerError, StoppedEarly, TreeReport, compare_layer,
    read_folders,
};
use verifier_core::digest::Algorithm;
use verifier_core::io::{Folder, Gate};
use verifier_core::layer::Flavour;
use verifier_core::layer::tree::Folders;

/// A snapshotter that the tests unpack with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Snapshotter {
    Overlayfs,
    Native,
    Btrfs,
}

impl Snapshotter {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Snapshotter::Overlayfs => "overlayfs",
            Snapshotter::Native => "native",
            Snapshotter::Btrfs => "btrfs",
        }
    }

    fn snapshots(self, root: &Path) -> PathBuf {
        root.join(format!("io.containerd.snapshotter.v1.{}", self.name())).join("snapshots")
    }

    /// Where a snapshot's tree is.
    pub(crate) fn tree(self, root: &Path, id: u64) -> PathBuf {
        let folder = self.snapshots(root).join(id.to_string());
        if self == Snapshotter::Overlayfs { folder.join("fs") } else { folder }
    }

    pub(crate) fn ids(self, root: &Path) -> BTreeSet<u64> {
        let Ok(entries) = std::fs::read_dir(self.snapshots(root)) else { return BTreeSet::new() };
        entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok()).collect()
    }
}

/// A root with a containerd on it, and how many images went into it.
pub(crate) struct Unpacker {
    pub(crate) containerd: Containerd,
    pub(crate) snapshotter: Snapshotter,
    scratch: tempfile::TempDir,
    images: u32,
}

impl Unpacker {
    pub(crate) fn start(
        bed: &Bed,
        generation: Generation,
        root: &Path,
        snapshotter: Snapshotter,
    ) -> Unpacker {
        let containerd = Containerd::start(bed, generation, root);
        Unpacker { containerd, snapshotter, scratch: tempfile::tempdir().unwrap(), images: 0 }
    }

    /// Imports an image of these tars; each is in a namespace of its own, so that nothing is shared.
    pub(crate) fn try_import(&mut self, compression: Compression, layers: &[Vec<u8>]) -> Output {
        self.images += 1;
        let layout = self.scratch.path().join(format!("layout-{}", self.images));
        let layers: Vec<_> = layers.iter().map(|layer| (compression, layer.as_slice())).collect();
        bed::write_layout(&layout, &layers);
        let archive = layout.with_extension("tar");
        let mut tar = std::process::Command::new("tar");
        bed::succeed(
            tar.arg("-C").arg(&layout).arg("-cf").arg(&archive).arg("."),
            std::time::Duration::from_secs(60),
        );
        let (namespace, name) = (format!("n{}", self.images), self.snapshotter.name());
        let archive = archive.to_string_lossy().into_owned();
        let mut args = vec!["-n", &namespace, "images", "import", "--snapshotter", name, "--base-name", "x"];
        if self.containerd.generation() == Generation::V2_1 && self.snapshotter != Snapshotter::Overlayfs {
            // The transfer service unpacks into the default snapshotter only.
            args.push("--local");
        }
        args.push(&archive);
        let output = self.containerd.try_ctr(&args);
        std::fs::remove_dir_all(&layout).unwrap();
        std::fs::remove_file(&archive).unwrap();
        output
    }

    /// The same: the trees, the lowest layer's first, or what containerd says.
    pub(crate) fn import(
        &mut self,
        compression: Compression,
        layers: &[Vec<u8>],
    ) -> Result<Vec<PathBuf>, String> {
        let root = self.containerd.root().to_path_buf();
        let before = self.snapshotter.ids(&root);
        let output = self.try_import(compression, layers);
        if !output.status.success() {
            return Err(format!("containerd refuses it: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let new: Vec<u64> = self.snapshotter.ids(&root).difference(&before).copied().collect();
        assert_eq!(new.len(), layers.len(), "a snapshot for each layer");
        Ok(new.into_iter().map(|id| self.snapshotter.tree(&root, id)).collect())
    }
}

pub(crate) fn folder(path: &Path) -> Folder {
    Folder::open_root(path, Gate::default()).unwrap()
}

/// Compares the tree of the layer `at` of a stack with what the library expects.
pub(crate) fn compare_at(
    snapshotter: Snapshotter,
    trees: &[PathBuf],
    layers: &[Vec<u8>],
    at: usize,
) -> Result<TreeReport, LayerError> {
    let flavour = match (snapshotter, at) {
        (Snapshotter::Overlayfs, 0) => Flavour::OverlayFirst,
        (Snapshotter::Overlayfs, _) => Flavour::OverlayUpper,
        (Snapshotter::Native, _) => Flavour::Copy,
        (Snapshotter::Btrfs, _) => Flavour::Clone,
    };
    let first = if flavour.is_whole() { 0 } else { at };
    let blobs: Vec<LayerBlob<'_>> = layers[first..=at]
        .iter()
        .map(|blob| LayerBlob {
            blob,
            media_type: "application/vnd.oci.image.layer.v1.tar",
            algorithm: Algorithm::Sha256,
        })
        .collect();
    let lowers = if flavour.is_whole() { Vec::new() } else { lowers(&layers[..at]) };
    let lowers = lowers.as_slice();
    let tree = folder(&trees[at]);
    let options = CompareOptions::default();
    let request = LayerComparison { layers: &blobs, tree: &tree, flavour, lowers: &lowers, options };
    compare_layer(&request, &Interrupt::default(), &|_| {})
}

/// What layers say of their folders, the topmost first.
pub(crate) fn lowers(layers: &[Vec<u8>]) -> Vec<Arc<Folders>> {
    let read = |(at, blob): (usize, &Vec<u8>)| {
        let flavour = if at == 0 { Flavour::OverlayFirst } else { Flavour::OverlayUpper };
        let media_type = "application/vnd.oci.image.layer.v1.tar";
        let layer = LayerBlob { blob, media_type, algorithm: Algorithm::Sha256 };
        Arc::new(read_folders(&layer, flavour, &Interrupt::default()).unwrap())
    };
    layers.iter().enumerate().map(read).rev().collect()
}

/// Whether the library says that containerd cannot have applied a layer.
pub(crate) fn is_refused(compared: &Result<TreeReport, LayerError>) -> bool {
    match compared {
        Ok(report) => matches!(report.stopped_early, Some(StoppedEarly::Refused { .. })),
        Err(error) => matches!(error, LayerError::Fault { .. }),
    }
}

/// Where a stack's trees are not what the library expects.
pub(crate) fn complaints(
    snapshotter: Snapshotter,
    trees: &[PathBuf],
    layers: &[Vec<u8>],
) -> Result<(), String> {
    for at in 0..layers.len() {
        let report =
            compare_at(snapshotter, trees, layers, at).map_err(|error| format!("layer {at}: {error}"))?;
        if !report.is_same() || report.bare.paths > 0 || !report.not_compared.is_empty() {
            let tree = &trees[at];
            return Err(format!(
                "layer {at} ({}): {:?} {:#?} {:#?}\n{}",
                tree.display(),
                report.not_compared,
                report.differences,
                report.bare,
                listing(tree)
            ));
        }
    }
    Ok(())
}

/// A tree, for messages.
pub(crate) fn listing(tree: &Path) -> String {
    let output = std::process::Command::new("find")
        .arg(tree)
        .arg("-printf")
        .arg("%P %y %m %U:%G %s %T@ %l\n")
        .output();
    output.map_or_else(|why| why.to_string(), |output| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The first differences' paths and kinds.
pub(crate) fn found(report: &TreeReport) -> Vec<(String, &'static str)> {
    let text = |path: &Path| String::from_utf8_lossy(path.as_os_str().as_bytes()).into_owned();
    report.differences.iter().map(|difference| (text(&difference.path), difference.kind.name())).collect()
}
