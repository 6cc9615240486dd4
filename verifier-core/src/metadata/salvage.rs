//! What records there are on stray pages, told by their shape: nothing says where such a page belongs.

use std::collections::BTreeMap;

use super::census::{RecordCounts, RecordKind};
use crate::bolt::{Salvager, Standing, Stray, Visitor};

/// A record on a stray page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrayRecord {
    /// The page that leads to it.
    pub pgid: u64,
    /// Whether that page belongs to the current state.
    pub standing: Standing,
    /// What it is of.
    pub kind: RecordKind,
    /// Its key; `None` when the page with its key is lost. What is no UTF-8 shows as U+FFFD.
    pub key: Option<String>,
}

/// Finds the records on stray pages.
#[derive(Debug)]
pub struct StrayRecords {
    /// The records, the first [`StrayRecords::KEPT`] of them.
    pub records: Vec<StrayRecord>,
    /// How many there are, by the standing of their pages.
    pub counts: BTreeMap<Standing, RecordCounts>,
    stray: Stray,
    /// What the open buckets hold; the first is the page's own.
    open: Vec<Shape>,
}

impl StrayRecords {
    /// How many records are kept.
    pub const KEPT: usize = 1000;

    /// With `stray` as the page that everything is on until another is told.
    fn begin(&mut self, stray: Stray) {
        self.close(None);
        self.stray = stray;
        self.open = vec![Shape::default()];
    }

    /// What was found. To be called when the salvage is over.
    #[must_use]
    pub fn finish(mut self) -> Self {
        self.close(None);
        self
    }

    /// How many there are on pages of that standing.
    #[must_use]
    pub fn of(&self, standing: Standing) -> RecordCounts {
        self.counts.get(&standing).copied().unwrap_or_default()
    }

    /// Ends the innermost bucket, or the page.
    fn close(&mut self, name: Option<&[u8]>) {
        let Some(kind) = self.open.pop().and_then(|shape| shape.kind(name)) else { return };
        let Stray { pgid, standing, .. } = self.stray;
        self.counts.entry(standing).or_default().add(kind);
        if self.records.len() < Self::KEPT {
            let key = name.map(|name| String::from_utf8_lossy(name).into_owned());
            self.records.push(StrayRecord { pgid, standing, kind, key });
        }
    }

    fn note(&mut self, key: &[u8]) {
        if let Some(shape) = self.open.last_mut() {
            shape.note(key);
        }
    }
}

impl Default for StrayRecords {
    fn default() -> Self {
        let stray = Stray::new(0, Standing::Unknown);
        Self { records: Vec::new(), counts: BTreeMap::new(), stray, open: Vec::new() }
    }
}

impl Visitor for StrayRecords {
    fn enter(&mut self, path: &[Vec<u8>], _sequence: u64) {
        self.note(path.last().map(Vec::as_slice).unwrap_or_default());
        self.open.push(Shape::default());
    }

    fn value(&mut self, _path: &[Vec<u8>], key: &[u8], _value: &[u8]) {
        self.note(key);
    }

    fn leave(&mut self, path: &[Vec<u8>]) {
        self.close(path.last().map(Vec::as_slice));
    }
}

impl Salvager for StrayRecords {
    fn stray(&mut self, stray: &Stray) {
        self.begin(*stray);
    }
}

/// The keys that tell a record's kind; each has its bit.
const KEYS: [&[u8]; 17] = [
    b"createdat",
    b"updatedat",
    b"target",
    b"size",
    b"name",
    b"snapshotKey",
    b"sandboxer",
    b"runtime",
    b"ref",
    b"kind",
    b"id",
    b"images",
    b"containers",
    b"leases",
    b"content",
    b"snapshots",
    b"parents",
];

/// Which of the telling keys a bucket has.
#[derive(Clone, Copy, Debug, Default)]
struct Shape(u32);

impl Shape {
    fn note(&mut self, key: &[u8]) {
        if let Some(bit) = KEYS.iter().position(|of| *of == key) {
            self.0 |= 1 << bit;
        }
    }

    fn has(self, key: &str) -> bool {
        KEYS.iter().position(|of| *of == key.as_bytes()).is_some_and(|bit| self.0 & 1 << bit != 0)
    }

    /// The kind of record that a bucket of this shape is.
    fn kind(self, name: Option<&[u8]>) -> Option<RecordKind> {
        if matches!(name, Some(b"labels" | b"children" | b"target" | b"runtime" | b"extensions")) {
            return None;
        }
        let created = self.has("createdat");
        let rules = [
            (self.has("id") && self.has("kind"), RecordKind::Snapshot),
            (created && self.has("target"), RecordKind::Image),
            (created && self.has("snapshotKey"), RecordKind::Container),
            (created && (self.has("sandboxer") || self.has("runtime")), RecordKind::Sandbox),
            (created && self.has("name"), RecordKind::Snapshot),
            (created && self.has("size"), RecordKind::Blob),
            (!created && self.has("ref"), RecordKind::Ingest),
            // All others say when they were changed.
            (created && !self.has("updatedat"), RecordKind::Lease),
            (!created && !self.has("parents") && self.is_namespace(), RecordKind::Namespace),
        ];
        rules.into_iter().find_map(|(is, kind)| is.then_some(kind))
    }

    fn is_namespace(self) -> bool {
        ["images", "containers", "leases", "content", "snapshots"].into_iter().any(|key| self.has(key))
    }
}
