//! The snapshotters whose trees are plain folders.

use std::path::PathBuf;

use crate::layer::Flavour;
use crate::metadata::Kind;

/// A snapshotter whose trees can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// overlayfs: a folder for each layer.
    Overlayfs,
    /// native: a copy of everything for each layer.
    Native,
    /// btrfs: a subvolume of everything for each layer.
    Btrfs,
}

impl Driver {
    /// The driver of the snapshotter `name`. The others keep images of file systems (devmapper, zfs, blockfile, erofs) or
    /// mount them from elsewhere (stargz, nydus, soci): there is no folder to read.
    #[must_use]
    pub fn of(name: &str) -> Option<Driver> {
        match name {
            "overlayfs" => Some(Driver::Overlayfs),
            "native" => Some(Driver::Native),
            "btrfs" => Some(Driver::Btrfs),
            _ => None,
        }
    }

    /// Where the tree of snapshot `id` is, below the snapshotter's folder.
    #[must_use]
    pub fn tree(self, kind: Kind, id: u64) -> PathBuf {
        match (self, kind) {
            (Driver::Overlayfs, _) => PathBuf::from(format!("snapshots/{id}/fs")),
            (Driver::Btrfs, Kind::Active) => PathBuf::from(format!("active/{id}")),
            (Driver::Btrfs, Kind::View) => PathBuf::from(format!("view/{id}")),
            (Driver::Native | Driver::Btrfs, _) => PathBuf::from(format!("snapshots/{id}")),
        }
    }

    /// Whether a snapshot has a tree of its own: native shows in a view its parent's (plugins/snapshots/native).
    #[must_use]
    pub fn has_tree(self, kind: Kind, is_base: bool) -> bool {
        !matches!((self, kind, is_base), (Driver::Native, Kind::View, false))
    }

    /// How containerd makes the tree of a layer, the first one of a stack or another.
    #[must_use]
    pub fn flavour(self, is_base: bool) -> Flavour {
        match (self, is_base) {
            (Driver::Overlayfs, true) => Flavour::OverlayFirst,
            (Driver::Overlayfs, false) => Flavour::OverlayUpper,
            (Driver::Native, _) => Flavour::Copy,
            (Driver::Btrfs, _) => Flavour::Clone,
        }
    }
}
