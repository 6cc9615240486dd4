//! Rows of a database that nobody else holds: changed by one commit, after a backup, with the journal knowing how to undo it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::locked::LockedStore;
use crate::bolt::{
    CommitError, CommitFile, Database, Edit, Edits, ReadAt, Visitor, commit, commit_announced,
};
use crate::repair::quarantine::disk::{Disk, NewFile, Step, StepGate};
use crate::repair::quarantine::journal::{Line, RawPath};
use crate::repair::quarantine::run::Run;
use crate::repair::quarantine::undo::Left;

/// Bytes that are copied at a time.
const CHUNK: usize = 256 * 1024;

/// A locked database, every write to which passes the gate first.
pub(in crate::repair) struct Gated<'a> {
    pub(in crate::repair) file: &'a std::fs::File,
    pub(in crate::repair) path: &'a Path,
    pub(in crate::repair) gate: &'a StepGate,
}

impl ReadAt for Gated<'_> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self.file, buf, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}

impl CommitFile for Gated<'_> {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.gate.pass(Step::Database, self.path)?;
        std::os::unix::fs::FileExt::write_all_at(self.file, bytes, offset)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.gate.pass(Step::Database, self.path)?;
        self.file.set_len(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.gate.pass(Step::Sync, self.path)?;
        self.file.sync_all()
    }
}

impl Run<'_> {
    /// Applies `edits` to the database at `path` (below the root) as one transaction. Before the first one of a run the
    /// whole file is copied among the items.
    ///
    /// # Errors
    /// [`CommitError`]; the database is then as it was, unless the error says otherwise.
    pub fn rows(&mut self, locked: &LockedStore<'_>, path: &Path, edits: &Edits) -> Result<(), CommitError> {
        if edits.is_empty() {
            return Ok(());
        }
        let file = locked.database(path).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let gated = Gated { file, path, gate: self.disk().gate() };
        self.back_up(&gated)?;
        commit_announced(&gated, edits, &mut |committed| {
            let (txid, inverse) = (committed.txid, committed.inverse.clone());
            self.log(&[Line::Rows { database: RawPath(path.into()), txid, inverse }])
        })?;
        Ok(())
    }

    fn back_up(&mut self, database: &Gated<'_>) -> io::Result<()> {
        if !self.backed_up.insert(database.path.into()) {
            return Ok(());
        }
        let item = self.new_item();
        let mut copy = self.items().create_file(&item)?;
        copy_to(database, &mut copy)?;
        copy.sync()?;
        self.log(&[Line::Backup {
            item: crate::repair::quarantine::run::number(&item)?,
            database: RawPath(database.path.into()),
        }])
    }
}

/// Copies all of a database to `copy`.
pub(in crate::repair) fn copy_to(database: &Gated<'_>, copy: &mut NewFile<'_>) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    let mut offset = 0;
    while let count @ 1.. = database.read_at(&mut buffer, offset)? {
        copy.write_all(buffer.get(..count).unwrap_or_default())?;
        offset += count as u64;
    }
    Ok(())
}

/// Puts rows back as `inverse` says, but for those that somebody else has changed since: they come back as what was left.
pub(in crate::repair) fn undo(
    disk: Disk<'_>,
    locked: &LockedStore<'_>,
    path: &Path,
    txid: u64,
    inverse: &Edits,
) -> Result<(bool, Vec<(PathBuf, Left)>), Left> {
    let file = locked.database(path).ok_or(Left::ChangedSince)?;
    let gated = Gated { file, path, gate: disk.gate() };
    let database = Database::open(&gated).map_err(io::Error::other)?;
    if database.meta().txid < txid {
        // The run was cut off before its commit counted.
        return Ok((false, Vec::new()));
    }
    let groups = Groups::of(inverse);
    let mut present = Present { groups: &groups, buckets: BTreeSet::new(), values: BTreeMap::new() };
    let walk = database.walk(&mut present);
    if !walk.complete {
        return Err(Left::System(io::Error::other("the database is damaged")));
    }
    let (mut edits, mut left) = (Edits::new(), Vec::new());
    for group in &groups.0 {
        match present.state(group) {
            State::AsLeft => edits.extend(group.edits.iter().map(|edit| (*edit).clone())),
            State::AsBefore => {}
            State::Other => left.push((named(path, group.path), Left::ChangedSince)),
        }
    }
    if edits.is_empty() {
        return Ok((false, left));
    }
    commit(&gated, &edits).map_err(|error| match error {
        CommitError::Io(error) | CommitError::Unknown(error) => Left::System(error),
        other => Left::System(io::Error::other(other)),
    })?;
    Ok((true, left))
}

