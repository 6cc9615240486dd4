//! What is said of a database as a whole: which meta page is in use, what the other gives, what is lost, what is left.
//! On the databases of real containerds, with and without a synced freelist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use testdata::builder::{Bucket, LastCommit};
use verifier_core::Interrupt;
use verifier_core::bolt::{Database, Hides, Pgid, Visitor};
use verifier_core::event::Unobserved;
use verifier_core::finding::Depth;
use verifier_core::finding::LastTransaction;
use verifier_core::finding::{Code, FindingKind};
use verifier_core::metadata::{RecordCounts, RecordKind};
use verifier_core::report::{DatabaseReport, Report};
use verifier_core::scan::Usability;
use verifier_core::{CheckOptions, Store, check};

const META_DB: &str = "io.containerd.metadata.v1.bolt/meta.db";
const METADATA_DB: &str = "io.containerd.snapshotter.v1.overlayfs/metadata.db";
const PAGE: usize = 4096;

/// A golden store, to be damaged.
struct Golden {
    _folder: tempfile::TempDir,
    root: PathBuf,
}

impl Golden {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        testdata::golden::unpack(name, &root).unwrap();
        Self { _folder: folder, root }
    }

    fn damage(&self, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.root.join(file);
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
    }

    fn check(&self) -> Report {
        let options = CheckOptions::default().depth(Depth::Quick);
        check(&Store::open(&self.root).unwrap(), &options, &Unobserved, &Interrupt::default()).unwrap()
    }

    /// What is said of the database `file` after the damage.
    fn database(&self, file: &str) -> DatabaseReport {
        let report = self.check();
        report.databases.into_iter().find(|database| database.path == Path::new(file)).unwrap()
    }
}

/// Damages meta.db of each golden store anew, and looks at what is said of it.
fn each(damage: impl Fn(&mut Vec<u8>), look: impl Fn(&str, &DatabaseReport, &Report)) {
    for name in testdata::golden::names() {
        let golden = Golden::new(name);
        golden.damage(META_DB, &damage);
        look(name, &golden.database(META_DB), &golden.check());
    }
}

fn used(bytes: &[u8]) -> usize {
    Database::open(&bytes).unwrap().slot()
}

fn meta(slot: usize) -> std::ops::Range<usize> {
    slot * PAGE..(slot + 1) * PAGE
}

fn zero(bytes: &mut [u8], pgid: Pgid) {
    let at = usize::try_from(pgid).unwrap() * PAGE;
    bytes[at..at + PAGE].fill(0);
}

/// The root page of the bucket `path`.
fn root_of(bytes: &[u8], path: &[&str]) -> Pgid {
    /// Buckets are not told by their pages: the element's value is found by its key.
    fn find(bytes: &[u8], pgid: Pgid, key: &[u8]) -> Option<Pgid> {
        let page = usize::try_from(pgid).unwrap() * PAGE;
        let u16_at = |at: usize| u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap());
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        for index in 0..usize::from(u16_at(page + 10)) {
            let element = page + 16 + 16 * index;
            if u16_at(page + 8) == 1 {
                if let Some(found) = find(bytes, u64_at(element + 8), key) {
                    return Some(found);
                }
                continue;
            }
            let (at, size) = (element + u32_at(element + 4), u32_at(element + 8));
            if &bytes[at..at + size] == key {
                return Some(u64_at(at + size));
            }
        }
        None
    }
    let root = Database::open(&bytes).unwrap().meta().root;
    path.iter().fold(root, |pgid, key| find(bytes, pgid, key.as_bytes()).unwrap())
}

