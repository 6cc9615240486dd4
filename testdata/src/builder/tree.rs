//! Trees on disk: written from entries, and measured as snapshotters measure them.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps};

use super::layer::{Entry, Node};

/// What a tree occupies (continuity `fs/du_unix.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Unique inodes, the top folder's included.
    pub inodes: i64,
    /// Their blocks in bytes, 512 to the block.
    pub size: i64,
}

/// Measures the tree at `root`.
///
/// # Errors
/// What the system says.
pub fn usage(root: &Path) -> io::Result<Usage> {
    let mut seen = HashSet::new();
    let mut usage = Usage { inodes: 0, size: 0 };
    let mut rest = vec![root.to_path_buf()];
    while let Some(path) = rest.pop() {
        let stat = fs::symlink_metadata(&path)?;
        if seen.insert((stat.dev(), stat.ino())) {
            usage.inodes += 1;
            usage.size += i64::try_from(stat.blocks() * 512).map_err(io::Error::other)?;
        }
        if stat.is_dir() {
            for entry in fs::read_dir(&path)? {
                rest.push(entry?.path());
            }
        }
    }
    Ok(usage)
}

/// Makes `entries` in the folder `root`, in their order; folders get their times at the end. A whiteout becomes
/// overlayfs' character device 0:0.
pub(super) fn write_tree(root: &Path, entries: &[Entry]) -> io::Result<()> {
    for entry in entries {
        let path = root.join(&entry.path);
        make_parents(root, &path)?;
        match &entry.node {
            Node::File(bytes) => fs::write(&path, bytes)?,
            Node::Folder => fs::create_dir_all(&path)?,
            Node::Symlink(target) => symlink(target, &path)?,
            Node::HardLink(target) => fs::hard_link(root.join(target), &path)?,
            Node::Whiteout => rustix::fs::mknodat(CWD, &path, FileType::CharacterDevice, Mode::empty(), 0)?,
        }
        if matches!(entry.node, Node::File(_) | Node::Folder | Node::HardLink(_)) {
            fs::set_permissions(&path, fs::Permissions::from_mode(entry.mode))?;
        }
    }
    // A whiteout, and a folder that has no entry, keep the time of unpacking.
    for entry in entries.iter().rev().filter(|entry| entry.node != Node::Whiteout) {
        set_mtime(&root.join(&entry.path), entry.mtime)?;
    }
    Ok(())
}

/// Makes the folders between `root` and `path` that are missing, 0755 whatever the umask says.
fn make_parents(root: &Path, path: &Path) -> io::Result<()> {
    let Some(parent) = path.parent().filter(|parent| *parent != root && !parent.exists()) else {
        return Ok(());
    };
    make_parents(root, parent)?;
    fs::create_dir(parent)?;
    fs::set_permissions(parent, fs::Permissions::from_mode(0o755))
}

fn set_mtime(path: &Path, seconds: i64) -> io::Result<()> {
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}
