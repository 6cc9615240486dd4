//! Merges the tree that a walk shows with the edits of a transaction into a new tree, and notes the edits that undo it.

use std::borrow::Cow;
use std::collections::btree_map::Iter;
use std::iter::Peekable;

use super::commit::{CommitError, Keep};
use super::node::MAX_KEY_BYTES;
use super::output::Output;
use super::overlay::{Bucket, Entry, New};
use super::write::BucketWriter;
use super::{Edit, Edits, Pgid, Visitor};

/// Most bytes that are held of keys found out of order.
const MAX_LATE_BYTES: usize = 64 << 20;

/// What the merge does on the way besides writing.
#[derive(Default)]
pub(super) struct Notes {
    /// Gives back what the edits changed.
    pub(super) inverse: Edits,
    /// Values that the caller did not want to keep, and those whose key no bolt would take.
    pub(super) dropped: u64,
    /// What came out of order, to be put where it belongs by a second run.
    pub(super) late: Late,
}

/// Keys and buckets found out of order, in the order in which they were found.
#[derive(Default)]
pub(super) struct Late {
    pub(super) found: Vec<LateThing>,
    bytes: usize,
}

pub(super) enum LateThing {
    Bucket(Vec<Vec<u8>>, u64),
    Value(Vec<Vec<u8>>, Vec<u8>, Vec<u8>),
}

pub(super) struct Merge<'m, 'f, 'o> {
    out: &'m mut Output<'f>,
    keep: &'m Keep<'m>,
    levels: Vec<Level<'o>>,
    pub(super) notes: Notes,
    pub(super) error: Option<CommitError>,
}

/// An open bucket.
struct Level<'o> {
    name: Vec<u8>,
    sequence: u64,
    state: State<'o>,
    /// The largest key so far.
    last: Option<Vec<u8>>,
}

enum State<'o> {
    Build {
        bucket: BucketWriter,
        edits: Option<Peekable<Iter<'o, Cow<'o, [u8]>, Entry<'o>>>>,
        /// Made by this transaction: nothing in it needs to be undone by itself.
        fresh: bool,
    },
    /// The edits remove it; then they may put something else in its place.
    Remove(Option<&'o Entry<'o>>),
    /// Found out of order.
    Late,
}

type Done = Result<(), CommitError>;

impl<'m, 'f, 'o> Merge<'m, 'f, 'o> {
    pub(super) fn new(
        out: &'m mut Output<'f>,
        keep: &'m Keep<'m>,
        edits: &'o Bucket<'o>,
        sequence: u64,
    ) -> Self {
        let mut merge = Self { out, keep, levels: Vec::new(), notes: Notes::default(), error: None };
        merge.open(&[], Some(edits), sequence, false);
        merge
    }

