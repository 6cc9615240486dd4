//! The bolt files of a store, each read in one consistent view.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::view::{DatabaseView, Seen, salvage};
use crate::bolt::{Database, MetaFault, OpenError, PageFault, ViewError, Visitor, consistent};
use crate::finding::{NoMeta, Unusable};
use crate::io::{FileKind, Folder, NotRegular, ReadAt, Time};
use crate::metadata::{Schema, StrayRecords};

/// What was read of a bolt file.
#[derive(Debug)]
pub struct DatabaseFacts<T> {
    /// Where it is, below the root.
    pub path: PathBuf,
    /// What it is for.
    pub schema: Schema,
    /// When it was last written, before it was read.
    pub modified: Option<Time>,
    /// What came of reading it.
    pub state: DatabaseState<T>,
    /// What was found on pages that nothing leads to, when something is lost or no meta page is usable.
    pub salvage: Option<StrayRecords>,
}

/// What came of reading a bolt file.
#[derive(Debug)]
pub enum DatabaseState<T> {
    /// Its records, as far as its pages are readable.
    Read {
        /// The records.
        records: T,
        /// Pages that break the format's rules.
        faults: Vec<PageFault>,
        /// The transaction that was read.
        txid: u64,
        /// What of the file could be read, and what else is in it.
        view: Box<DatabaseView>,
    },
    /// It cannot be used at all.
    Unusable(Unusable),
    /// It could not be looked at.
    Unreadable(io::Error),
    /// It changed too fast for a consistent view.
    KeptChanging,
}

impl<T> DatabaseFacts<T> {
    /// The transaction that was read, if one was.
    #[must_use]
    pub fn txid(&self) -> Option<u64> {
        match &self.state {
            DatabaseState::Read { txid, .. } => Some(*txid),
            _ => None,
        }
    }

    /// What of it could be read, if anything.
    #[must_use]
    pub fn view(&self) -> Option<&DatabaseView> {
        match &self.state {
            DatabaseState::Read { view, .. } => Some(view),
            _ => None,
        }
    }

    /// The records, if there are any.
    #[must_use]
    pub fn records(&self) -> Option<&T> {
        match &self.state {
            DatabaseState::Read { records, .. } => Some(records),
            _ => None,
        }
    }
}

/// How often a database that is written to all the time is tried: one try in 1.35 fails under 2,100 commits a second.
const ATTEMPTS: u32 = 100;

/// Reads the bolt file at `path` below `root` into what `finish` makes of a visitor that has seen all of it.
pub(super) fn read_database<V: Visitor, T>(
    root: &Folder,
    path: &Path,
    schema: Schema,
    begin: impl Fn() -> V,
    finish: fn(V) -> T,
) -> DatabaseFacts<T> {
    let modified = root.stat(path).ok().map(|stat| stat.mtime);
    let (state, salvage) = match root.file(path) {
        Ok(file) => read_pages(&file, schema, begin, finish),
        Err(error) => (unopened(root, path, error), None),
    };
    DatabaseFacts { path: path.into(), schema, modified, state, salvage }
}

fn read_pages<V: Visitor, T>(
    source: &dyn ReadAt,
    schema: Schema,
    begin: impl Fn() -> V,
    finish: fn(V) -> T,
) -> (DatabaseState<T>, Option<StrayRecords>) {
    let look = |database: &Database<'_>| (DatabaseView::of(database, schema, begin()), database.meta().txid);
    match consistent(source, ATTEMPTS, look) {
        Ok((Seen { view, visitor, faults, salvage }, txid)) => {
            let records = finish(visitor);
            (DatabaseState::Read { records, faults, txid, view: Box::new(view) }, salvage)
        }
        Err(ViewError::Busy { .. }) => (DatabaseState::KeptChanging, None),
        Err(ViewError::Open(OpenError::Empty)) => (DatabaseState::Unusable(Unusable::Empty), None),
        Err(ViewError::Open(OpenError::Io(error))) => (DatabaseState::Unreadable(error), None),
        Err(ViewError::Open(OpenError::NoValidMeta { faults })) if let Some(errno) = unreadable(&faults) => {
            (DatabaseState::Unreadable(io::Error::from_raw_os_error(errno)), None)
        }
        Err(ViewError::Open(OpenError::TooShort { bytes })) => no_meta(source, NoMeta::TooShort { bytes }),
        Err(ViewError::Open(OpenError::NoValidMeta { faults })) => {
            no_meta(source, NoMeta::Invalid { faults })
        }
    }
}

/// A database of which only pages that nothing leads to may be read.
fn no_meta<T>(source: &dyn ReadAt, error: NoMeta) -> (DatabaseState<T>, Option<StrayRecords>) {
    let database = Database::without_meta(source).ok().flatten();
    (DatabaseState::Unusable(Unusable::NoMeta { error }), database.as_ref().map(salvage))
}

/// What is known of a file that cannot even be opened.
fn unopened<T>(root: &Folder, path: &Path, error: io::Error) -> DatabaseState<T> {
    match NotRegular::of(&error) {
        // containerd follows the link and has its database; here no link is followed.
        Some(FileKind::Symlink) if leads_to_data(root, path) => DatabaseState::Unreadable(Errno::LOOP.into()),
        Some(found) => DatabaseState::Unusable(Unusable::NotRegular { found }),
        None if error.kind() == io::ErrorKind::NotFound => DatabaseState::Unusable(Unusable::Absent),
        None => DatabaseState::Unreadable(error),
    }
}

/// Whether who follows the link `path` finds a file that is not empty.
fn leads_to_data(root: &Folder, path: &Path) -> bool {
    root.stat_through_links(path).is_ok_and(|stat| stat.kind == FileKind::File && stat.size_bytes > 0)
}

/// The error of a meta page that could not even be read: that is the medium's fault, and no reason to rebuild.
fn unreadable(faults: &[MetaFault]) -> Option<i32> {
    faults.iter().find_map(|fault| match fault {
        MetaFault::Unreadable { errno } => *errno,
        _ => None,
    })
}
