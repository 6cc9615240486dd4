//! Walks a tree of any depth with one folder open at a time: no path is ever longer than a name.

use std::ffi::{OsStr, OsString};
use std::io;

use crate::io::{FileKind, Folder, Stat};

/// Device and inode.
type Id = (u64, u64);

/// A folder above the one that is open.
struct Above {
    id: Id,
    /// The name of the folder that is open, or leads there.
    name: OsString,
    /// Folders in it that are still to come.
    left: Vec<OsString>,
}

/// Calls `each` with all that is beneath `top` but folders' own contents first, and `leave` with every folder once all in it was
/// seen, the folder that it is in, and its name there.
pub(super) fn walk(
    top: Folder,
    each: &mut dyn FnMut(&Folder, &OsStr, &Stat) -> io::Result<()>,
    leave: &mut dyn FnMut(&Folder, &OsStr) -> io::Result<()>,
) -> io::Result<()> {
    let mut above: Vec<Above> = Vec::new();
    let mut at = top;
    let mut left = look(&at, each)?;
    loop {
        if let Some(name) = left.pop() {
            let stat = at.stat("")?;
            let down = at.down(&name)?;
            above.push(Above { id: (stat.dev, stat.ino), name, left });
            left = look(&down, each)?;
            at = down;
        } else if let Some(back) = above.pop() {
            at = at.up(back.id)?;
            left = back.left;
            leave(&at, &back.name)?;
        } else {
            return Ok(());
        }
    }
}

/// Shows all names of a folder; returns those of folders.
fn look(
    at: &Folder,
    each: &mut dyn FnMut(&Folder, &OsStr, &Stat) -> io::Result<()>,
) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    at.list(&mut |entry| {
        names.push(entry.name.to_owned());
        Ok(())
    })?;
    let mut folders = Vec::new();
    for name in names {
        let stat = at.stat(&name)?;
        each(at, &name, &stat)?;
        if stat.kind == FileKind::Folder {
            folders.push(name);
        }
    }
    Ok(folders)
}