#[test]
fn a_healthy_database_says_what_both_meta_pages_give() {
    for name in testdata::golden::names() {
        let golden = Golden::new(name);
        let report = golden.check();
        assert_eq!(report.databases.len(), 2, "{name}: {:#?}", report.databases);
        for database in &report.databases {
            assert_eq!(database.usability, Usability::Usable, "{name}");
            assert_eq!(database.last_transaction, Some(LastTransaction::Whole), "{name}");
            assert!(database.complete && database.salvage.is_none(), "{name}: {database:#?}");
            assert_eq!((database.faults_left_out, database.invalid_left_out), (0, 0));
            let txids: Vec<u64> = database.meta_pages.iter().map(|page| page.txid.unwrap()).collect();
            let slot = database.meta_pages.iter().position(|page| page.used).unwrap();
            assert!(txids[slot] == txids[1 - slot] + 1, "{name}: {txids:?}, {slot} in use");
            assert!(database.other.is_some() && database.records.snapshots > 0, "{name}: {database:#?}");
            let pages = database.pages.unwrap();
            assert!(pages.read > 0 && pages.read + 2 <= pages.used, "{name}: {pages:?}");
            assert_eq!((pages.damaged, pages.lost), (0, Some(0)), "{name}");
        }
        let records = report.databases[0].records;
        assert!(records.images > 0 && records.blobs > 0 && records.namespaces > 0, "{name}: {records:?}");
    }
}

#[test]
fn the_later_meta_page_half_written_is_one_transaction_back() {
    let tear = |bytes: &mut Vec<u8>| {
        let at = used(bytes) * PAGE;
        bytes[at + 32] ^= 0xFF;
    };
    each(tear, |name, database, report| {
        assert_eq!(database.usability, Usability::UsableOneTransactionBack, "{name}");
        assert_eq!(database.last_transaction, Some(LastTransaction::MetaTorn), "{name}");
        assert!(database.meta_pages.iter().any(|page| !page.used && page.error.is_some()), "{name}");
        assert_eq!(report.count(Code::BoltMetaInvalid), 1, "{name}");
    });
}

#[test]
fn the_earlier_meta_page_half_written_costs_nothing() {
    let tear = |bytes: &mut Vec<u8>| {
        let at = (1 - used(bytes)) * PAGE;
        bytes[at + 32] ^= 0xFF;
    };
    each(tear, |name, database, _| {
        assert_eq!(database.usability, Usability::Usable, "{name}");
        assert_eq!(database.last_transaction, Some(LastTransaction::Whole), "{name}");
        assert!(database.other.is_none(), "{name}");
    });
}

#[test]
fn of_a_zeroed_meta_page_nobody_knows_which_it_was() {
    for other in [0, 1] {
        let wipe = |bytes: &mut Vec<u8>| {
            let slot = used(bytes);
            bytes[meta(slot.abs_diff(other))].fill(0);
        };
        each(wipe, |name, database, _| {
            assert_eq!(database.last_transaction, Some(LastTransaction::Unknown), "{name}");
            assert_eq!(database.usability, Usability::UsableOneTransactionBack, "{name}");
        });
    }
}

#[test]
fn both_meta_pages_zeroed_is_unusable() {
    each(
        |bytes| bytes[..2 * PAGE].fill(0),
        |name, database, _| {
            assert_eq!(database.usability, Usability::Unusable, "{name}");
            assert!(database.meta_pages.is_empty() && database.pages.is_none(), "{name}: {database:#?}");
            // Every page is still there; which of them are of the last state, nobody knows.
            let before = Golden::new(name).database(META_DB).records;
            let salvage = database.salvage.as_ref().unwrap();
            assert_eq!(salvage.lost.total() + salvage.stale.total(), 0, "{name}");
            let found = salvage.unknown;
            assert!(found.blobs >= before.blobs && found.images >= before.images, "{name}: {found:?}");
            assert!(
                found.snapshots >= before.snapshots && found.leases >= before.leases,
                "{name}: {found:?}"
            );
        },
    );
}

/// The pages that a state leads to are not told by the reader; but zeroing one that it leads to is a fault.
fn needs(bytes: &[u8], slot: usize, pgid: Pgid) -> bool {
    let mut copy = bytes.to_vec();
    zero(&mut copy, pgid);
    !Database::open(&copy).unwrap().at_slot(slot).unwrap().walk(&mut ()).complete
}

