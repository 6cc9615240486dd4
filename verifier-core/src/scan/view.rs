//! What of a bolt file could be read, from which of its two meta pages, and what the other one would give.

use serde::Serialize;

use crate::bolt::{Database, FaultKind, Hides, Meta, MetaFault, PageFault, Visitor, Walk};
use crate::finding::LastTransaction;
use crate::metadata::{Census, RecordCounts, Schema, StrayRecords};

/// What of a bolt file could be read, and how.
#[derive(Debug)]
pub struct DatabaseView {
    /// Which of the meta pages is in use, 0 or 1.
    pub slot: usize,
    /// Both meta pages.
    pub metas: [Result<Meta, MetaFault>; 2],
    /// What became of the last transaction.
    pub last_transaction: LastTransaction,
    /// How many records were read.
    pub records: RecordCounts,
    /// The pages.
    pub pages: PageCounts,
    /// The keys, whatever they are for.
    pub keys: KeyCounts,
    /// Whether everything was visited that the meta page leads to.
    pub complete: bool,
    /// How many faults there are beyond those that are listed.
    pub faults_left_out: u64,
    /// What the other meta page would give, where it is valid.
    pub other: Option<OtherState>,
}

/// The pages of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PageCounts {
    /// Pages ever used: those below the high water mark.
    pub used: u64,
    /// Pages of the tree that could be read, at least in part.
    pub read: u64,
    /// Pages at fault that hide something.
    pub damaged: u64,
    /// Pages that only a damaged one leads to; `None` where the freelist does not tell them from free ones.
    pub lost: Option<u64>,
}

/// The keys of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct KeyCounts {
    /// Keys that could be read, those of buckets not counted.
    pub read: u64,
    /// Keys and buckets that damaged pages claim to have and that could not be read; `None` where that is unknown.
    pub lost: Option<u64>,
}

/// What the meta page that is not in use leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OtherState {
    /// Whether all of it can be read. On a healthy database it need not: the next transaction writes over its pages.
    pub whole: bool,
    /// How many records it has.
    pub records: RecordCounts,
    /// How many of them could not be read from the state in use.
    pub more: RecordCounts,
    /// How many could be read from the state in use, and it has not.
    pub fewer: RecordCounts,
}

impl OtherState {
    /// Whether going back to it is worth anything.
    fn can_stand_in(&self) -> bool {
        self.whole && self.records.total() > 0
    }
}

/// How far a database can be used. It says what can be read; whether containerd would take the file is for the findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Usability {
    /// Everything can be read.
    Usable,
    /// A part cannot be read, and the state one transaction back does not have it, either.
    UsableWithLosses,
    /// The last transaction is lost, or may be; the state before it can be read in whole.
    UsableOneTransactionBack,
    /// Nothing can be read: neither meta page is valid, or there is no file.
    Unusable,
}

impl DatabaseView {
    /// How far the database can be used.
    #[must_use]
    pub fn usability(&self) -> Usability {
        let newer_lost =
            matches!(self.last_transaction, LastTransaction::MetaTorn | LastTransaction::Unknown);
        match (self.complete, self.other) {
            (true, _) if newer_lost => Usability::UsableOneTransactionBack,
            (true, _) => Usability::Usable,
            (false, Some(other)) if other.can_stand_in() => Usability::UsableOneTransactionBack,
            (false, _) => Usability::UsableWithLosses,
        }
    }

    /// Walks `database`, and looks at what else is in the file.
    pub(super) fn of<V: Visitor>(database: &Database<'_>, schema: Schema, visitor: V) -> Seen<V> {
        let mut counted = Counted { visitor, census: Census::new(schema) };
        let walk = database.walk(&mut counted);
        let Counted { visitor, census } = counted;
        let other = database.at_slot(1 - database.slot()).map(|other| other_state(&other, schema, &census));
        let last_transaction = last_transaction(database, &walk, other.as_ref());
        let salvage = (!walk.complete).then(|| salvage(database));
        let view = Self {
            slot: database.slot(),
            metas: *database.metas(),
            last_transaction,
            records: census.counts(),
            pages: page_counts(database, &walk),
            keys: KeyCounts { read: walk.keys, lost: keys_lost(&walk) },
            complete: walk.complete,
            faults_left_out: walk.faults_omitted,
            other,
        };
        Seen { view, visitor, faults: walk.faults, salvage }
    }
}

