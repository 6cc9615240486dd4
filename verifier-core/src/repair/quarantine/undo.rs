//! Puts back what a run did, from its journal, the last step first.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Dir, Disk};
use super::journal::{self, Attributes, Inode, Line, Moment, RawPath};
use super::lines::{Journal, JournalFault};
use super::run::{Change, ITEMS, Parent};
use super::seen::Seen;
use crate::layout::RUNS;
use crate::repair::act::rebuild;
use crate::repair::rows::change;
use crate::repair::rows::locked::LockedStore;

/// Where a run that was undone says so.
pub(in crate::repair) const UNDONE: &str = "undone";

/// Where an undo that began says so.
const UNDOING: &str = "undoing";

/// What came of undoing a run.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Undone {
    /// Steps that were put back.
    pub steps: u64,
    /// What was left as it is, and why.
    pub left: Vec<(PathBuf, Left)>,
    /// It had been undone before: nothing was done now.
    pub was_undone: bool,
    /// The journal does not tell all that the run did. What it tells for certain was put back, the last step first; the run is
    /// not called undone.
    pub journal_fault: Option<JournalFault>,
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
    /// Its journal is none that this version can read.
    #[error(transparent)]
    Journal(JournalFault),
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
    if run.stat(OsStr::new(UNDONE))?.is_some() {
        return Ok(Undone { was_undone: true, ..Undone::default() });
    }
    let journal = Journal::open(run.folder())?;
    match &journal.told.fault {
        Some(fault @ (JournalFault::Newer { .. } | JournalFault::TooLong { .. })) => {
            return Err(UndoError::Journal(fault.clone()));
        }
        _ if journal.told.has_rows && locked.is_none() => return Err(UndoError::MustBeStopped),
        _ => {}
    }
    let mut undoing = Undoing::begin(disk, &run, &journal)?;
    let mut undone = Undone { journal_fault: journal.told.fault.clone(), ..Undone::default() };
    for at in (0..journal.len()).rev() {
        let line = match journal.line(at) {
            Ok(line) => line,
            // What is before it was done before what is after it: neither can be put back without the other.
            Err(error) => {
                undone.left.push((run.folder().path().join(journal::FILE), error.into()));
                break;
            }
        };
        undoing.line(&line, locked, &mut undone);
    }
    undoing.set_times(&mut undone);
    run.sync_file_system()?;
    if undone.left.is_empty() && undone.journal_fault.is_none() {
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
    /// An undo began before and did not come to its end: what is back already may lack its folder's time.
    goes_on: bool,
    /// The root was copied: its inodes are others.
    is_copy: bool,
    /// The times that folders had before the run, and whether a step in them was put back now.
    times: BTreeMap<PathBuf, (Moment, bool)>,
}

