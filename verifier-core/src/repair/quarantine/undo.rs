//! Puts back what a run did, from its journal, the last step first.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Dir, Disk};
use super::journal::{self, Attributes, Inode, Line, Moment, RawPath};
use super::run::{Change, ITEMS, Parent};
use crate::layout::RUNS;
use crate::repair::act::rebuild;
use crate::repair::rows::change;
use crate::repair::rows::locked::LockedStore;

/// Where a run that was undone says so.
pub(in crate::repair) const UNDONE: &str = "undone";

/// What came of undoing a run.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Undone {
    /// Steps that were put back.
    pub steps: u64,
    /// What was left as it is, and why.
    pub left: Vec<(PathBuf, Left)>,
}

/// Why something was not put back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Left {
    /// It is no longer what the run left there.
    #[error("changed since")]
    ChangedSince,
    /// Something else has its place by now.
    #[error("something else is there now")]
    Occupied,
    /// The system refused.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// Why a run cannot be undone at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UndoError {
    /// Its folder or its journal cannot be read, or there is none.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It changed rows, which needs the databases' locks.
    #[error("it changed rows of a database: containerd must be stopped")]
    MustBeStopped,
}

/// Undoes the run `id`; `locked` where containerd is stopped. Undoing a run twice does nothing the second time; so does undoing what was cut off before it began.
///
/// # Errors
/// There is no such run, or its journal cannot be read.
pub fn undo(disk: Disk<'_>, id: &str, locked: Option<&LockedStore<'_>>) -> Result<Undone, UndoError> {
    let run = disk.dir(&Path::new(RUNS).join(id))?;
    let mut undone = Undone::default();
    if run.stat(OsStr::new(UNDONE))?.is_some() {
        return Ok(undone);
    }
    let lines = journal::read(run.folder())?;
    if locked.is_none() && lines.iter().any(|line| matches!(line, Line::Rows { .. } | Line::Rebuilt { .. })) {
        return Err(UndoError::MustBeStopped);
    }
    let mut undoing = Undoing { disk, items: run.dir(Path::new(ITEMS))?, parent: Parent::none() };
    for line in lines.iter().rev() {
        if let (Line::Rows { database, txid, inverse }, Some(locked)) = (line, locked) {
            match change::undo(disk, locked, &database.0, *txid, inverse) {
                Ok((made, left)) => {
                    undone.steps += u64::from(made);
                    undone.left.extend(left);
                }
                Err(why) => undone.left.push((database.0.clone(), why)),
            }
            continue;
        }
        if let (Line::Rebuilt { item, database, txid }, Some(locked)) = (line, locked) {
            match rebuild::undo(disk, &undoing.items, locked, &database.0, *item, *txid) {
                Ok(made) => undone.steps += u64::from(made),
                Err(why) => undone.left.push((database.0.clone(), why)),
            }
            continue;
        }
        match undoing.step(line) {
            Ok(Step::Made) => undone.steps += 1,
            Ok(Step::NotMade) => {}
            Err((path, why)) => undone.left.push((path, why)),
        }
    }
    run.sync_file_system()?;
    if undone.left.is_empty() {
        run.create_file(OsStr::new(UNDONE))?.sync()?;
        run.sync()?;
    }
    Ok(undone)
}

enum Step {
    Made,
    /// The run was cut off before it, or it has been undone already.
    NotMade,
}

struct Undoing<'a> {
    disk: Disk<'a>,
    items: Dir<'a>,
    parent: Parent<'a>,
}

impl Undoing<'_> {
    fn step(&mut self, line: &Line) -> Result<Step, (PathBuf, Left)> {
        let (path, step) = match line {
            Line::Take { item, path: RawPath(path), inode, parent } => {
                (path, self.take(&item.to_string(), path, *inode, *parent))
            }
            Line::Put { item, path: RawPath(path), inode, parent, .. } => {
                (path, self.put(&item.to_string(), path, *inode, *parent))
            }
            Line::Change { path: RawPath(path), inode, before } => (path, self.change(path, *inode, before)),
            Line::Begin { .. }
            | Line::Action { .. }
            | Line::Backup { .. }
            | Line::Rows { .. }
            | Line::Rebuilt { .. }
            | Line::Live { .. }
            | Line::End { .. } => return Ok(Step::NotMade),
        };
        step.map_err(|why| (path.clone(), why))
    }

    fn take(&mut self, item: &str, path: &Path, inode: Inode, before: Moment) -> Result<Step, Left> {
        let item = OsStr::new(item);
        let (dir, name) = self.parent.of(self.disk, path)?;
        let there = dir.inode(name)?;
        if self.items.inode(item)?.is_none_or(|kept| kept != inode) {
            return if there == Some(inode) { Ok(Step::NotMade) } else { Err(Left::ChangedSince) };
        }
        if there.is_some() {
            return Err(Left::Occupied);
        }
        self.items.rename(item, dir, name)?;
        self.set_time(path, before)
    }

    fn put(&mut self, item: &str, path: &Path, inode: Inode, before: Moment) -> Result<Step, Left> {
        let item = OsStr::new(item);
        let kept = self.items.inode(item)?;
        let (dir, name) = self.parent.of(self.disk, path)?;
        let there = dir.inode(name)?;
        match (there == Some(inode), kept) {
            (true, Some(_)) => self.items.exchange(item, dir, name)?,
            (true, None) => dir.rename(name, &self.items, item)?,
            (false, Some(kept)) if kept == inode => return Ok(Step::NotMade),
            (false, _) => return Err(Left::ChangedSince),
        }
        self.set_time(path, before)
    }

    fn change(&mut self, path: &Path, inode: Inode, before: &Attributes) -> Result<Step, Left> {
        let (dir, name) = self.parent.of(self.disk, path)?;
        if dir.inode(name)? != Some(inode) {
            return Err(Left::ChangedSince);
        }
        let stat = dir.stat(name)?.ok_or(Left::ChangedSince)?;
        let now = Attributes::of(dir.folder(), Path::new(name), &stat)?;
        if now == *before {
            return Ok(Step::NotMade);
        }
        let of_hex = |text: &String| hex::decode(text).map_err(io::Error::other);
        let mut xattrs = Vec::new();
        for gone in now.xattrs.keys().filter(|name| !before.xattrs.contains_key(*name)) {
            xattrs.push((of_hex(gone)?, None));
        }
        for (name, value) in &before.xattrs {
            xattrs.push((of_hex(name)?, Some(of_hex(value)?)));
        }
        let is_link = stat.kind == crate::io::FileKind::Symlink;
        let change = Change {
            owner: Some(before.owner),
            mode: (!is_link).then_some(before.mode),
            xattrs,
            mtime: Some(before.mtime.into()),
        };
        change.apply(dir, name)?;
        Ok(Step::Made)
    }

    /// Gives the folder of `path` the time it had before the step.
    fn set_time(&self, path: &Path, before: Moment) -> Result<Step, Left> {
        let folder = path.parent().unwrap_or(Path::new(""));
        // The root itself has no name beneath itself, and its time means nothing.
        if !folder.as_os_str().is_empty() {
            let (dir, name) = self.disk.parent(folder)?;
            dir.set_mtime(name, before.into())?;
        }
        Ok(Step::Made)
    }
}
