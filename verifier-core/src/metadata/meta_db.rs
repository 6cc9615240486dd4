//! All of meta.db: the walk over its buckets becomes typed records.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::labels::Labels;
use super::value;
use super::{
    BlobRecord, ContainerRecord, ImageRecord, IngestRecord, LeaseRecord, SandboxRecord, SnapshotRecord,
};
use crate::bolt::Visitor;
use crate::digest::Digest;
use crate::finding::ValueError;
use crate::texts::{Text, Texts};

/// What meta.db says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The schema's version within `v1`; containerd migrates older ones when it starts.
    pub version: Option<i64>,
    /// The namespaces, by name.
    pub namespaces: BTreeMap<String, Namespace>,
    /// Values that do not decode, the first [`Metadata::INVALID_KEPT`] of them.
    pub invalid: Vec<InvalidValue>,
    /// How many more there are.
    pub invalid_left_out: u64,
}

impl Metadata {
    /// How many undecodable values are kept: a database of noise must not fill the memory.
    pub const INVALID_KEPT: usize = 1000;
}

/// The records of one namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespace {
    /// The namespace's own labels.
    pub labels: Labels,
    /// Image records by name.
    pub images: BTreeMap<String, ImageRecord>,
    /// Blob records by digest.
    pub blobs: BTreeMap<Digest, BlobRecord>,
    /// Ingest records by the client's ref.
    pub ingests: BTreeMap<String, IngestRecord>,
    /// Snapshot records by snapshotter, then key.
    pub snapshots: BTreeMap<String, BTreeMap<Text, SnapshotRecord>>,
    /// By snapshotter, the last sequence number that went into a snapshot's backend key (`namespace/sequence/key`): that
    /// of the bucket `snapshots/<snapshotter>`.
    pub sequences: BTreeMap<String, u64>,
    /// Container records by id.
    pub containers: BTreeMap<String, ContainerRecord>,
    /// Sandbox records by id.
    pub sandboxes: BTreeMap<String, SandboxRecord>,
    /// Leases by id.
    pub leases: BTreeMap<String, LeaseRecord>,
}

/// A value that is not what containerd writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidValue {
    /// The buckets on the way and the key; what is not UTF-8 shows as U+FFFD.
    pub path: Vec<String>,
    /// What is wrong.
    pub error: ValueError,
}

impl InvalidValue {
    pub(super) fn new(path: &[Vec<u8>], key: Option<&[u8]>, error: ValueError) -> Self {
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        InvalidValue { path: path.iter().map(Vec::as_slice).chain(key).map(lossy).collect(), error }
    }
}

/// A record whose buckets are being walked.
enum Record {
    Image(ImageRecord),
    Blob(BlobRecord),
    Ingest(IngestRecord),
    Snapshot(SnapshotRecord),
    Container(ContainerRecord),
    Sandbox(SandboxRecord),
    Lease(LeaseRecord),
}

impl Record {
    /// The record that the bucket at `path` begins, if it begins one.
    fn at(path: &[Vec<u8>]) -> Option<Record> {
        let path: Vec<&[u8]> = path.iter().map(Vec::as_slice).collect();
        match path.as_slice() {
            [b"v1", _, b"images", _] => Some(Record::Image(ImageRecord::default())),
            [b"v1", _, b"content", b"blob", _] => Some(Record::Blob(BlobRecord::default())),
            [b"v1", _, b"content", b"ingests", _] => Some(Record::Ingest(IngestRecord::default())),
            [b"v1", _, b"snapshots", _, _] => Some(Record::Snapshot(SnapshotRecord::default())),
            [b"v1", _, b"containers", _] => Some(Record::Container(ContainerRecord::default())),
            [b"v1", _, b"sandboxes", _] => Some(Record::Sandbox(SandboxRecord::default())),
            [b"v1", _, b"leases", _] => Some(Record::Lease(LeaseRecord::default())),
            _ => None,
        }
    }

    fn set(&mut self, rest: &[Vec<u8>], pair: (&[u8], &[u8]), texts: &Texts) -> Result<(), ValueError> {
        match self {
            Record::Image(record) => record.set(rest, pair, texts),
            Record::Blob(record) => record.set(rest, pair, texts),
            Record::Ingest(record) => record.set(rest, pair),
            Record::Snapshot(record) => record.set(rest, pair, texts),
            Record::Container(record) => record.set(rest, pair, texts),
            Record::Sandbox(record) => record.set(rest, pair, texts),
            Record::Lease(record) => record.set(rest, pair, texts),
        }
    }

