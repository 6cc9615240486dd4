//! Blows to single files.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode};

/// Changes one bit in the middle of a file.
pub(super) fn flip(path: &Path) -> io::Result<()> {
    rewrite(path, |bytes| {
        let middle = bytes.len() / 2;
        if let Some(byte) = bytes.get_mut(middle) {
            *byte ^= 0x10;
        }
    })
}

/// Cuts a file to half of its length.
pub(super) fn truncate(path: &Path) -> io::Result<()> {
    rewrite(path, |bytes| bytes.truncate(bytes.len() / 2))
}

/// Adds to a file's end.
pub(super) fn grow(path: &Path) -> io::Result<()> {
    grow_with(path, b"and more")
}

/// Adds these bytes to a file's end.
pub(super) fn grow_with(path: &Path, more: &[u8]) -> io::Result<()> {
    rewrite(path, |bytes| bytes.extend(more))
}

/// Leaves a file no byte, as a power cut does.
pub(super) fn empty(path: &Path) -> io::Result<()> {
    rewrite(path, Vec::clear)
}

/// Changes a file's bytes: same inode, same times, same permissions.
pub(super) fn rewrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
    let before = fs::symlink_metadata(path)?;
    let mut bytes = fs::read(path)?;
    change(&mut bytes);
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    fs::write(path, bytes)?;
    fs::set_permissions(path, before.permissions())?;
    let times = fs::FileTimes::new().set_accessed(before.accessed()?).set_modified(before.modified()?);
    fs::File::open(path)?.set_times(times)
}

/// Puts a fifo in a file's place.
pub(super) fn fifo(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    Ok(rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0)?)
}

/// Puts a folder in a file's place.
pub(super) fn folder(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    fs::create_dir(path)
}

/// Moves a file aside and leaves a symbolic link to it.
pub(super) fn link(path: &Path, aside: &Path) -> io::Result<()> {
    fs::rename(path, aside)?;
    symlink(aside, path)
}

/// Empties every regular file of a tree, as a power cut does.
pub(super) fn empty_tree(root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        let kind = fs::symlink_metadata(&path)?.file_type();
        if kind.is_dir() {
            empty_tree(&path)?;
        } else if kind.is_file() {
            empty(&path)?;
        }
    }
    Ok(())
}