/// A row's name for people, as if it were a path below its database.
fn named(database: &Path, path: &[Vec<u8>]) -> PathBuf {
    path.iter().fold(database.into(), |at, name| at.join(&*String::from_utf8_lossy(name)))
}

type Names = Vec<Vec<u8>>;

/// Edits that put one thing back: a bucket with all that is in it, or one value.
struct Group<'e> {
    path: &'e [Vec<u8>],
    edits: Vec<&'e Edit>,
}

struct Groups<'e>(Vec<Group<'e>>);

fn path_of(edit: &Edit) -> &Names {
    match edit {
        Edit::Put { path, .. }
        | Edit::Delete { path, .. }
        | Edit::CreateBucket { path }
        | Edit::DeleteBucket { path }
        | Edit::SetSequence { path, .. } => path,
    }
}

impl<'e> Groups<'e> {
    fn of(edits: &'e Edits) -> Groups<'e> {
        let made: BTreeSet<&Names> = edits
            .0
            .iter()
            .filter_map(|edit| match edit {
                Edit::CreateBucket { path } => Some(path),
                _ => None,
            })
            .collect();
        let outermost = |path: &'e Names| {
            (1..=path.len())
                .filter_map(|length| path.get(..length))
                .find(|names| made.contains(&names.to_vec()))
        };
        let mut groups: Vec<Group<'e>> = Vec::new();
        let mut by_path: BTreeMap<&'e [Vec<u8>], usize> = BTreeMap::new();
        for edit in &edits.0 {
            match outermost(path_of(edit)) {
                Some(path) => {
                    let at = *by_path.entry(path).or_insert_with(|| {
                        groups.push(Group { path, edits: Vec::new() });
                        groups.len() - 1
                    });
                    if let Some(group) = groups.get_mut(at) {
                        group.edits.push(edit);
                    }
                }
                None => groups.push(Group { path: path_of(edit), edits: vec![edit] }),
            }
        }
        Groups(groups)
    }
}

/// What is there now of what would be put back.
struct Present<'g> {
    groups: &'g Groups<'g>,
    buckets: BTreeSet<Names>,
    values: BTreeMap<(Names, Vec<u8>), Vec<u8>>,
}

enum State {
    /// As the run left it: put it back.
    AsLeft,
    /// As it was before the run: nothing to do.
    AsBefore,
    /// Somebody else changed it.
    Other,
}

impl Present<'_> {
    fn state(&self, group: &Group<'_>) -> State {
        let is_there = |edit: &&Edit| match edit {
            Edit::Put { path, key, value } => self.values.get(&(path.clone(), key.clone())) == Some(value),
            Edit::CreateBucket { path } => self.buckets.contains(path),
            Edit::SetSequence { .. } => true,
            Edit::Delete { path, key } => !self.values.contains_key(&(path.clone(), key.clone())),
            Edit::DeleteBucket { path } => !self.buckets.contains(path),
        };
        let is_taken = match group.edits.first() {
            // A bucket that the run took away, and that is there again.
            Some(Edit::CreateBucket { .. }) => self.buckets.contains(group.path),
            _ => false,
        };
        let only_sequence = group.edits.iter().all(|edit| matches!(edit, Edit::SetSequence { .. }));
        match (group.edits.iter().all(is_there), is_taken) {
            (true, _) if !only_sequence => State::AsBefore,
            (_, true) => State::Other,
            _ => State::AsLeft,
        }
    }
}

impl Visitor for Present<'_> {
    fn enter(&mut self, path: &[Vec<u8>], _sequence: u64) {
        if self.groups.0.iter().any(|group| path.starts_with(group.path)) {
            self.buckets.insert(path.to_vec());
        }
    }

    fn value(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) {
        let wanted = |group: &Group<'_>| match group.edits.first() {
            Some(Edit::CreateBucket { .. }) => path.starts_with(group.path),
            Some(Edit::Put { path: of, key: name, .. } | Edit::Delete { path: of, key: name }) => {
                path == of.as_slice() && key == name.as_slice()
            }
            _ => false,
        };
        if self.groups.0.iter().any(wanted) {
            self.values.insert((path.to_vec(), key.to_vec()), value.to_vec());
        }
    }
}
