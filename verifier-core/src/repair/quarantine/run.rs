//! One repair run: a folder that takes what is taken out, and the journal that says what was done.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::disk::{Dir, Disk, NewFile};
use super::journal::{self, Attributes, Line, RawPath, VERSION};
use super::lines;
use super::purge::KeptRun;
use super::seen::Seen;
use crate::io::{Stat, Time};
use crate::layout::RUNS;
use crate::time::Timestamp;

/// Where a run keeps what it took, below its folder.
pub(in crate::repair) const ITEMS: &str = "items";

/// What is to have the name `path` (below the root): the item `item`, made by this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Its name among the items.
    pub item: OsString,
    /// Where it goes.
    pub path: PathBuf,
}

/// Attributes to change; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Owner and group.
    pub owner: Option<(u32, u32)>,
    /// Permissions with set-id and sticky bits.
    pub mode: Option<u32>,
    /// Extended attributes by name: a value to set, or `None` to remove it.
    pub xattrs: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// When the bytes last changed.
    pub mtime: Option<Time>,
}

/// A run under way. Everything it does to the store is in its journal first, and nothing it takes away is deleted.
#[derive(Debug)]
pub struct Run<'a> {
    disk: Disk<'a>,
    id: String,
    items: Dir<'a>,
    journal: NewFile<'a>,
    /// Lines of the journal, and its length.
    lines: u64,
    journal_bytes: u64,
    /// Something of a line that could not be written may be there: no other may follow it.
    is_torn: bool,
    next: u64,
    /// Databases of which there is a copy among the items.
    pub(in crate::repair) backed_up: BTreeSet<PathBuf>,
}

impl<'a> Run<'a> {
    /// Begins a run: makes its folder, and puts that on the medium.
    ///
    /// # Errors
    /// `ENOSPC`, `EROFS` and the like: nothing has been changed then.
    pub fn begin(disk: Disk<'a>) -> io::Result<Run<'a>> {
        let runs = disk.make_dirs(Path::new(RUNS), 0o700)?;
        let now = Timestamp::now();
        let stem = now.to_string().replace(['-', ':'], "");
        let (id, dir) = (0..1000)
            .map(|again| if again == 0 { stem.clone() } else { format!("{stem}-{again}") })
            .find_map(|id| match runs.make_dir(OsStr::new(&id), 0o700) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
                Err(error) => Some(Err(error)),
                Ok(()) => Some(runs.dir(Path::new(&id)).map(|dir| (id, dir))),
            })
            .ok_or(Errno::EXIST)??;
        dir.make_dir(OsStr::new(ITEMS), 0o700)?;
        let journal = dir.create_file(OsStr::new(journal::FILE))?;
        let items = dir.dir(Path::new(ITEMS))?;
        let inode = dir.inode(OsStr::new(ITEMS))?;
        let (lines, journal_bytes, is_torn, next) = (0, 0, false, 0);
        let backed_up = BTreeSet::new();
        let mut run = Run { disk, id, items, journal, lines, journal_bytes, is_torn, next, backed_up };
        run.log(&[Line::Begin { version: VERSION, began: now.to_string(), items: inode }])?;
        dir.sync()?;
        runs.sync()?;
        Ok(run)
    }