#[test]
fn a_last_transaction_without_its_pages_is_told_from_other_damage() {
    let mut tried = 0;
    for name in testdata::golden::names() {
        let bytes = std::fs::read(Golden::new(name).root.join(META_DB)).unwrap();
        let slot = used(&bytes);
        let whole = Database::open(&bytes).unwrap().at_slot(1 - slot).unwrap().walk(&mut ()).complete;
        let pages = 2..Database::open(&bytes).unwrap().meta().high_water;
        let (shared, only): (Vec<_>, Vec<_>) =
            pages.filter(|pgid| needs(&bytes, slot, *pgid)).partition(|pgid| needs(&bytes, 1 - slot, *pgid));
        // Where the last transaction took pages of the state before, or wrote none of its own, there is nothing to tell apart.
        if !whole || only.is_empty() {
            continue;
        }
        tried += 1;
        assert!(!shared.is_empty(), "{name}: {only:?}");
        for pgid in only {
            let golden = Golden::new(name);
            golden.damage(META_DB, |bytes| zero(bytes, pgid));
            let database = golden.database(META_DB);
            assert_eq!(database.last_transaction, Some(LastTransaction::PagesTorn), "{name}: page {pgid}");
            assert_eq!(database.usability, Usability::UsableOneTransactionBack, "{name}: page {pgid}");
            assert!(database.other.unwrap().whole, "{name}: page {pgid}");
            let torn = |kind: &FindingKind| matches!(kind, FindingKind::BoltPageInvalid(page) if page.torn);
            assert!(golden.check().findings.iter().any(|finding| torn(&finding.kind)), "{name}: page {pgid}");
        }
        for pgid in shared {
            let golden = Golden::new(name);
            golden.damage(META_DB, |bytes| zero(bytes, pgid));
            let database = golden.database(META_DB);
            assert_eq!(database.last_transaction, Some(LastTransaction::Damaged), "{name}: page {pgid}");
            assert_eq!(database.usability, Usability::UsableWithLosses, "{name}: page {pgid}");
            assert!(!database.other.unwrap().whole, "{name}: page {pgid}");
        }
    }
    assert!(tried >= 3, "{tried}");
}

/// The keys of the records of a kind, as the walk's paths end.
#[derive(Default)]
struct Names(BTreeSet<String>, usize);

impl Visitor for Names {
    fn enter(&mut self, path: &[Vec<u8>], _sequence: u64) {
        if path.len() == self.1 && path.get(2).is_some_and(|name| name == b"images") {
            self.0.insert(String::from_utf8(path[3].clone()).unwrap());
        }
    }
}

#[test]
fn what_lies_below_a_lost_page_is_found_by_its_key() {
    for name in testdata::golden::names() {
        let golden = Golden::new(name);
        let bytes = std::fs::read(golden.root.join(META_DB)).unwrap();
        let before = golden.database(META_DB);
        let mut images = Names(BTreeSet::new(), 4);
        Database::open(&bytes).unwrap().walk(&mut images);
        // What leads to all namespaces is lost; every page below is still there.
        let v1 = root_of(&bytes, &["v1"]);
        golden.damage(META_DB, |bytes| zero(bytes, v1));
        let database = golden.database(META_DB);
        let salvage = database.salvage.unwrap();
        let found = [salvage.lost, salvage.unknown, salvage.stale];
        let sum = |of: fn(&RecordCounts) -> u64| found.iter().map(of).sum::<u64>();
        assert!(sum(|counts| counts.blobs) >= before.records.blobs, "{name}: {salvage:#?}");
        assert!(sum(|counts| counts.images) >= before.records.images, "{name}: {salvage:#?}");
        assert!(sum(|counts| counts.snapshots) >= before.records.snapshots, "{name}: {salvage:#?}");
        let named: BTreeSet<String> = (salvage.records.iter())
            .filter(|record| record.kind == RecordKind::Image)
            .filter_map(|record| record.key.clone())
            .collect();
        assert!(images.0.is_subset(&named), "{name}: {:?} of {:?}", named, images.0);
        // 1.6 keeps its freelist in the file, and so can tell; later ones do not.
        let told = Database::open(&bytes).unwrap().meta().freelist.is_some();
        assert_eq!(told, name == "1.6");
        assert_eq!(salvage.unknown.total() == 0, told, "{name}: {salvage:#?}");
        assert_eq!(database.pages.unwrap().lost.is_some(), told, "{name}");
        if told {
            assert_eq!(salvage.lost, before.records, "{name}: {salvage:#?}");
        }
    }
}

