//! Edits in the shape of the tree that they are merged with.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use super::commit::CommitError;
use super::{Edit, Edits};

/// The deepest path that an edit may have, as deep as the reader reads.
pub(super) const MAX_PATH: usize = 250;

/// What happens to a bucket.
#[derive(Debug, Default)]
pub(super) struct Bucket<'e> {
    /// It is made if it is not there.
    pub(super) create: bool,
    /// The sequence it gets when it is made.
    pub(super) initial: u64,
    /// The sequence it gets in any case.
    pub(super) sequence: Option<u64>,
    pub(super) entries: BTreeMap<Cow<'e, [u8]>, Entry<'e>>,
}

/// What happens to what has one key: first it may be removed, then something may be set.
#[derive(Debug, Default)]
pub(super) struct Entry<'e> {
    pub(super) remove_value: bool,
    pub(super) remove_bucket: bool,
    /// Found out of order in a damaged tree: it counts only where nothing else has the key.
    pub(super) late: bool,
    pub(super) new: New<'e>,
}

#[derive(Debug, Default)]
pub(super) enum New<'e> {
    #[default]
    Nothing,
    Value(Cow<'e, [u8]>),
    Bucket(Bucket<'e>),
}

impl<'e> Bucket<'e> {
    /// Puts the edits of a transaction together.
    pub(super) fn of(edits: &'e Edits) -> Result<Self, CommitError> {
        let mut root = Self::default();
        for edit in &edits.0 {
            root.apply(edit)?;
        }
        Ok(root)
    }

    fn apply(&mut self, edit: &'e Edit) -> Result<(), CommitError> {
        match edit {
            Edit::Put { path, key, value } => {
                let entry = self.open(path, true)?.entries.entry(Cow::Borrowed(key)).or_default();
                if matches!(entry.new, New::Bucket(_)) {
                    return Err(conflict(path, key));
                }
                entry.new = New::Value(Cow::Borrowed(value));
            }
            Edit::Delete { path, key } => {
                let entry = self.open(path, false)?.entries.entry(Cow::Borrowed(key)).or_default();
                match entry.new {
                    New::Bucket(_) => return Err(conflict(path, key)),
                    _ => (entry.remove_value, entry.new) = (true, New::Nothing),
                }
            }
            Edit::CreateBucket { path } => {
                self.open(path, true)?;
            }
            Edit::DeleteBucket { path } => {
                let Some((name, parent)) = path.split_last() else { return Err(conflict(path, &[])) };
                let entry = self.open(parent, false)?.entries.entry(Cow::Borrowed(name)).or_default();
                match entry.new {
                    New::Value(_) => return Err(conflict(parent, name)),
                    _ => (entry.remove_bucket, entry.new) = (true, New::Nothing),
                }
            }
            Edit::SetSequence { path, sequence } => self.open(path, true)?.sequence = Some(*sequence),
        }
        Ok(())
    }

    /// The bucket at `path`, which is made there together with those on the way, or only looked for.
    fn open(&mut self, path: &'e [Vec<u8>], create: bool) -> Result<&mut Self, CommitError> {
        if path.len() > MAX_PATH {
            return Err(conflict(path, &[]));
        }
        let mut bucket = self;
        for (depth, name) in path.iter().enumerate() {
            let entry = bucket.entries.entry(Cow::Borrowed(name)).or_default();
            match &mut entry.new {
                New::Value(_) => return Err(conflict(path.get(..depth).unwrap_or_default(), name)),
                New::Bucket(_) => {}
                nothing => *nothing = New::Bucket(Self::default()),
            }
            let New::Bucket(next) = &mut entry.new else { return Err(conflict(path, name)) };
            next.create |= create;
            bucket = next;
        }
        Ok(bucket)
    }

    /// Adds a bucket found out of order.
    pub(super) fn add_late_bucket(&mut self, path: &[Vec<u8>], sequence: u64) {
        let Some(bucket) = self.open_late(path) else { return };
        if !bucket.create {
            (bucket.create, bucket.initial) = (true, sequence);
        }
    }

    /// Adds a value found out of order.
    pub(super) fn add_late(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) {
        let Some(bucket) = self.open_late(path) else { return };
        if let Slot::Vacant(slot) = bucket.entries.entry(Cow::Owned(key.to_vec())) {
            let new = New::Value(Cow::Owned(value.to_vec()));
            slot.insert(Entry { late: true, new, ..Entry::default() });
        }
    }

    /// The bucket at `path`, unless an edit removes it or something on the way.
    fn open_late(&mut self, path: &[Vec<u8>]) -> Option<&mut Self> {
        let mut bucket = self;
        for name in path {
            let entry = match bucket.entries.entry(Cow::Owned(name.clone())) {
                Slot::Vacant(slot) => {
                    slot.insert(Entry { late: true, new: New::Bucket(Self::default()), ..Entry::default() })
                }
                Slot::Occupied(slot) if slot.get().remove_bucket => return None,
                Slot::Occupied(slot) => slot.into_mut(),
            };
            let New::Bucket(next) = &mut entry.new else { return None };
            bucket = next;
        }
        Some(bucket)
    }
}

fn conflict(path: &[Vec<u8>], key: &[u8]) -> CommitError {
    CommitError::Conflict { path: path.to_vec(), key: key.to_vec() }
}