    /// The name of the run.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The root.
    #[must_use]
    pub fn disk(&self) -> Disk<'a> {
        self.disk
    }

    /// The folder of the items: what is to be put into the store is made here.
    #[must_use]
    pub fn items(&self) -> &Dir<'a> {
        &self.items
    }

    /// A name for a new item.
    pub fn new_item(&mut self) -> OsString {
        self.next += 1;
        self.next.to_string().into()
    }

    /// Deletes a file among the items that this run made and did not place.
    ///
    /// # Errors
    /// What `unlink(2)` reports.
    pub fn discard(&self, item: &OsStr) -> io::Result<()> {
        self.items.remove_file(item)
    }

    /// Notes which runs the retention deleted before this one began.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn note_deleted(&mut self, deleted: &[KeptRun]) -> io::Result<()> {
        let line = |run: &KeptRun| Line::Deleted {
            run: run.id.clone(),
            began: run.began.clone(),
            size_bytes: run.size_bytes,
        };
        self.log(&deleted.iter().map(line).collect::<Vec<_>>())
    }

    /// Notes which action the next steps belong to.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn begin_action(&mut self, text: &str) -> io::Result<()> {
        self.log(&[Line::Action { text: text.into() }])
    }

    /// Puts items in their places: each in one step, with what was there before becoming the item. All items of the file
    /// system are on the medium before the first one is placed.
    ///
    /// # Errors
    /// What the first step that failed reports; those before it are done, those after it not.
    pub fn put_all(&mut self, puts: &[Put]) -> io::Result<()> {
        if puts.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::with_capacity(puts.len());
        let mut at = Parent::none();
        for Put { item, path } in puts {
            let (dir, name) = at.of(self.disk, path)?;
            let inode = self.items.inode(item)?.ok_or(Errno::NOENT)?;
            let old = dir.stat(name)?;
            lines.push(Line::Put {
                item: number(item)?,
                path: RawPath(path.clone()),
                inode,
                occupied: old.is_some(),
                parent: mtime(dir)?.into(),
                seen: Seen::with_ends(&self.items, item)?,
            });
        }
        self.items.sync_file_system()?;
        self.log(&lines)?;
        for (Put { item, path }, line) in puts.iter().zip(&lines) {
            let (dir, name) = at.of(self.disk, path)?;
            match line {
                Line::Put { occupied: true, .. } => self.items.exchange(item, dir, name)?,
                _ => self.items.rename(item, dir, name)?,
            }
        }
        Ok(())
    }

    /// Moves what is at each of `paths` among the items; returns their names there.
    ///
    /// # Errors
    /// What the first step that failed reports; those before it are done, those after it not.
    pub fn take_all(&mut self, paths: &[PathBuf]) -> io::Result<Vec<OsString>> {
        let mut items = Vec::with_capacity(paths.len());
        let mut lines = Vec::with_capacity(paths.len());
        let mut at = Parent::none();
        for path in paths {
            let item = self.new_item();
            let (dir, name) = at.of(self.disk, path)?;
            let inode = dir.inode(name)?.ok_or(Errno::NOENT)?;
            let seen = dir.stat(name)?.map(|stat| Seen::of(&stat));
            let (path, parent) = (RawPath(path.clone()), mtime(dir)?.into());
            lines.push(Line::Take { item: number(&item)?, path, inode, parent, seen });
            items.push(item);
        }
        self.log(&lines)?;
        for (path, item) in paths.iter().zip(&items) {
            let (dir, name) = at.of(self.disk, path)?;
            dir.rename(name, &self.items, item)?;
        }
        Ok(items)
    }

    /// Changes attributes of what is at each path, in place.
    ///
    /// # Errors
    /// What the first step that failed reports; those before it are done, those after it not.
    pub fn change_all(&mut self, changes: &[(PathBuf, Change)]) -> io::Result<()> {
        let mut lines = Vec::with_capacity(changes.len());
        let mut at = Parent::none();
        for (path, _) in changes {
            let (dir, name) = at.of(self.disk, path)?;
            let stat = dir.stat(name)?.ok_or(Errno::NOENT)?;
            let inode = dir.inode(name)?.ok_or(Errno::NOENT)?;
            let before = Attributes::of(dir.folder(), Path::new(name), &stat)?;
            lines.push(Line::Change { path: RawPath(path.clone()), inode, before });
        }
        self.log(&lines)?;
        for (path, change) in changes {
            let (dir, name) = at.of(self.disk, path)?;
            change.apply(dir, name)?;
        }
        Ok(())
    }

    /// Ends the run: all it did is on the medium.
    ///
    /// # Errors
    /// What `syncfs(2)` reports, or the journal cannot be written.
    pub fn end(mut self, outcome: &str) -> io::Result<()> {
        self.items.sync_file_system()?;
        self.log(&[Line::End { outcome: outcome.into() }])
    }

    /// Writes `lines` and waits until they are on the medium.
    pub(in crate::repair) fn log(&mut self, lines: &[Line]) -> io::Result<()> {
        if self.is_torn {
            return Err(io::Error::other("the journal could not be written to before"));
        }
        let mut bytes = Vec::new();
        let mut number = self.lines;
        for line in lines {
            number += 1;
            lines::write(line, number, &mut bytes)?;
        }
        if let Err(error) = self.journal.write_all(&bytes).and_then(|()| self.journal.sync()) {
            // A part of a line must not be continued by the next one.
            self.is_torn = self.journal.cut_to(self.journal_bytes).is_err();
            return Err(error);
        }
        self.lines = number;
        self.journal_bytes += bytes.len() as u64;
        Ok(())
    }
}

impl Change {
    /// Makes the change, in the order in which one does not undo the other: a new owner drops set-id bits and capabilities.
    pub(in crate::repair) fn apply(&self, dir: &Dir<'_>, name: &OsStr) -> io::Result<()> {
        if let Some(owner) = self.owner {
            dir.set_owner(name, owner)?;
        }
        for (attribute, value) in &self.xattrs {
            match value {
                Some(value) => dir.set_xattr(name, attribute, value)?,
                None => match dir.remove_xattr(name, attribute) {
                    Err(error) if error.raw_os_error() == Some(Errno::NODATA.raw_os_error()) => {}
                    other => other?,
                },
            }
        }
        if let Some(mode) = self.mode {
            dir.set_mode(name, mode)?;
        }
        match self.mtime {
            Some(mtime) => dir.set_mtime(name, mtime),
            None => Ok(()),
        }
    }
}

/// The folder of the path before: paths come in order, and many are in one folder.
pub(in crate::repair) struct Parent<'a>(Option<(PathBuf, Dir<'a>)>);

impl<'a> Parent<'a> {
    pub(in crate::repair) fn none() -> Self {
        Parent(None)
    }

    pub(in crate::repair) fn of<'p>(
        &mut self,
        disk: Disk<'a>,
        path: &'p Path,
    ) -> io::Result<(&Dir<'a>, &'p OsStr)> {
        let name = path.file_name().ok_or(Errno::INVAL)?;
        let parent = path.parent().unwrap_or(Path::new(""));
        if self.0.as_ref().is_none_or(|(known, _)| known != parent) {
            self.0 = Some((parent.into(), disk.dir(parent)?));
        }
        let (_, dir) = self.0.as_ref().ok_or(Errno::NOENT)?;
        Ok((dir, name))
    }
}

fn mtime(dir: &Dir<'_>) -> io::Result<Time> {
    let stat: Stat = dir.folder().stat("")?;
    Ok(stat.mtime)
}

pub(in crate::repair) fn number(item: &OsStr) -> io::Result<u64> {
    let number = item.to_str().and_then(|text| text.parse().ok());
    Ok(number.ok_or(Errno::INVAL)?)
}
