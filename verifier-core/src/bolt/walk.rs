//! The one pass over everything that a meta page reaches.

use super::fault::{At, Faults};
use super::load::Pages;
use super::page::{FREELIST, META};
use super::tree::Tree;
use super::{Database, FaultKind, PageFault, Pgid, freelist};

/// What a walk hands on, in key order. All methods do nothing by default.
pub trait Visitor {
    /// A bucket begins; `path` ends with its name. Not called for the root bucket.
    fn enter(&mut self, path: &[Vec<u8>], sequence: u64) {
        let _ = (path, sequence);
    }

    /// A key and its value, in the bucket `path`.
    fn value(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) {
        let _ = (path, key, value);
    }

    /// The bucket `path` ends. Called for each bucket that was entered, unless the walk was interrupted.
    fn leave(&mut self, path: &[Vec<u8>]) {
        let _ = path;
    }

    /// Asked once per page; true ends the walk.
    fn interrupted(&self) -> bool {
        false
    }
}

/// Looks at nothing: for a walk that only checks.
impl Visitor for () {}

/// The outcome of a walk. A healthy database has no faults; look at [`Database::metas`] as well.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Walk {
    /// What is wrong, in the order in which it was found.
    pub faults: Vec<PageFault>,
    /// Faults beyond those kept in `faults`.
    pub faults_omitted: u64,
    /// Pages in use: the meta pages, the freelist, the tree.
    pub pages_reached: u64,
    /// Pages of the tree that could be read, those included of which only a part makes sense.
    pub pages_read: u64,
    /// Pages free: listed, or with an unsynced freelist all that are not reached.
    pub pages_free: u64,
    /// Pages that are in the file, neither reached nor known to be free: those below a page that is damaged.
    pub pages_lost: u64,
    /// Whether the freelist tells the free pages from the lost ones; without it, all that are not reached count as free, or
    /// as lost when there should be a list and it cannot be read.
    pub freelist_read: bool,
    /// Buckets visited, the root bucket not counted.
    pub buckets: u64,
    /// Keys visited, those of buckets not counted.
    pub keys: u64,
    /// Whether everything that the meta page reaches was visited. False after a fault that hid a part, or an interruption.
    pub complete: bool,
    /// Whether the visitor ended the walk.
    pub interrupted: bool,
}

pub(super) fn walk(db: &Database<'_>, visitor: &mut dyn Visitor) -> Walk {
    walk_pages(db, visitor).0
}

/// As [`walk`]; and the pages, with what is known of them.
pub(super) fn walk_pages<'a>(db: &Database<'a>, visitor: &mut dyn Visitor) -> (Walk, Pages<'a>) {
    let mut pages = Pages::new(db);
    let mut faults = Faults::default();
    let mut out = Walk { complete: true, ..Walk::default() };
    check_meta_pages(db, &mut faults);
    let list = read_freelist(db, &mut pages, &mut faults);
    Tree::new(&mut pages, &mut faults, &mut out, visitor).run(db);
    account(&pages, list, &mut faults, &mut out);
    check_length(db, &mut faults);
    out.freelist_read = list == List::Read;
    (out.faults, out.faults_omitted) = (faults.kept, faults.omitted);
    (out, pages)
}

/// Bolt never looks at a meta page's own header, so one that is wrong hides nothing; but it is damage.
fn check_meta_pages(db: &Database<'_>, faults: &mut Faults) {
    for (slot, meta) in (0..).zip(db.metas()) {
        let Some(header) = meta.is_ok().then(|| db.meta_header(slot)).flatten() else { continue };
        let pgid = slot as Pgid;
        if header.id != pgid {
            faults.push(At::page(pgid), FaultKind::Id { actual: header.id });
        }
        if header.flags != META {
            faults.push(At::page(pgid), FaultKind::Flags { expected: META, actual: header.flags });
        }
    }
}

/// What is known of the freelist.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    NotSynced,
    Read,
    Unreadable,
}

/// Reads the freelist, before the tree, so that a page that is in use and listed is found with its path.
fn read_freelist(db: &Database<'_>, pages: &mut Pages<'_>, faults: &mut Faults) -> List {
    let Some(pgid) = db.meta().freelist else { return List::NotSynced };
    let high_water = db.meta().high_water;
    if !(2..high_water).contains(&pgid) {
        let kind = FaultKind::Reference { index: 0, target: pgid, high_water };
        faults.push(At::page(db.slot() as Pgid), kind);
        return List::Unreadable;
    }
    let mut report = |kind| faults.push(At::page(pgid), kind);
    let Some(loaded) = pages.load(pgid, FREELIST, 0, &mut report) else { return List::Unreadable };
    let bytes = loaded.bytes.as_slice();
    let whole = freelist::check(bytes, loaded.header.count, high_water, &mut pages.listed, &mut report);
    let run = pgid..pgid + (bytes.len() as u64) / u64::from(db.meta().page_size);
    if pages.listed.contains_any(run) {
        report(FaultKind::ListedFree);
    }
    if whole && !loaded.cut { List::Read } else { List::Unreadable }
}

/// Counts the pages, and reports those that are neither in use nor free; but not when damage hides what is in use.
fn account(pages: &Pages<'_>, list: List, faults: &mut Faults, out: &mut Walk) {
    out.pages_reached = pages.claimed.count();
    let report = list == List::Read && out.complete;
    let mut run = 0;
    for pgid in 0..=pages.readable {
        let in_file = pgid < pages.readable;
        let reached = pages.claimed.contains(pgid);
        let free = !reached && (list == List::NotSynced || pages.listed.contains(pgid));
        if in_file && free {
            out.pages_free += 1;
        } else if in_file && !reached {
            out.pages_lost += 1;
            run += 1;
            continue;
        }
        if report && run > 0 {
            faults.push(At::page(pgid - run), FaultKind::Unaccounted { pages: run });
        }
        run = 0;
    }
}

/// The file must reach up to the high water mark; a page in use that is missing has been reported already.
fn check_length(db: &Database<'_>, faults: &mut Faults) {
    let (page_size, file_bytes) = (u64::from(db.meta().page_size), db.file_bytes());
    let bytes = db.meta().high_water.saturating_mul(page_size);
    let past_end = |fault: &PageFault| matches!(fault.kind, FaultKind::PastEnd { .. });
    if bytes > file_bytes && !faults.kept.iter().any(past_end) {
        faults.push(At::page(file_bytes / page_size), FaultKind::PastEnd { file_bytes });
    } else if db.readable_pages() < db.meta().high_water && bytes <= file_bytes {
        let limit = db.readable_pages() * page_size;
        faults.push(At::page(db.readable_pages()), FaultKind::TooLarge { bytes, limit });
    }
}
