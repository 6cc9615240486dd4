//! The snapshotters whose trees are plain folders: what each does its own way.

use std::path::{Path, PathBuf};

use crate::layer::Flavour;
use crate::metadata::Kind;

/// A snapshotter whose trees can be read. All that depends on which one it is, is a method here; nothing else asks for its name.
///
/// A new one that has a tree touches four files at most: this one; `layer/flavour.rs`, if it applies layers in a way of its own;
/// the table in `snapshot/mod.rs`; and the builder of `testdata` that its tests need. The compiler asks for each method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// overlayfs: a folder for each layer.
    Overlayfs,
    /// native: a copy of everything for each layer.
    Native,
    /// btrfs: a subvolume of everything for each layer.
    Btrfs,
}

/// The folders of a snapshotter that may hold those of its snapshots, of all drivers.
pub(crate) const HOLDERS: [&str; 3] = ["snapshots", "active", "view"];

/// A folder that is part of a snapshot's own: its name and its mode.
pub(crate) type Part = (&'static str, u32);

impl Driver {
    const ALL: [Driver; 3] = [Driver::Overlayfs, Driver::Native, Driver::Btrfs];

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

    /// The folder of snapshot `id`, below the snapshotter's: all that is there of it.
    #[must_use]
    pub fn folder(self, kind: Kind, id: u64) -> PathBuf {
        let holder = match (self, kind) {
            (Driver::Btrfs, Kind::Active) => "active",
            (Driver::Btrfs, Kind::View) => "view",
            (Driver::Overlayfs | Driver::Native | Driver::Btrfs, _) => "snapshots",
        };
        Path::new(holder).join(id.to_string())
    }

    /// The tree of snapshot `id`, below the snapshotter's folder: in the snapshot's own, or that itself.
    #[must_use]
    pub fn tree(self, kind: Kind, id: u64) -> PathBuf {
        let folder = self.folder(kind, id);
        self.parts().first().map_or_else(|| folder.clone(), |(tree, _)| folder.join(tree))
    }

    /// What a snapshot's folder is made of, the tree first; nothing where the folder itself is the tree.
    pub(crate) fn parts(self) -> &'static [Part] {
        match self {
            Driver::Overlayfs => &[("fs", 0o755), ("work", 0o711)],
            Driver::Native | Driver::Btrfs => &[],
        }
    }

    /// Where a tree may be in the snapshot's folder `path`, whoever's that is.
    pub(crate) fn trees_in(path: &Path) -> impl Iterator<Item = PathBuf> {
        let inside = Driver::ALL.into_iter().filter_map(|driver| driver.parts().first());
        inside.map(|(tree, _)| path.join(tree)).chain([path.to_path_buf()])
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

    /// Whether committed trees can be written to. btrfs' are read-only subvolumes, in which nothing can be changed, and which no
    /// rename replaces with a folder.
    #[must_use]
    pub fn can_restore(self) -> bool {
        match self {
            Driver::Overlayfs | Driver::Native => true,
            Driver::Btrfs => false,
        }
    }

    /// Whether a snapshot's folder can be taken aside before containerd removes the snapshot: without the subvolume, btrfs' removal
    /// fails.
    #[must_use]
    pub fn keeps_folder(self) -> bool {
        match self {
            Driver::Overlayfs | Driver::Native => true,
            Driver::Btrfs => false,
        }
    }

    /// Whether the usage of a snapshot with a parent is recorded as what differs from that. The others record what the whole tree
    /// occupies.
    #[must_use]
    pub fn records_difference(self) -> bool {
        match self {
            Driver::Overlayfs | Driver::Native => false,
            Driver::Btrfs => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_snapshots_are() {
        let of = |driver: Driver, kind| {
            let text = |path: PathBuf| path.to_str().unwrap().to_owned();
            (text(driver.folder(kind, 7)), text(driver.tree(kind, 7)))
        };
        let both = |path: &str| (path.to_owned(), path.to_owned());
        for kind in [Kind::Active, Kind::View, Kind::Committed] {
            assert_eq!(of(Driver::Overlayfs, kind), ("snapshots/7".into(), "snapshots/7/fs".into()));
            assert_eq!(of(Driver::Native, kind), both("snapshots/7"));
            let holder = match kind {
                Kind::Active => "active/7",
                Kind::View => "view/7",
                _ => "snapshots/7",
            };
            assert_eq!(of(Driver::Btrfs, kind), both(holder));
        }
        let trees: Vec<PathBuf> = Driver::trees_in(Path::new("x/7")).collect();
        assert_eq!(trees, [PathBuf::from("x/7/fs"), PathBuf::from("x/7")]);
    }
}