    /// Ends the root bucket; returns its page and its sequence.
    pub(super) fn finish(mut self) -> Result<(Pgid, u64, Notes), CommitError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        self.insert_until(None)?;
        let Some(Level { state: State::Build { bucket, .. }, sequence, .. }) = self.levels.pop() else {
            return Err(CommitError::Unbalanced);
        };
        Ok((bucket.finish_root(self.out)?, sequence, self.notes))
    }

    fn path(&self) -> Vec<Vec<u8>> {
        self.levels.iter().skip(1).map(|level| level.name.clone()).collect()
    }

    /// Opens a bucket with what the edits do to it. `sequence` is what it has, or is made with.
    fn open(&mut self, name: &[u8], edits: Option<&'o Bucket<'o>>, sequence: u64, fresh: bool) {
        let wanted = edits.and_then(|edits| edits.sequence).unwrap_or(sequence);
        let edits = edits.map(|edits| edits.entries.iter().peekable());
        let state = State::Build { bucket: BucketWriter::default(), edits, fresh };
        self.levels.push(Level { name: name.to_vec(), sequence: wanted, state, last: None });
        if wanted != sequence && !fresh {
            let path = self.path();
            self.notes.inverse.push(Edit::SetSequence { path, sequence });
        }
    }

    /// Ends a bucket that is built, and puts it into the one around it.
    fn close(&mut self) -> Done {
        self.insert_until(None)?;
        let Some(Level { name, sequence, state, .. }) = self.levels.pop() else {
            return Err(CommitError::Unbalanced);
        };
        let State::Build { bucket, .. } = state else { return Err(CommitError::Unbalanced) };
        let value = bucket.finish(self.out, sequence)?;
        match self.levels.last_mut().map(|level| &mut level.state) {
            Some(State::Build { bucket, .. }) => bucket.bucket(self.out, &name, &value),
            _ => Err(CommitError::Unbalanced),
        }
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Done {
        match self.levels.last_mut().map(|level| &mut level.state) {
            Some(State::Build { bucket, .. }) => bucket.value(self.out, key, value),
            _ => Err(CommitError::Unbalanced),
        }
    }

    /// Carries out the edits of keys before `key`, or all that are left: nothing was there.
    fn insert_until(&mut self, key: Option<&[u8]>) -> Done {
        loop {
            let Some(State::Build { edits: Some(edits), .. }) =
                self.levels.last_mut().map(|level| &mut level.state)
            else {
                return Ok(());
            };
            let Some((name, entry)) = edits.next_if(|(name, _)| key.is_none_or(|key| ***name < *key)) else {
                return Ok(());
            };
            self.insert(name, entry)?;
        }
    }

    /// The edit of `key` itself.
    fn edit_of(&mut self, key: &[u8]) -> Option<&'o Entry<'o>> {
        let State::Build { edits: Some(edits), .. } = &mut self.levels.last_mut()?.state else { return None };
        Some(edits.next_if(|(name, _)| ***name == *key)?.1)
    }

    fn fresh(&self) -> bool {
        matches!(self.levels.last(), Some(Level { state: State::Build { fresh: true, .. }, .. }))
    }

    /// Sets what the edits have for a key where nothing is, or nothing any more. Recursion ends with the paths of the edits.
    fn insert(&mut self, key: &[u8], entry: &'o Entry<'o>) -> Done {
        let quiet = self.fresh() || entry.late;
        match &entry.new {
            New::Nothing => Ok(()),
            New::Value(value) => {
                self.check_key(key)?;
                if !quiet {
                    let path = self.path();
                    self.notes.inverse.push(Edit::Delete { path, key: key.to_vec() });
                }
                self.put(key, value)
            }
            New::Bucket(edits) if edits.create => {
                if key.is_empty() {
                    return Err(self.conflict(key));
                }
                self.open(key, Some(edits), edits.initial, true);
                if !quiet {
                    let path = self.path();
                    self.notes.inverse.push(Edit::DeleteBucket { path });
                }
                self.close()
            }
            New::Bucket(_) => Ok(()),
        }
    }

    fn check_key(&self, key: &[u8]) -> Done {
        if key.is_empty() || key.len() > MAX_KEY_BYTES as usize { Err(self.conflict(key)) } else { Ok(()) }
    }

    fn conflict(&self, key: &[u8]) -> CommitError {
        CommitError::Conflict { path: self.path(), key: key.to_vec() }
    }

    /// Whether a key follows the one before it in its bucket.
    fn in_order(&mut self, key: &[u8]) -> bool {
        let Some(level) = self.levels.last_mut() else { return false };
        match &mut level.last {
            Some(last) if key <= last.as_slice() => return false,
            Some(last) => {
                last.clear();
                last.extend_from_slice(key);
            }
            none => *none = Some(key.to_vec()),
        }
        true
    }

    fn visit_value(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) -> Done {
        match self.levels.last().map(|level| &level.state) {
            Some(State::Remove(_)) => {
                self.keep_for_undo(path, key, value);
                return Ok(());
            }
            Some(State::Late) => return self.late_value(path, key, value),
            _ => {}
        }
        if key.is_empty() || key.len() > MAX_KEY_BYTES as usize {
            self.notes.dropped += 1;
            return Ok(());
        }
        if !self.in_order(key) {
            return self.late_value(path, key, value);
        }
        self.insert_until(Some(key))?;
        let entry = self.edit_of(key).filter(|entry| !entry.late);
        if !(self.keep)(path, key, value) {
            self.notes.dropped += 1;
            self.keep_for_undo(path, key, value);
            return entry.map_or(Ok(()), |entry| self.insert(key, entry));
        }
        let Some(entry) = entry else { return self.put(key, value) };
        match (&entry.new, entry.remove_value) {
            (New::Nothing, false) => self.put(key, value),
            (New::Bucket(edits), false) if edits.create => Err(self.conflict(key)),
            (New::Bucket(_), false) => self.put(key, value),
            (New::Value(new), _) if **new == *value => self.put(key, value),
            (New::Value(new), _) => {
                self.keep_for_undo(path, key, value);
                self.put(key, new)
            }
            (New::Nothing | New::Bucket(_), true) => {
                self.insert(key, entry)?;
                self.keep_for_undo(path, key, value);
                Ok(())
            }
        }
    }

    fn keep_for_undo(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) {
        let (path, key, value) = (path.to_vec(), key.to_vec(), value.to_vec());
        self.notes.inverse.push(Edit::Put { path, key, value });
    }

    fn late_value(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) -> Done {
        if key.is_empty() || key.len() > MAX_KEY_BYTES as usize || !(self.keep)(path, key, value) {
            self.notes.dropped += 1;
            return Ok(());
        }
        let thing = LateThing::Value(path.to_vec(), key.to_vec(), value.to_vec());
        self.late(thing, path, key.len() + value.len())
    }

    fn late(&mut self, thing: LateThing, path: &[Vec<u8>], bytes: usize) -> Done {
        let path_bytes: usize = path.iter().map(|name| name.len() + size_of::<Vec<u8>>()).sum();
        self.notes.late.bytes += path_bytes + bytes;
        if self.notes.late.bytes > MAX_LATE_BYTES {
            return Err(CommitError::TooLarge { bytes: self.notes.late.bytes as u64 });
        }
        self.notes.late.found.push(thing);
        Ok(())
    }

    fn visit_enter(&mut self, path: &[Vec<u8>], sequence: u64) -> Done {
        let Some(name) = path.last() else { return Err(CommitError::Unbalanced) };
        let state = match self.levels.last().map(|level| &level.state) {
            Some(State::Remove(_)) => {
                self.remember_bucket(path, sequence);
                State::Remove(None)
            }
            Some(State::Late) => self.late_bucket(path, sequence)?,
            _ => match self.enter_built(path, name, sequence)? {
                Some(state) => state,
                None => return Ok(()),
            },
        };
        self.levels.push(Level { name: name.clone(), sequence, state, last: None });
        Ok(())
    }

    /// Opens a bucket within one that is built; returns the state of one that is not built itself.
    fn enter_built(
        &mut self,
        path: &[Vec<u8>],
        name: &[u8],
        sequence: u64,
    ) -> Result<Option<State<'o>>, CommitError> {
        if name.is_empty() || !self.in_order(name) {
            return self.late_bucket(path, sequence).map(Some);
        }
        self.insert_until(Some(name))?;
        let edits = match self.edit_of(name) {
            Some(entry) if entry.remove_bucket => {
                self.undo_replacement(path, name, entry);
                self.remember_bucket(path, sequence);
                return Ok(Some(State::Remove(Some(entry))));
            }
            Some(Entry { new: New::Value(_), late: false, .. }) => return Err(self.conflict(name)),
            Some(Entry { new: New::Bucket(edits), .. }) => Some(edits),
            _ => None,
        };
        self.open(name, edits, sequence, false);
        Ok(None)
    }

    /// The inverse first removes what took the place of a bucket, then makes the bucket again.
    fn undo_replacement(&mut self, path: &[Vec<u8>], name: &[u8], entry: &Entry<'_>) {
        let edit = match entry.new {
            New::Nothing => return,
            New::Value(_) => Edit::Delete { path: self.path(), key: name.to_vec() },
            _ => Edit::DeleteBucket { path: path.to_vec() },
        };
        self.notes.inverse.push(edit);
    }

    fn remember_bucket(&mut self, path: &[Vec<u8>], sequence: u64) {
        self.notes.inverse.push(Edit::CreateBucket { path: path.to_vec() });
        if sequence != 0 {
            self.notes.inverse.push(Edit::SetSequence { path: path.to_vec(), sequence });
        }
    }

    fn late_bucket(&mut self, path: &[Vec<u8>], sequence: u64) -> Result<State<'o>, CommitError> {
        self.late(LateThing::Bucket(path.to_vec(), sequence), path, 0)?;
        Ok(State::Late)
    }

    fn visit_leave(&mut self) -> Done {
        match self.levels.last().map(|level| &level.state) {
            Some(State::Build { .. }) => self.close(),
            Some(State::Remove(entry)) => {
                let entry = *entry;
                let name = self.levels.pop().map(|level| level.name).unwrap_or_default();
                match entry {
                    // Its undo stands before that of the bucket.
                    Some(entry) => self.insert_quietly(&name, entry),
                    None => Ok(()),
                }
            }
            Some(State::Late) => {
                self.levels.pop();
                Ok(())
            }
            None => Err(CommitError::Unbalanced),
        }
    }

    fn insert_quietly(&mut self, name: &[u8], entry: &'o Entry<'o>) -> Done {
        let noted = self.notes.inverse.0.len();
        self.insert(name, entry)?;
        self.notes.inverse.0.truncate(noted);
        Ok(())
    }

    fn note(&mut self, done: Done) {
        if let Err(error) = done {
            self.error.get_or_insert(error);
        }
    }
}

/// After an error nothing more is done until the walk ends.
impl Visitor for Merge<'_, '_, '_> {
    fn enter(&mut self, path: &[Vec<u8>], sequence: u64) {
        if self.error.is_none() {
            let done = self.visit_enter(path, sequence);
            self.note(done);
        }
    }

    fn value(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) {
        if self.error.is_none() {
            let done = self.visit_value(path, key, value);
            self.note(done);
        }
    }

    fn leave(&mut self, _path: &[Vec<u8>]) {
        if self.error.is_none() {
            let done = self.visit_leave();
            self.note(done);
        }
    }

    fn interrupted(&self) -> bool {
        self.error.is_some()
    }
}
