//! The state of a database from which a rebuild begins: the one that loses least.

use super::lost::{Lost, LostKind};
use crate::bolt::{Database, Edit, Edits, FaultKind, Hides, PageFault, Visitor};
use crate::metadata::{Census, Schema};

/// Which of both states is taken, and what it does not have.
#[derive(Debug)]
pub(super) struct Choice {
    /// The meta page.
    pub(super) slot: usize,
    /// Whether that is not the one in use.
    pub(super) one_back: bool,
    /// Whether all of it can be read.
    pub(super) whole: bool,
    /// What cannot.
    pub(super) lost: Vec<Lost>,
}

/// Chooses between the state in use and the one before it: the latter only if it is whole, and has at least as many records
/// that cannot be read from the first as the other way round.
pub(super) fn choose(db: &Database<'_>, schema: Schema) -> Choice {
    let mut used = Census::new(schema);
    let walk = db.walk(&mut used);
    let current = Choice {
        slot: db.slot(),
        one_back: false,
        whole: walk.complete,
        lost: walk.faults.iter().filter_map(lost_page).collect(),
    };
    let Some(other) = db.at_slot(1 - db.slot()).filter(|_| !walk.complete) else { return current };
    let mut census = Census::new(schema);
    let whole = other.walk(&mut census).complete && census.counts().total() > 0;
    if !whole || census.beyond(&used).total() < used.beyond(&census).total() {
        return current;
    }
    Choice { slot: other.slot(), one_back: true, whole: true, lost: Vec::new() }
}

fn lost_page(fault: &PageFault) -> Option<Lost> {
    if fault.hides == Hides::Nothing {
        return None;
    }
    let mut parts: Vec<String> =
        fault.path.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    parts.push(match fault.kind {
        FaultKind::Reference { target, .. } => format!("page {target}"),
        _ => format!("page {}", fault.pgid),
    });
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    Some(Lost::new(LostKind::Page, &parts))
}

/// Collects a tree as the edits that make it.
#[derive(Debug, Default)]
pub(super) struct Collect(pub(super) Edits);

impl Visitor for Collect {
    fn enter(&mut self, path: &[Vec<u8>], sequence: u64) {
        let path = path.to_vec();
        self.0.push(Edit::CreateBucket { path: path.clone() });
        if sequence != 0 {
            self.0.push(Edit::SetSequence { path, sequence });
        }
    }

    fn value(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) {
        self.0.push(Edit::Put { path: path.to_vec(), key: key.to_vec(), value: value.to_vec() });
    }
}