impl<'a> Undoing<'a> {
    fn begin(disk: Disk<'a>, run: &Dir<'a>, journal: &Journal) -> io::Result<Undoing<'a>> {
        let goes_on = run.stat(OsStr::new(UNDOING))?.is_some();
        if !goes_on {
            run.create_file(OsStr::new(UNDOING))?.sync()?;
            run.sync()?;
        }
        let (then, now) = (journal.told.items, run.inode(OsStr::new(ITEMS))?);
        let is_copy = then.is_some() && then != now;
        let items = run.dir(Path::new(ITEMS))?;
        let times = BTreeMap::new();
        Ok(Undoing { disk, items, parent: Parent::none(), goes_on, is_copy, times })
    }

    fn line(&mut self, line: &Line, locked: Option<&LockedStore<'_>>, undone: &mut Undone) {
        if let (Line::Rows { database, txid, inverse }, Some(locked)) = (line, locked) {
            match change::undo(self.disk, locked, &database.0, *txid, inverse) {
                Ok((made, left)) => {
                    undone.steps += u64::from(made);
                    undone.left.extend(left);
                }
                Err(why) => undone.left.push((database.0.clone(), why)),
            }
            return;
        }
        if let (Line::Rebuilt { item, database, txid }, Some(locked)) = (line, locked) {
            match rebuild::undo(self.disk, &self.items, locked, &database.0, *item, *txid) {
                Ok(made) => undone.steps += u64::from(made),
                Err(why) => undone.left.push((database.0.clone(), why)),
            }
            return;
        }
        match self.step(line) {
            Ok(Step::Made) => undone.steps += 1,
            Ok(Step::NotMade) => {}
            Err((path, why)) => undone.left.push((path, why)),
        }
    }

    fn step(&mut self, line: &Line) -> Result<Step, (PathBuf, Left)> {
        let (path, step) = match line {
            Line::Take { item, path: RawPath(path), inode, parent, seen } => {
                (path, self.take(&item.to_string(), path, (*inode, seen.as_ref()), *parent))
            }
            Line::Put { item, path: RawPath(path), inode, parent, seen, .. } => {
                (path, self.put(&item.to_string(), path, (*inode, seen.as_ref()), *parent))
            }
            Line::Change { path: RawPath(path), inode, before } => (path, self.change(path, *inode, before)),
            Line::Begin { .. }
            | Line::Action { .. }
            | Line::Backup { .. }
            | Line::Rows { .. }
            | Line::Rebuilt { .. }
            | Line::Live { .. }
            | Line::Deleted { .. }
            | Line::End { .. } => return Ok(Step::NotMade),
        };
        step.map_err(|why| (path.clone(), why))
    }

    fn take(&mut self, item: &str, path: &Path, it: Identity<'_>, before: Moment) -> Result<Step, Left> {
        let item = OsStr::new(item);
        let (dir, name) = self.parent.of(self.disk, path)?;
        if !is_it(&self.items, item, it, self.is_copy)? {
            if !is_it(dir, name, it, self.is_copy)? {
                return Err(Left::ChangedSince);
            }
            return Ok(self.not_made(path, before));
        }
        if dir.stat(name)?.is_some() {
            return Err(Left::Occupied);
        }
        self.items.rename(item, dir, name)?;
        Ok(self.made(path, before))
    }

    fn put(&mut self, item: &str, path: &Path, it: Identity<'_>, before: Moment) -> Result<Step, Left> {
        let item = OsStr::new(item);
        let (dir, name) = self.parent.of(self.disk, path)?;
        let is_occupied = self.items.stat(item)?.is_some();
        match is_it(dir, name, it, self.is_copy)? {
            true if is_occupied => self.items.exchange(item, dir, name)?,
            true => dir.rename(name, &self.items, item)?,
            false if is_it(&self.items, item, it, self.is_copy)? => return Ok(self.not_made(path, before)),
            false => return Err(Left::ChangedSince),
        }
        Ok(self.made(path, before))
    }

    fn change(&mut self, path: &Path, inode: Inode, before: &Attributes) -> Result<Step, Left> {
        let (dir, name) = self.parent.of(self.disk, path)?;
        let stat = dir.stat(name)?.ok_or(Left::ChangedSince)?;
        // Of a copy, the name has to do: what is there keeps its bytes.
        if !self.is_copy && dir.inode(name)? != Some(inode) {
            return Err(Left::ChangedSince);
        }
        // Of a folder in which later steps were put back: this is the time that it had before all of them.
        if let Some((time, _)) = self.times.get_mut(path) {
            *time = before.mtime;
        }
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

    fn made(&mut self, path: &Path, before: Moment) -> Step {
        self.note_time(path, before, true);
        Step::Made
    }

    fn not_made(&mut self, path: &Path, before: Moment) -> Step {
        // A run that was cut off before the step changed no time; an undo that was cut off after it left one.
        if self.goes_on {
            self.note_time(path, before, false);
        }
        Step::NotMade
    }

    /// The folder of `path` had that time before the step. The step before it, which comes next, knows better.
    fn note_time(&mut self, path: &Path, before: Moment, is_made: bool) {
        let folder = path.parent().unwrap_or(Path::new(""));
        // The root itself has no name beneath itself, and its time means nothing.
        if !folder.as_os_str().is_empty() {
            let time = self.times.entry(folder.into()).or_insert((before, false));
            *time = (before, time.1 || is_made);
        }
    }

    /// Gives folders the times that they had before the run.
    fn set_times(&mut self, undone: &mut Undone) {
        for (folder, (before, is_made)) in std::mem::take(&mut self.times) {
            match self.set_time(&folder, before) {
                // With no step in it, this was what was left to do.
                Ok(is_set) => undone.steps += u64::from(is_set && !is_made),
                Err(error) => undone.left.push((folder, error.into())),
            }
        }
    }

    fn set_time(&self, folder: &Path, before: Moment) -> io::Result<bool> {
        let found = self.disk.parent(folder).and_then(|(dir, name)| Ok((dir.stat(name)?, dir, name)));
        match found {
            Ok((Some(stat), dir, name)) if Moment::from(stat.mtime) != before => {
                dir.set_mtime(name, before.into()).map(|()| true)
            }
            // A folder that the run had made went with the undo.
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(false),
        }
    }
}

/// A thing, by its inode and by its looks.
type Identity<'i> = (Inode, Option<&'i Seen>);

fn is_it(dir: &Dir<'_>, name: &OsStr, (inode, seen): Identity<'_>, is_copy: bool) -> io::Result<bool> {
    match seen {
        Some(seen) if is_copy => seen.is_at(dir, name),
        _ => Ok(dir.inode(name)? == Some(inode)),
    }
}