    /// What such a record always has and this one has not.
    fn missing(&self) -> Option<&'static str> {
        match self {
            Record::Image(record) => record.missing(),
            Record::Blob(record) => record.missing(),
            Record::Snapshot(record) => record.missing(),
            Record::Ingest(_) | Record::Container(_) | Record::Sandbox(_) | Record::Lease(_) => None,
        }
    }

    fn insert(self, namespace: &mut Namespace, path: &[Vec<u8>], texts: &Texts) -> Result<(), ValueError> {
        let last = path.last().map(Vec::as_slice).unwrap_or_default();
        match self {
            Record::Blob(record) => drop(namespace.blobs.insert(value::digest(last)?, record)),
            Record::Image(record) => drop(namespace.images.insert(value::text(last)?, record)),
            Record::Ingest(record) => drop(namespace.ingests.insert(value::text(last)?, record)),
            Record::Container(record) => drop(namespace.containers.insert(value::text(last)?, record)),
            Record::Sandbox(record) => drop(namespace.sandboxes.insert(value::text(last)?, record)),
            Record::Lease(record) => drop(namespace.leases.insert(value::text(last)?, record)),
            Record::Snapshot(record) => {
                let snapshotter = path.get(path.len().wrapping_sub(2)).map(Vec::as_slice).unwrap_or_default();
                let of = namespace.snapshots.entry(value::text(snapshotter)?).or_default();
                of.insert(value::shared(last, texts)?, record);
            }
        }
        Ok(())
    }
}

/// Turns the walk over a meta.db into [`Metadata`].
#[derive(Default)]
pub struct MetadataVisitor {
    metadata: Metadata,
    texts: Rc<Texts>,
    /// The record being walked, how many buckets lead to it, and whether a value of it was invalid.
    open: Option<(Record, usize, bool)>,
}

impl MetadataVisitor {
    /// With the texts that the other databases have.
    pub(crate) fn sharing(texts: Rc<Texts>) -> Self {
        MetadataVisitor { texts, ..MetadataVisitor::default() }
    }

    /// What was read.
    #[must_use]
    pub fn finish(mut self) -> Metadata {
        for namespace in self.metadata.namespaces.values_mut() {
            value::pack(&mut namespace.blobs);
            namespace.snapshots.values_mut().for_each(value::pack);
        }
        self.metadata
    }

    fn invalid(&mut self, path: &[Vec<u8>], key: Option<&[u8]>, error: ValueError) {
        if self.metadata.invalid.len() < Metadata::INVALID_KEPT {
            self.metadata.invalid.push(InvalidValue::new(path, key, error));
        } else {
            self.metadata.invalid_left_out += 1;
        }
    }

    fn namespace(&mut self, path: &[Vec<u8>]) -> Result<&mut Namespace, ValueError> {
        let name = value::text(path.get(1).map(Vec::as_slice).unwrap_or_default())?;
        Ok(self.metadata.namespaces.entry(name).or_default())
    }

    /// A name that does not decode is reported with each record below it.
    fn set_sequence(&mut self, path: &[Vec<u8>], name: &[u8], sequence: u64) {
        if let (Ok(name), Ok(namespace)) = (value::text(name), self.namespace(path)) {
            namespace.sequences.insert(name, sequence);
        }
    }

    fn set_outside_records(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) -> Result<(), ValueError> {
        match path {
            [v1] if v1 == b"v1" && key == b"version" => self.metadata.version = Some(value::varint(value)?),
            [v1, _, bucket] if v1 == b"v1" && bucket == b"labels" => {
                let texts = Rc::clone(&self.texts);
                value::label(&mut self.namespace(path)?.labels, (key, value), &texts)?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Visitor for MetadataVisitor {
    fn enter(&mut self, path: &[Vec<u8>], sequence: u64) {
        if self.open.is_some() {
            return;
        }
        let set = match (Record::at(path), path) {
            (Some(record), _) => {
                self.open = Some((record, path.len(), false));
                Ok(())
            }
            (None, [_, _]) => self.namespace(path).map(drop),
            (None, [v1, _, snapshots, name]) if v1 == b"v1" && snapshots == b"snapshots" => {
                self.set_sequence(path, name, sequence);
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(error) = set {
            self.invalid(path, None, error);
        }
    }

    fn value(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) {
        let set = match &mut self.open {
            Some((record, depth, spoilt)) => {
                let set = record.set(path.get(*depth..).unwrap_or_default(), (key, value), &self.texts);
                *spoilt |= set.is_err();
                set
            }
            None => self.set_outside_records(path, key, value),
        };
        if let Err(error) = set {
            self.invalid(path, Some(key), error);
        }
    }

    fn leave(&mut self, path: &[Vec<u8>]) {
        let Some((record, _, spoilt)) = self.open.take_if(|(_, depth, _)| *depth == path.len()) else {
            return;
        };
        // A value that was there but did not decode has been reported; its absence is no second fault.
        if let Some(name) = record.missing().filter(|_| !spoilt) {
            self.invalid(path, None, ValueError::Missing(name));
        }
        let texts = Rc::clone(&self.texts);
        let inserted = self.namespace(path).and_then(|namespace| record.insert(namespace, path, &texts));
        if let Err(error) = inserted {
            self.invalid(path, None, error);
        }
    }
}
