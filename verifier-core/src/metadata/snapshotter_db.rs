//! A snapshotter's metadata.db.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::labels::Labels;
use super::meta_db::{InvalidValue, Metadata};
use super::value;
use crate::bolt::Visitor;
use crate::finding::Usage;
use crate::finding::ValueError;
use crate::texts::{Text, Texts};
use crate::time::Timestamp;

/// What a snapshot is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Nothing containerd knows (0, or a number above 3).
    #[default]
    Unknown,
    /// Read-only, of a committed one.
    View,
    /// Writable: a container's.
    Active,
    /// Finished: never changes again.
    Committed,
}

/// A snapshot as its snapshotter knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackendSnapshot {
    /// Its number: the folder's name.
    pub id: u64,
    /// What it is.
    pub kind: Kind,
    /// The key of the snapshot it builds on (`namespace/sequence/key`); empty for a base.
    pub parent: Text,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it was last changed.
    pub updated: Option<Timestamp>,
    /// What it occupied when it was committed.
    pub usage: Option<Usage>,
    /// Its labels.
    pub labels: Labels,
}

/// What a metadata.db says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshots {
    /// Snapshots by key: `namespace/sequence/key`.
    pub by_key: BTreeMap<Text, BackendSnapshot>,
    /// The parents index: parent's and child's id.
    pub parents: BTreeSet<(u64, u64)>,
    /// The last id that was given out.
    pub sequence: u64,
    /// Values that do not decode, the first [`Metadata::INVALID_KEPT`] of them.
    pub invalid: Vec<InvalidValue>,
    /// How many more there are.
    pub invalid_left_out: u64,
}

/// Turns the walk over a metadata.db into [`Snapshots`].
#[derive(Default)]
pub struct SnapshotterVisitor {
    snapshots: Snapshots,
    texts: Rc<Texts>,
    open: Option<Open>,
}

#[derive(Default)]
struct Open {
    snapshot: BackendSnapshot,
    has_id: bool,
    has_kind: bool,
    inodes: Option<u64>,
    size_bytes: Option<u64>,
    spoilt: bool,
}

impl SnapshotterVisitor {
    /// With the texts that the other databases have.
    pub(crate) fn sharing(texts: Rc<Texts>) -> Self {
        SnapshotterVisitor { texts, ..SnapshotterVisitor::default() }
    }

    /// What was read.
    #[must_use]
    pub fn finish(mut self) -> Snapshots {
        value::pack(&mut self.snapshots.by_key);
        self.snapshots
    }

    fn invalid(&mut self, path: &[Vec<u8>], key: Option<&[u8]>, error: ValueError) {
        if self.snapshots.invalid.len() < Metadata::INVALID_KEPT {
            self.snapshots.invalid.push(InvalidValue::new(path, key, error));
        } else {
            self.snapshots.invalid_left_out += 1;
        }
    }

    fn set_parent(&mut self, key: &[u8]) -> Result<(), ValueError> {
        // A varint's last byte alone has the top bit clear, so the first 00 that ends the parent's number is the separator.
        let end = key.iter().position(|byte| byte & 0x80 == 0).ok_or(ValueError::Number)?;
        let (parent, rest) = key.split_at_checked(end + 1).ok_or(ValueError::Number)?;
        let child = rest.strip_prefix(&[0]).ok_or(ValueError::Number)?;
        self.snapshots.parents.insert((value::uvarint(parent)?, value::uvarint(child)?));
        Ok(())
    }
}

impl Open {
    fn set(
        &mut self,
        rest: &[Vec<u8>],
        (key, value): (&[u8], &[u8]),
        texts: &Texts,
    ) -> Result<(), ValueError> {
        match (rest, key) {
            ([], b"id") => {
                self.snapshot.id = value::uvarint(value)?;
                self.has_id = true;
            }
            ([], b"kind") => {
                self.snapshot.kind = match value {
                    [1] => Kind::View,
                    [2] => Kind::Active,
                    [3] => Kind::Committed,
                    [other] => return Err(ValueError::Range(i64::from(*other))),
                    _ => return Err(ValueError::Number),
                };
                self.has_kind = true;
            }
            ([], b"parent") => self.snapshot.parent = value::shared(value, texts)?,
            ([], b"createdat") => self.snapshot.created = Some(value::time(value)?),
            ([], b"updatedat") => self.snapshot.updated = Some(value::time(value)?),
            ([], b"inodes") => self.inodes = Some(value::count(value)?),
            ([], b"size") => self.size_bytes = Some(value::count(value)?),
            ([bucket], _) if bucket == b"labels" => {
                value::label(&mut self.snapshot.labels, (key, value), texts)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn missing(&self) -> Option<&'static str> {
        match (self.has_id, self.has_kind) {
            (false, _) => Some("id"),
            (_, false) => Some("kind"),
            _ => None,
        }
    }
}

impl Visitor for SnapshotterVisitor {
    fn enter(&mut self, path: &[Vec<u8>], sequence: u64) {
        match path {
            [v1, snapshots] if v1 == b"v1" && snapshots == b"snapshots" => self.snapshots.sequence = sequence,
            [v1, snapshots, _] if v1 == b"v1" && snapshots == b"snapshots" => {
                self.open = Some(Open::default());
            }
            _ => {}
        }
    }

    fn value(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) {
        let set = match (&mut self.open, path) {
            (Some(open), _) => {
                let set = open.set(path.get(3..).unwrap_or_default(), (key, value), &self.texts);
                open.spoilt |= set.is_err();
                set
            }
            (None, [v1, parents]) if v1 == b"v1" && parents == b"parents" => self.set_parent(key),
            _ => Ok(()),
        };
        if let Err(error) = set {
            self.invalid(path, Some(key), error);
        }
    }

    fn leave(&mut self, path: &[Vec<u8>]) {
        let Some(mut open) = self.open.take_if(|_| path.len() == 3) else { return };
        if let Some(name) = open.missing().filter(|_| !open.spoilt) {
            self.invalid(path, None, ValueError::Missing(name));
        }
        if let (Some(inodes), Some(size_bytes)) = (open.inodes, open.size_bytes) {
            open.snapshot.usage = Some(Usage { inodes, size_bytes });
        }
        match path.last().map(|key| value::shared(key, &self.texts)) {
            // Without an id the row leads nowhere: it would seem to be snapshot 0's.
            Some(Ok(key)) if open.has_id => drop(self.snapshots.by_key.insert(key, open.snapshot)),
            Some(Err(error)) => self.invalid(path, None, error),
            _ => {}
        }
    }
}