/// What came of looking at a database.
pub(super) struct Seen<V> {
    pub(super) view: DatabaseView,
    pub(super) visitor: V,
    pub(super) faults: Vec<PageFault>,
    pub(super) salvage: Option<StrayRecords>,
}

/// The records on pages that nothing leads to.
pub(super) fn salvage(database: &Database<'_>) -> StrayRecords {
    let mut records = StrayRecords::default();
    database.salvage(&mut records);
    records.finish()
}

fn other_state(other: &Database<'_>, schema: Schema, used: &Census) -> OtherState {
    let mut census = Census::new(schema);
    let whole = other.walk(&mut census).complete;
    let (more, fewer) = (census.beyond(used), used.beyond(&census));
    OtherState { whole, records: census.counts(), more, fewer }
}

fn last_transaction(database: &Database<'_>, walk: &Walk, other: Option<&OtherState>) -> LastTransaction {
    let slot = 1 - database.slot();
    if database.metas().get(slot).is_some_and(Result::is_err) {
        return match database.claimed_txid(slot) {
            Some(txid) if txid > database.meta().txid => LastTransaction::MetaTorn,
            Some(_) if walk.complete => LastTransaction::Whole,
            Some(_) => LastTransaction::Damaged,
            None => LastTransaction::Unknown,
        };
    }
    let mut hiding = walk.faults.iter().filter(|fault| fault.hides != Hides::Nothing);
    // The pages at fault are none of the other state's, which is whole: only the last transaction can have written them.
    let torn = other.is_some_and(OtherState::can_stand_in) && hiding.all(|fault| is_unwritten(&fault.kind));
    match (walk.complete, torn) {
        (true, _) => LastTransaction::Whole,
        (false, true) => LastTransaction::PagesTorn,
        (false, false) => LastTransaction::Damaged,
    }
}

/// Whether a page with this fault may be one that was never written: there is none, or nothing but zeros, or a page of a
/// former state.
fn is_unwritten(kind: &FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::PastEnd { .. }
            | FaultKind::Id { actual: 0 }
            | FaultKind::Flags { .. }
            | FaultKind::KeyRange { .. }
            | FaultKind::ClaimedTwice
    )
}

fn page_counts(database: &Database<'_>, walk: &Walk) -> PageCounts {
    let hiding = walk.faults.iter().filter(|fault| fault.hides != Hides::Nothing).map(|fault| fault.pgid);
    let damaged = hiding.collect::<std::collections::BTreeSet<_>>().len() as u64;
    let lost = match (walk.complete, walk.freelist_read) {
        (true, _) => Some(0),
        (false, true) => Some(walk.pages_lost),
        (false, false) => None,
    };
    PageCounts { used: database.meta().high_water, read: walk.pages_read, damaged, lost }
}

/// What the damaged pages claim to have and could not be read, if that is all that is hidden.
fn keys_lost(walk: &Walk) -> Option<u64> {
    if walk.complete {
        return Some(0);
    }
    if walk.faults_omitted > 0 || walk.interrupted {
        return None;
    }
    // Several faults of one page say the same.
    let mut by_page = std::collections::BTreeMap::new();
    for fault in &walk.faults {
        match fault.hides {
            Hides::Nothing => {}
            Hides::Unknown => return None,
            Hides::Elements { claimed, read } => {
                by_page.insert((fault.pgid, &fault.path), claimed.saturating_sub(read));
            }
        }
    }
    Some(by_page.into_values().sum())
}

/// A visitor, and the count of the records that it sees.
struct Counted<V> {
    visitor: V,
    census: Census,
}

impl<V: Visitor> Visitor for Counted<V> {
    fn enter(&mut self, path: &[Vec<u8>], sequence: u64) {
        self.census.enter(path, sequence);
        self.visitor.enter(path, sequence);
    }

    fn value(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) {
        self.visitor.value(path, key, value);
    }

    fn leave(&mut self, path: &[Vec<u8>]) {
        self.visitor.leave(path);
    }

    fn interrupted(&self) -> bool {
        self.visitor.interrupted()
    }
}
