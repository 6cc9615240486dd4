//! What to compare with what.

use super::lowers::LowerLayers;
use crate::digest::Algorithm;
use crate::io::{Folder, ReadAt};
use crate::layer::Flavour;

/// A layer's blob.
pub struct LayerBlob<'a> {
    /// Its bytes.
    pub blob: &'a dyn ReadAt,
    /// The media type that the manifest gives it.
    pub media_type: &'a str,
    /// What its name was computed with.
    pub algorithm: Algorithm,
}

/// A tree, and the layers that made it.
pub struct LayerComparison<'a> {
    /// The layer that the tree was committed for; where [`Flavour::is_whole`], all layers below it as well, the
    /// base first.
    pub layers: &'a [LayerBlob<'a>],
    /// The top of the tree: overlayfs `snapshots/<id>/fs`, native `snapshots/<id>`, btrfs `snapshots/<id>`.
    pub tree: &'a Folder,
    /// How it came about.
    pub flavour: Flavour,
    /// overlayfs: the layers below, the nearest first. Parents that the layer does not mention take their attributes from
    /// what those make.
    pub lowers: &'a dyn LowerLayers,
    /// Limits and exceptions.
    pub options: CompareOptions,
}

/// Limits and exceptions of a comparison.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CompareOptions {
    /// Differences to list; the others are only counted.
    pub max_differences: usize,
    /// Where to stop reading a layer: bytes of tar. `None`: [`CompareOptions::tar_limit`].
    pub max_tar_bytes: Option<u64>,
    /// Names that the model may have; each costs about 100 bytes of memory.
    pub max_names: usize,
    /// Whether containerd runs in a user namespace: no devices, and owners as the namespace maps them.
    pub user_namespace: bool,
    /// Whether parents that have nothing from the layers below, as those have that were unpacked side by side, differ like any
    /// other; else they are listed by themselves.
    pub bare_parents_differ: bool,
    /// Whether owners mean anything: not in a user namespace, nor where the snapshot was remapped.
    pub compare_owners: bool,
}

impl Default for CompareOptions {
    fn default() -> Self {
        CompareOptions {
            max_differences: 1000,
            max_tar_bytes: None,
            max_names: 4_000_000,
            user_namespace: false,
            bare_parents_differ: false,
            compare_owners: true,
        }
    }
}

impl CompareOptions {
    /// Sets how many differences are listed.
    #[must_use]
    pub fn max_differences(mut self, count: usize) -> Self {
        self.max_differences = count;
        self
    }

    /// Sets after how many bytes of tar to stop.
    #[must_use]
    pub fn max_tar_bytes(mut self, bytes: u64) -> Self {
        self.max_tar_bytes = Some(bytes);
        self
    }

    /// Sets how many names the model may have.
    #[must_use]
    pub fn max_names(mut self, names: usize) -> Self {
        self.max_names = names;
        self
    }

    /// Says that containerd runs in a user namespace. Owners are then not compared.
    #[must_use]
    pub fn user_namespace(mut self) -> Self {
        self.user_namespace = true;
        self.compare_owners = false;
        self
    }

    /// Says that parents that have nothing from the layers below differ like any other.
    #[must_use]
    pub fn bare_parents_differ(mut self) -> Self {
        self.bare_parents_differ = true;
        self
    }

    /// Says that the tree's owners are not the layer's.
    #[must_use]
    pub fn ignore_owners(mut self) -> Self {
        self.compare_owners = false;
        self
    }

    /// How many bytes a layer's tar may have before reading on is pointless.
    ///
    /// A blob that decompresses to very much more than it is can keep a check busy for hours: deflate packs 1032
    /// bytes into one, Zstandard far more, and no header says how much there will be. Memory is bounded in any case,
    /// and containerd itself must have written all of it, so what is left to bound is time. A layer that unpacks to
    /// 50 times its size, or to 64 GiB if that is more, is read to its end (about two minutes for 64 GiB); beyond,
    /// the check stops and says so. That is never reported as damage.
    #[must_use]
    pub fn tar_limit(&self, blob_bytes: u64) -> u64 {
        self.max_tar_bytes.unwrap_or_else(|| blob_bytes.saturating_mul(50).max(64 << 30))
    }
}