#[test]
fn a_lost_row_of_a_snapshotter_is_found_as_well() {
    for name in testdata::golden::names() {
        let golden = Golden::new(name);
        let before = golden.database(METADATA_DB);
        let bytes = std::fs::read(golden.root.join(METADATA_DB)).unwrap();
        let v1 = root_of(&bytes, &["v1"]);
        golden.damage(METADATA_DB, |bytes| zero(bytes, v1));
        let database = golden.database(METADATA_DB);
        assert_ne!(database.usability, Usability::Usable);
        let salvage = database.salvage.unwrap();
        let found = salvage.lost.snapshots + salvage.unknown.snapshots;
        assert!(found >= before.records.snapshots, "{name}: {salvage:#?}");
    }
}

#[test]
fn a_damaged_leaf_says_how_many_of_its_entries_are_left() {
    for name in testdata::golden::names() {
        let golden = Golden::new(name);
        let bytes = std::fs::read(golden.root.join(META_DB)).unwrap();
        let namespace = {
            let mut names = Namespaces::default();
            Database::open(&bytes).unwrap().walk(&mut names);
            names.0
        };
        let blobs = root_of(&bytes, &["v1", &namespace, "content", "blob"]);
        let at = usize::try_from(blobs).unwrap() * PAGE;
        let claimed = u64::from(u16::from_le_bytes([bytes[at + 10], bytes[at + 11]]));
        assert!(claimed > 1, "{name}");
        // The second element's data begins elsewhere: its own, the end of the first and the beginning of the third are in doubt.
        golden.damage(META_DB, |bytes| bytes[at + 16 + 16 + 4] ^= 1);
        let report = golden.check();
        let hides = report.findings.iter().find_map(|finding| match &finding.kind {
            FindingKind::BoltPageInvalid(page) if page.pgid == blobs => Some(page.hides),
            _ => None,
        });
        assert_eq!(hides, Some(Hides::Elements { claimed, read: claimed - 3 }), "{name}");
        let database = golden.database(META_DB);
        assert_eq!(database.keys.unwrap().lost, Some(3), "{name}");
        let blast = &report.findings.iter().find(|f| f.code() == Code::BoltPageInvalid).unwrap().blast;
        assert_eq!(blast.namespaces, BTreeSet::from([namespace]), "{name}");
    }
}

/// The sample with a meta.db that has so many buckets more, each with a page of its own.
fn with_many_buckets(count: u32) -> Golden {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    testdata::builder::sample().unwrap().store.write(&root).unwrap();
    let mut top = Bucket::default();
    let namespace = top.bucket("v1").bucket("many");
    for number in 0..count {
        namespace.bucket("elsewhere").bucket(number.to_be_bytes()).put("large", [b'x'; 1500]);
        namespace.bucket("images").bucket(format!("image:{number}")).put("createdat", "no time");
    }
    let path = root.join(META_DB);
    std::fs::remove_file(&path).unwrap();
    testdata::builder::write_bolt(&path, &top, LastCommit::Everything).unwrap();
    Golden { _folder: folder, root }
}

#[test]
fn what_is_too_much_to_list_is_counted() {
    let golden = with_many_buckets(1100);
    let before = golden.check();
    let database = golden.database(META_DB);
    assert_eq!((database.faults_left_out, database.complete), (0, true));
    // Each image lacks its target, too, but a record that has one fault is not told to lack something.
    assert_eq!(database.invalid_left_out, 1100 - 1000);
    assert_eq!(before.count(Code::MetadataValueInvalid), 1000);
    golden.damage(META_DB, |bytes| {
        // A leaf with one element, whose value is 1,500 bytes.
        for page in bytes.chunks_exact_mut(PAGE).skip(2) {
            if page[8] == 2 && page[10..12] == [1, 0] && page[28..32] == 1500_u32.to_le_bytes() {
                page.fill(0);
            }
        }
    });
    let database = golden.database(META_DB);
    assert!(!database.complete);
    let listed = golden.check().count(Code::BoltPageInvalid) as u64;
    assert!(listed <= 1000 && database.faults_left_out >= 1100 - listed, "{listed} {database:#?}");
    assert_eq!(database.keys.unwrap().lost, None);
}

/// The namespace with a page for its blobs.
#[derive(Default)]
struct Namespaces(String, usize);

impl Visitor for Namespaces {
    fn enter(&mut self, path: &[Vec<u8>], _sequence: u64) {
        if path.len() == 5 && path[2] == b"content" && path[3] == b"blob" {
            self.1 += 1;
            self.0 = String::from_utf8(path[1].clone()).unwrap();
        }
    }
}
