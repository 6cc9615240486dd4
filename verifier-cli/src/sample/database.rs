//! What could be read of a database, for tests.

use verifier_core::finding::LastTransaction;
use verifier_core::metadata::{RecordCounts, RecordKind};
use verifier_core::report::{DatabaseReport, MetaPage, SalvageReport, StrayReport};
use verifier_core::scan::{KeyCounts, OtherState, PageCounts, Usability};

const RECORDS: RecordCounts = RecordCounts {
    namespaces: 1,
    images: 3,
    blobs: 7,
    ingests: 0,
    snapshots: 5,
    containers: 0,
    sandboxes: 0,
    leases: 0,
};

fn none() -> RecordCounts {
    RecordCounts::default()
}

/// A database that is whole.
pub(crate) fn database() -> DatabaseReport {
    let other = OtherState { whole: true, records: RECORDS, more: none(), fewer: none() };
    DatabaseReport {
        path: super::meta_db(),
        usability: Usability::Usable,
        last_transaction: Some(LastTransaction::Whole),
        meta_pages: vec![
            MetaPage { used: false, txid: Some(56), error: None },
            MetaPage { used: true, txid: Some(57), error: None },
        ],
        records: RECORDS,
        pages: Some(PageCounts { used: 20, read: 16, damaged: 0, lost: Some(0) }),
        keys: Some(KeyCounts { read: 412, lost: Some(0) }),
        complete: true,
        faults_left_out: 0,
        invalid_left_out: 0,
        other: Some(other),
        salvage: None,
    }
}

/// The same with a page damaged.
pub(crate) fn damaged_database() -> DatabaseReport {
    let images = RecordCounts { images: 2, ..none() };
    let other = OtherState {
        whole: false,
        records: RECORDS,
        more: images,
        fewer: RecordCounts { blobs: 1, ..none() },
    };
    let salvage = SalvageReport {
        lost: images,
        unknown: none(),
        stale: RecordCounts { leases: 1, ..none() },
        records: vec![
            StrayReport { kind: RecordKind::Image, key: Some("registry.example/app:1".into()), lost: true },
            StrayReport { kind: RecordKind::Image, key: None, lost: true },
        ],
        left_out: 0,
    };
    DatabaseReport {
        usability: Usability::UsableWithLosses,
        last_transaction: Some(LastTransaction::Damaged),
        pages: Some(PageCounts { used: 20, read: 12, damaged: 1, lost: Some(3) }),
        keys: Some(KeyCounts { read: 412, lost: Some(5) }),
        complete: false,
        faults_left_out: 2,
        other: Some(other),
        salvage: Some(salvage),
        ..database()
    }
}

/// One that is none.
pub(crate) fn unusable_database() -> DatabaseReport {
    DatabaseReport {
        usability: Usability::Unusable,
        last_transaction: None,
        meta_pages: Vec::new(),
        records: none(),
        pages: None,
        keys: None,
        complete: false,
        other: None,
        ..database()
    }
}
