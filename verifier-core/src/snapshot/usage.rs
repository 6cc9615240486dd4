//! What a tree occupies, as the snapshotter recorded it when it committed the snapshot.
//!
//! continuity's `fs.DiskUsage` walks the tree and adds up `st_blocks` × 512 of every inode once, the top folder
//! included. The sum is exact on the file system that the tree was made on, as long as nobody touches it. A copy to
//! another file system keeps the inodes, but not the blocks: small folders take none on xfs and btrfs (measured:
//! 217,088 bytes recorded on ext4, 180,224 on the copy), compression and holes change the rest. Such a copy gives
//! itself away: a copied inode's time of change (`ctime`) cannot be set, so it is later than the commit.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use crate::finding::Usage;
use crate::io::{FileKind, Folder, Stat};
use crate::metadata::Timestamp;

/// A tree's usage, and how far it can be held against the record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TreeUsage {
    /// What it occupies.
    pub usage: Usage,
    /// Inodes that changed after the commit: copied, repaired or relabelled since.
    pub touched: u64,
    /// The least that the record must have been if all the files are whole: their lengths, holes and compression set
    /// aside.
    pub length_bytes: u64,
    /// Folders, whose blocks depend on the file system.
    pub folders: u64,
    /// Names in them.
    pub names: u64,
}

/// After the commit's own time the kernel may still stamp an inode a moment later (folder times are set last, and clocks
/// differ: `ctime` is the kernel's coarse clock).
const COMMIT_SLACK_SECONDS: i64 = 60;

/// Walks `tree` with `stat` alone. `committed` is when the snapshot was committed.
///
/// # Errors
/// The first that a folder or a name gives; then there is no sum.
pub fn usage(tree: &Folder, committed: Option<Timestamp>) -> io::Result<TreeUsage> {
    let mut sum = Sum { committed, linked: BTreeSet::new(), usage: TreeUsage::default() };
    sum.add(&tree.stat("")?);
    let mut folders = vec![PathBuf::new()];
    while let Some(path) = folders.pop() {
        let folder = if path.as_os_str().is_empty() { None } else { Some(tree.folder(&path)?) };
        let folder = folder.as_ref().unwrap_or(tree);
        folder.list(&mut |entry| {
            let stat = folder.stat(entry.name)?;
            sum.add(&stat);
            sum.usage.names += 1;
            if stat.kind == FileKind::Folder {
                folders.push(path.join(entry.name));
            }
            Ok(())
        })?;
    }
    Ok(sum.usage)
}

struct Sum {
    committed: Option<Timestamp>,
    /// Inodes with several names that were counted.
    linked: BTreeSet<(u64, u64)>,
    usage: TreeUsage,
}

impl Sum {
    fn add(&mut self, stat: &Stat) {
        if stat.kind == FileKind::Folder {
            self.usage.folders += 1;
        } else if stat.nlink > 1 && !self.linked.insert((stat.dev, stat.ino)) {
            return;
        }
        self.usage.usage.inodes += 1;
        self.usage.usage.size_bytes += stat.blocks_512.saturating_mul(512);
        if stat.kind == FileKind::File {
            self.usage.length_bytes += stat.size_bytes;
        }
        let touched =
            |commit: Timestamp| stat.ctime.seconds > commit.seconds.saturating_add(COMMIT_SLACK_SECONDS);
        self.usage.touched += u64::from(self.committed.is_none_or(touched));
    }
}

impl TreeUsage {
    /// Whether the tree may be the one that `recorded` was recorded of.
    ///
    /// Another number of inodes never is. Fewer bytes are damage where nothing was touched: to the byte on ext4, xfs and
    /// btrfs, measured on what containerd 1.6, 1.7 and 2.1 unpacked. More bytes are health: a fragmented ext4 adds blocks
    /// for extents at writeback (30,720 bytes of 202,681,344). Where inodes were touched, blocks cannot be held
    /// against the record, but lengths can: a healthy tree's files are at least as long as their blocks, but for the last
    /// block of each, and its folders took what ext4 gives them, a block and what their names need.
    #[must_use]
    pub fn fits(&self, recorded: Usage) -> bool {
        /// The largest block that is usual, and what ext4 takes for a name of usual length, twice over.
        const BLOCK_BYTES: u64 = 4096;
        const NAME_BYTES: u64 = 128;
        if self.usage.inodes != recorded.inodes {
            return false;
        }
        if self.touched == 0 {
            return self.usage.size_bytes >= recorded.size_bytes;
        }
        let folders = self.folders * BLOCK_BYTES + self.names * NAME_BYTES;
        let files = self.length_bytes + (self.usage.inodes - self.folders) * BLOCK_BYTES;
        self.usage.size_bytes >= recorded.size_bytes || folders.saturating_add(files) >= recorded.size_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUTURE: Timestamp = Timestamp { seconds: 32_503_680_000, nanoseconds: 0 };

    #[test]
    fn links_count_once_and_the_top_counts() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::fs::write(dir.path().join("sub/file"), vec![7; 10_000]).unwrap();
        std::fs::hard_link(dir.path().join("sub/file"), dir.path().join("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("dangling")).unwrap();
        let folder = Folder::open_root(dir.path(), crate::io::Gate::default()).unwrap();
        let seen = usage(&folder, Some(FUTURE)).unwrap();
        assert_eq!((seen.usage.inodes, seen.folders, seen.names, seen.touched), (4, 2, 4, 0));
        assert_eq!(seen.length_bytes, 10_000);
        let stats =
            ["", "sub", "sub/file", "dangling"].map(|path| folder.stat(path).unwrap().blocks_512 * 512);
        assert_eq!(seen.usage.size_bytes, stats.iter().sum::<u64>());
        assert_eq!(usage(&folder, Some(Timestamp { seconds: 0, nanoseconds: 0 })).unwrap().touched, 4);
    }

    #[test]
    fn a_deficit_is_damage_and_a_surplus_is_not() {
        let seen = TreeUsage {
            usage: Usage { inodes: 3, size_bytes: 12_288 },
            length_bytes: 9000,
            folders: 1,
            names: 2,
            touched: 0,
        };
        assert!(seen.fits(Usage { inodes: 3, size_bytes: 12_288 }));
        assert!(seen.fits(Usage { inodes: 3, size_bytes: 8192 }));
        assert!(!seen.fits(Usage { inodes: 3, size_bytes: 12_800 }));
        assert!(!seen.fits(Usage { inodes: 4, size_bytes: 12_288 }));
        let copied = TreeUsage { touched: 3, ..seen };
        assert!(copied.fits(Usage { inodes: 3, size_bytes: 16_384 }), "blocks of a copy may be fewer");
        assert!(!copied.fits(Usage { inodes: 3, size_bytes: 40_960 }), "but its lengths must do");
        assert!(!copied.fits(Usage { inodes: 2, size_bytes: 0 }));
    }
}
