//! Puts new inodes in place, takes others away, and changes attributes: around what the system refuses.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::error::{Refused, RestoreError};
use super::mending::system;
use super::stage::remove_tree;
use crate::io::{Folder, errno, is_media_error};
use crate::repair::{Change, Put, Run};

/// Paths below the root that could not be changed.
pub(super) type RefusedPaths = BTreeMap<PathBuf, Refused>;

/// Puts items in their places. What is refused is removed from the items again.
pub(super) fn put_all(
    run: &mut Run<'_>,
    puts: Vec<Put>,
    refused: &mut RefusedPaths,
) -> Result<(), RestoreError> {
    let mut numbered = Vec::with_capacity(puts.len());
    for put in puts {
        let ino = run.items().stat(&put.item).map_err(|error| RestoreError::system("", error))?;
        numbered.push((ino.map_or(0, |stat| stat.ino), put));
    }
    let path = |(_, put): &(u64, Put)| put.path.clone();
    let step = |run: &mut Run<'_>, batch: &[(u64, Put)]| {
        let puts: Vec<Put> = batch.iter().map(|(_, put)| put.clone()).collect();
        run.put_all(&puts)
    };
    let is_done =
        |root: &Folder, (ino, put): &(u64, Put)| root.stat(&put.path).is_ok_and(|stat| stat.ino == *ino);
    let given_up = around(run, numbered, refused, (&path, &step, &is_done))?;
    for (ino, put) in given_up {
        let is_ours = run.items().stat(&put.item).is_ok_and(|stat| stat.is_some_and(|stat| stat.ino == ino));
        if is_ours {
            // It takes space, and does no harm.
            let _ = remove_tree(run.items(), &put.item);
        }
    }
    Ok(())
}

/// Takes names away.
pub(super) fn take_all(
    run: &mut Run<'_>,
    paths: Vec<PathBuf>,
    refused: &mut RefusedPaths,
) -> Result<(), RestoreError> {
    let step = |run: &mut Run<'_>, batch: &[PathBuf]| run.take_all(batch).map(drop);
    let is_done = |root: &Folder, path: &PathBuf| {
        root.stat(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    around(run, paths, refused, (&PathBuf::clone, &step, &is_done)).map(drop)
}

/// Changes attributes in place.
pub(super) fn change_all(
    run: &mut Run<'_>,
    changes: Vec<(PathBuf, Change)>,
    refused: &mut RefusedPaths,
) -> Result<(), RestoreError> {
    let path = |(path, _): &(PathBuf, Change)| path.clone();
    let step = |run: &mut Run<'_>, batch: &[(PathBuf, Change)]| run.change_all(batch);
    // The same change made again changes nothing.
    let is_done = |_: &Folder, _: &(PathBuf, Change)| false;
    around(run, changes, refused, (&path, &step, &is_done)).map(drop)
}

type Steps<'f, T> = (
    &'f dyn Fn(&T) -> PathBuf,
    &'f dyn Fn(&mut Run<'_>, &[T]) -> io::Result<()>,
    &'f dyn Fn(&Folder, &T) -> bool,
);

/// Makes the steps of a batch; those that the system refuses are left out, and the others made. What was left out.
fn around<T>(
    run: &mut Run<'_>,
    mut batch: Vec<T>,
    refused: &mut RefusedPaths,
    (path_of, step, is_done): Steps<'_, T>,
) -> Result<Vec<T>, RestoreError> {
    let mut given_up = Vec::new();
    while let Err(error) = step(run, &batch) {
        if error.raw_os_error().is_none() {
            return Err(RestoreError::system("", error));
        }
        let root = run.disk().root();
        batch.retain(|one| !is_done(root, one));
        let mut left = Vec::with_capacity(batch.len());
        let before = given_up.len();
        for one in batch {
            let path = path_of(&one);
            match obstacle(root, &path) {
                Some(why) => {
                    refused.insert(path, why);
                    given_up.push(one);
                }
                None => left.push(one),
            }
        }
        if given_up.len() == before {
            if !is_about_one_path(&error) || left.is_empty() {
                return Err(RestoreError::system("", error));
            }
            // The steps are made in their order: it was the first.
            let first = left.remove(0);
            refused.insert(path_of(&first), system(&error));
            given_up.push(first);
        }
        batch = left;
    }
    Ok(given_up)
}

/// Whether other paths may do better.
fn is_about_one_path(error: &io::Error) -> bool {
    let local = [
        Errno::PERM,
        Errno::ACCESS,
        Errno::BUSY,
        Errno::NOENT,
        Errno::NOTDIR,
        Errno::LOOP,
        Errno::ISDIR,
        Errno::EXIST,
        Errno::NOTSUP,
        Errno::NAMETOOLONG,
        Errno::MLINK,
    ];
    local.iter().any(|errno| Some(errno.raw_os_error()) == error.raw_os_error())
}

/// What keeps a name from being changed, as far as can be seen before.
fn obstacle(root: &Folder, path: &Path) -> Option<Refused> {
    let folder = match root.folder(path.parent().unwrap_or(Path::new("."))) {
        Ok(folder) => folder,
        Err(error) => return Some(system(&error)),
    };
    let name = path.file_name()?;
    if let Err(error) = folder.stat(name)
        && is_media_error(errno(&error))
    {
        return Some(system(&error));
    }
    let is_fixed = |name: &Path, flags| {
        let flags = flags | AtFlags::SYMLINK_NOFOLLOW;
        let found = rustix::fs::statx(folder.fd().as_fd(), name, flags, StatxFlags::BASIC_STATS);
        found.is_ok_and(|found| {
            found.stx_attributes.intersects(StatxAttributes::IMMUTABLE | StatxAttributes::APPEND)
        })
    };
    let fixed = is_fixed(Path::new(name), AtFlags::empty()) || is_fixed(Path::new(""), AtFlags::EMPTY_PATH);
    fixed.then_some(Refused::Immutable)
}
