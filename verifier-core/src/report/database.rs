//! What could be read of each bolt file.

use std::path::PathBuf;

use serde::Serialize;

use crate::bolt::Standing;
use crate::finding::LastTransaction;
use crate::metadata::{RecordCounts, RecordKind, StrayRecords};
use crate::scan::{
    DatabaseFacts, DatabaseState, DatabaseView, Inventory, KeyCounts, OtherState, PageCounts, Usability,
};

/// What could be read of a bolt file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatabaseReport {
    /// Where it is, below the root.
    #[serde(serialize_with = "crate::finding::lossy")]
    pub path: PathBuf,
    /// How far it can be used.
    pub usability: Usability,
    /// What became of its last transaction; `None` when nothing could be read.
    pub last_transaction: Option<LastTransaction>,
    /// Its two meta pages; none when there is no file to have them.
    pub meta_pages: Vec<MetaPage>,
    /// How many records were read.
    pub records: RecordCounts,
    /// Its pages; `None` when nothing could be read.
    pub pages: Option<PageCounts>,
    /// Its keys; `None` when nothing could be read.
    pub keys: Option<KeyCounts>,
    /// Whether everything was visited that the meta page in use leads to.
    pub complete: bool,
    /// How many faults of pages are not listed, as they are too many.
    pub faults_left_out: u64,
    /// How many values that do not decode are not listed, as they are too many.
    pub invalid_left_out: u64,
    /// What the meta page that is not in use would give, if it is valid.
    pub other: Option<OtherState>,
    /// What was found on pages that nothing leads to; looked for when something is lost.
    pub salvage: Option<SalvageReport>,
}

/// A meta page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MetaPage {
    /// Whether it is the one in use.
    pub used: bool,
    /// The transaction that wrote it, if it is valid.
    pub txid: Option<u64>,
    /// What is wrong with it, if it is not.
    pub error: Option<String>,
}

/// What was found on pages that nothing leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SalvageReport {
    /// Records on pages that are neither in use nor free: they were in use.
    pub lost: RecordCounts,
    /// Records on pages of which nothing tells whether they were in use or are of a former state.
    pub unknown: RecordCounts,
    /// Records on free pages: of a former state.
    pub stale: RecordCounts,
    /// The records of the first two, the first ones when they are many.
    pub records: Vec<StrayReport>,
    /// How many are not listed.
    pub left_out: u64,
}

/// A record on a page that nothing leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StrayReport {
    /// What it is of.
    pub kind: RecordKind,
    /// Its key; `None` when the page with its key is lost.
    pub key: Option<String>,
    /// Whether it is proved to be of the current state.
    pub lost: bool,
}

/// Most stray records that are listed.
const STRAYS_LISTED: usize = 100;

impl DatabaseReport {
    /// Of each database of `inventory` that there is, or should be.
    pub(crate) fn all(inventory: &Inventory) -> Vec<DatabaseReport> {
        let meta_db = &inventory.meta_db;
        let invalid = meta_db.records().map_or(0, |metadata| metadata.invalid_left_out);
        let mut reports = vec![Self::of(meta_db, invalid)];
        for database in
            inventory.snapshotters.values().filter_map(|snapshotter| snapshotter.database.as_ref())
        {
            let invalid = database.records().map_or(0, |snapshots| snapshots.invalid_left_out);
            reports.push(Self::of(database, invalid));
        }
        // What could not be looked at is a gap in the coverage, and no news of the database.
        reports.into_iter().flatten().collect()
    }

    fn of<T>(database: &DatabaseFacts<T>, invalid_left_out: u64) -> Option<DatabaseReport> {
        let path = database.path.clone();
        let report = match &database.state {
            DatabaseState::Read { view, .. } => Self::read(path, view, invalid_left_out),
            DatabaseState::Unusable(_) => Self::unusable(path),
            DatabaseState::Unreadable(_) | DatabaseState::KeptChanging => return None,
        };
        Some(DatabaseReport { salvage: database.salvage.as_ref().map(SalvageReport::of), ..report })
    }

    fn unusable(path: PathBuf) -> DatabaseReport {
        DatabaseReport {
            path,
            usability: Usability::Unusable,
            last_transaction: None,
            meta_pages: Vec::new(),
            records: RecordCounts::default(),
            pages: None,
            keys: None,
            complete: false,
            faults_left_out: 0,
            invalid_left_out: 0,
            other: None,
            salvage: None,
        }
    }

    fn read(path: PathBuf, view: &DatabaseView, invalid_left_out: u64) -> DatabaseReport {
        let meta_page =
            |(slot, meta): (usize, &Result<crate::bolt::Meta, crate::bolt::MetaFault>)| MetaPage {
                used: slot == view.slot,
                txid: meta.as_ref().ok().map(|meta| meta.txid),
                error: meta.as_ref().err().map(ToString::to_string),
            };
        DatabaseReport {
            path,
            usability: view.usability(),
            last_transaction: Some(view.last_transaction),
            meta_pages: view.metas.iter().enumerate().map(meta_page).collect(),
            records: view.records,
            pages: Some(view.pages),
            keys: Some(view.keys),
            complete: view.complete,
            faults_left_out: view.faults_left_out,
            invalid_left_out,
            other: view.other,
            salvage: None,
        }
    }
}

impl SalvageReport {
    fn of(found: &StrayRecords) -> SalvageReport {
        let [lost, unknown, stale] =
            [Standing::Lost, Standing::Unknown, Standing::Stale].map(|standing| found.of(standing));
        let current = found.records.iter().filter(|record| record.standing != Standing::Stale);
        let records: Vec<StrayReport> = current
            .take(STRAYS_LISTED)
            .map(|record| StrayReport {
                kind: record.kind,
                key: record.key.clone(),
                lost: record.standing == Standing::Lost,
            })
            .collect();
        let left_out = (lost.total() + unknown.total()).saturating_sub(records.len() as u64);
        SalvageReport { lost, unknown, stale, records, left_out }
    }
}
