//! The append commit, the one way in which this project writes bolt files.
//!
//! The whole new tree goes to new pages behind the high water mark; then, after an fsync, the meta page that is not in use
//! is written, and synced. Nothing that the current state consists of is touched before, so a power cut leaves exactly the old
//! tree or the new one, damage of the old tree is left behind, and the file stays the same inode, on which a containerd may
//! be waiting for its lock.
//!
//! The caller holds the file's exclusive lock (`flock`), as bolt's own writers do.

use std::{fs, io};

use super::database::MAX_PAGES;
use super::merge::{Late, LateThing, Merge, Notes};
use super::output::{Output, write_all_at};
use super::overlay::Bucket;
use super::page::{FREELIST, HEADER_BYTES};
use super::{Database, Edits, Meta, OpenError, PageFault, Pgid, ReadAt, Walk};

/// The smallest file that [`build`] makes, as large as bolt's smallest memory map.
const MIN_FILE_BYTES: u64 = 32 << 10;

/// A database file that is written to.
pub trait CommitFile: ReadAt {
    /// Writes all of `bytes` at `offset` (bytes from the start); the file grows as needed.
    ///
    /// # Errors
    /// What the system reports.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Sets the length: what a failed commit wrote behind the end goes away.
    ///
    /// # Errors
    /// What the system reports.
    fn set_len(&self, bytes: u64) -> io::Result<()>;

    /// Returns once all that was written is on the medium.
    ///
    /// # Errors
    /// What the system reports.
    fn sync(&self) -> io::Result<()>;
}

impl CommitFile for fs::File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        write_all_at(self, bytes, offset)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        Self::set_len(self, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }
}

/// Asked for each value of a damaged database (path, key, value): whether it means something.
pub type Keep<'k> = dyn Fn(&[Vec<u8>], &[u8], &[u8]) -> bool + 'k;

/// Told what a commit does before it counts.
pub type Announce<'a> = dyn FnMut(&Committed) -> io::Result<()> + 'a;

/// What a commit did.
#[derive(Debug)]
#[non_exhaustive]
pub struct Committed {
    /// The number of the new transaction.
    pub txid: u64,
    /// Applied by another commit it gives the tree back as it was, values that were not kept included.
    pub inverse: Edits,
    /// Bytes written.
    pub bytes_written: u64,
    /// Values left out: not kept by the caller, or with a key that no bolt takes.
    pub dropped: u64,
    /// What the walk of the old tree found. What it did not show is not in the new one.
    pub walk: Walk,
}

/// Why nothing was committed. Unless it says otherwise, the database is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// There is no valid meta page to commit to.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Reading or writing failed, before the new meta page.
    #[error("cannot be written")]
    Io(#[from] io::Error),
    /// The last write or its sync failed: the database is in the old state or in the new one, and whole in both.
    #[error("cannot be written: it is not known whether the last write counts")]
    Unknown(#[source] io::Error),
    /// A value stands where an edit needs a bucket, or the other way round; or the key is one that bolt does not take.
    #[error("an edit does not fit what is there")]
    Conflict {
        /// The bucket.
        path: Vec<Vec<u8>>,
        /// The key.
        key: Vec<u8>,
    },
    /// A part of the tree cannot be read, or is out of order; only [`rewrite`] leaves that behind.
    #[error("the database is damaged")]
    Damaged {
        /// What is wrong.
        faults: Vec<PageFault>,
    },
    /// More than bolt, or our reader, can hold.
    #[error("{bytes} bytes are too large")]
    TooLarge {
        /// Of the value, the page or the file.
        bytes: u64,
    },
    /// What was written reads back otherwise: a fault of the medium, or ours. The meta page was not touched.
    #[error("what was written does not read back")]
    NotProved {
        /// What is wrong with it.
        faults: Vec<PageFault>,
    },
    /// Buckets do not end as they begin: ours alone.
    #[error("the walk is unbalanced")]
    Unbalanced,
}

/// Applies `edits` as one transaction. The tree must be whole.
///
/// # Errors
/// [`CommitError`]
pub fn commit(file: &dyn CommitFile, edits: &Edits) -> Result<Committed, CommitError> {
    commit_announced(file, edits, &mut |_| Ok(()))
}

/// As [`commit`]. Before the write that makes the transaction count, `announce` is called with what it does: a journal that
/// has the inverse by then can undo the commit whenever it is cut off.
///
/// # Errors
/// [`CommitError`]; an error of `announce` ends the commit before it counts.
pub fn commit_announced(
    file: &dyn CommitFile,
    edits: &Edits,
    announce: &mut Announce<'_>,
) -> Result<Committed, CommitError> {
    let db = Database::open(as_source(file))?;
    write(file, &db, edits, &|_, _, _| true, true, announce)
}

/// Commits all that is readable of a damaged database, and that `keep` wants, with `edits` on top.
///
/// `slot` names the meta page whose tree is taken; the one in use, unless the other is the better one.
///
/// # Errors
/// [`CommitError`]
pub fn rewrite(
    file: &dyn CommitFile,
    slot: Option<usize>,
    edits: &Edits,
    keep: &Keep<'_>,
) -> Result<Committed, CommitError> {
    rewrite_announced(file, slot, edits, keep, &mut |_| Ok(()))
}

/// As [`rewrite`], announced as by [`commit_announced`]. What was damaged cannot be undone by the inverse.
///
/// # Errors
/// [`CommitError`]; an error of `announce` ends the commit before it counts.
pub fn rewrite_announced(
    file: &dyn CommitFile,
    slot: Option<usize>,
    edits: &Edits,
    keep: &Keep<'_>,
    announce: &mut Announce<'_>,
) -> Result<Committed, CommitError> {
    let current = Database::open(as_source(file))?;
    let db = slot.map_or_else(|| Some(current.clone()), |slot| current.at_slot(slot));
    let Some(db) = db else { return Err(OpenError::Empty.into()) };
    write(file, &db, edits, keep, false, announce)
}

/// Makes the file a database of its own, whatever was in it: when no meta page is left to commit to. Returns the bytes
/// written.
///
/// Until the last write there is no valid meta page in it, and it is never empty: what is cut off in between is no database
/// that anyone would take for an empty one. The file must have no valid meta page, or be a copy.
///
/// # Errors
/// [`CommitError`]
pub fn build(
    file: &dyn CommitFile,
    page_size: u32,
    freelist: bool,
    edits: &Edits,
) -> Result<u64, CommitError> {
    let tree = Bucket::of(edits)?;
    let size = u64::from(page_size);
    if as_source(file).len()? > 0 {
        file.write_at(&vec![0; 2 * page_size as usize], 0)?;
        file.sync()?;
    }
    let mut out = Output::new(file, page_size, 2);
    let (root, sequence, _) = Merge::new(&mut out, &|_, _, _| true, &tree, 0).finish()?;
    let list = if freelist { Some(write_freelist(&mut out, 2, 2)?) } else { None };
    out.flush()?;
    // Go's bolt opens no file that is smaller than what it reads at first (4 KiB).
    file.set_len(MIN_FILE_BYTES.max(out.next().saturating_mul(size)))?;
    file.sync()?;
    let zero = Meta { page_size, root, sequence, freelist: list, high_water: out.next(), txid: 0 };
    for (slot, meta) in [(0, zero), (1, Meta { txid: 1, ..zero })] {
        let mut page = meta.page(slot).to_vec();
        page.resize(page_size as usize, 0);
        file.write_at(&page, slot * size)?;
    }
    file.sync()?;
    prove(&Database::open(as_source(file))?)?;
    Ok(out.bytes_written + 2 * size)
}

fn as_source(file: &dyn CommitFile) -> &dyn ReadAt {
    file
}

fn write(
    file: &dyn CommitFile,
    db: &Database<'_>,
    edits: &Edits,
    keep: &Keep<'_>,
    strict: bool,
    announce: &mut Announce<'_>,
) -> Result<Committed, CommitError> {
    let bytes = db.file_bytes();
    let prepared = prepare(file, db, edits, keep, strict).and_then(|prepared| {
        announce(&prepared.2)?;
        Ok(prepared)
    });
    let Ok((meta, slot, mut done)) = prepared else {
        // The file may stay longer than it was: that harms nobody.
        let _ = file.set_len(bytes);
        return prepared.map(|(_, _, done)| done);
    };
    let page = meta.page(slot);
    file.write_at(&page, slot * u64::from(meta.page_size)).map_err(CommitError::Unknown)?;
    file.sync().map_err(CommitError::Unknown)?;
    done.bytes_written += page.len() as u64;
    Ok(done)
}

/// Writes, syncs and proves the new tree; returns the meta page that makes it count, and its slot.
fn prepare(
    file: &dyn CommitFile,
    db: &Database<'_>,
    edits: &Edits,
    keep: &Keep<'_>,
    strict: bool,
) -> Result<(Meta, u64, Committed), CommitError> {
    let mut tree = Bucket::of(edits)?;
    let valid = || db.metas().iter().flatten();
    let first = valid().map(|meta| meta.high_water).max().unwrap_or(2).max(2);
    if first >= MAX_PAGES {
        return Err(CommitError::TooLarge { bytes: first.saturating_mul(u64::from(db.meta().page_size)) });
    }
    let mut merged = merge(file, db, &tree, keep, first)?;
    if strict && (!merged.walk.complete || !merged.notes.late.found.is_empty() || merged.notes.dropped > 0) {
        return Err(CommitError::Damaged { faults: merged.walk.faults });
    }
    if !merged.notes.late.found.is_empty() {
        sort_in(&mut tree, &merged.notes.late);
        merged = merge(file, db, &tree, keep, first)?;
    }
    let Merged { mut out, root, sequence, notes, walk } = merged;
    let freelist = match db.meta().freelist {
        Some(_) => Some(write_freelist(&mut out, 2, first)?),
        None => None,
    };
    out.flush()?;
    file.sync()?;
    // Bolt writes transaction N to slot N % 2; the one in use is never touched.
    let (txid, slot) = next_transaction(db)?;
    let meta = Meta { root, sequence, freelist, high_water: out.next(), txid, ..*db.meta() };
    prove(&db.with(meta)?)?;
    let Notes { inverse, dropped, .. } = notes;
    Ok((meta, slot, Committed { txid, inverse, bytes_written: out.bytes_written, dropped, walk }))
}

struct Merged<'f> {
    out: Output<'f>,
    root: Pgid,
    sequence: u64,
    notes: Notes,
    walk: Walk,
}

fn merge<'f>(
    file: &'f dyn CommitFile,
    db: &Database<'_>,
    tree: &Bucket<'_>,
    keep: &Keep<'_>,
    first: Pgid,
) -> Result<Merged<'f>, CommitError> {
    let mut out = Output::new(file, db.meta().page_size, first);
    let mut merge = Merge::new(&mut out, keep, tree, db.meta().sequence);
    let walk = db.walk(&mut merge);
    let (root, sequence, notes) = merge.finish()?;
    Ok(Merged { out, root, sequence, notes, walk })
}

fn sort_in(tree: &mut Bucket<'_>, late: &Late) {
    for thing in &late.found {
        match thing {
            LateThing::Bucket(path, sequence) => tree.add_late_bucket(path, *sequence),
            LateThing::Value(path, key, value) => tree.add_late(path, key, value),
        }
    }
}

/// The slot that is not in use, and the next number for it that is larger than both.
fn next_transaction(db: &Database<'_>) -> Result<(u64, u64), CommitError> {
    let newest = db.metas().iter().flatten().map(|meta| meta.txid).max().unwrap_or(0);
    let in_use = match db.metas() {
        [Ok(zero), Ok(one)] => u64::from(one.txid > zero.txid),
        [Ok(_), Err(_)] => 0,
        _ => 1,
    };
    let slot = 1 - in_use;
    let steps = if newest % 2 == slot { 2 } else { 1 };
    let txid = newest.checked_add(steps).filter(|txid| *txid < u64::MAX);
    Ok((txid.ok_or(CommitError::TooLarge { bytes: newest })?, slot))
}

/// Writes a freelist of the pages `from..to`.
fn write_freelist(out: &mut Output<'_>, from: Pgid, to: Pgid) -> Result<Pgid, CommitError> {
    let ids = to.saturating_sub(from);
    let (count, extra) = match u16::try_from(ids) {
        Ok(count) if count < u16::MAX => (count, 0),
        _ => (u16::MAX, 8),
    };
    let pgid = out.begin(FREELIST, count, HEADER_BYTES as u64 + extra + 8 * ids)?;
    if extra > 0 {
        out.write(&ids.to_le_bytes())?;
    }
    for id in from..to {
        out.write(&id.to_le_bytes())?;
    }
    out.end()?;
    Ok(pgid)
}

/// Reads back what was written.
fn prove(db: &Database<'_>) -> Result<(), CommitError> {
    let mut walk = db.walk(&mut ());
    // The meta pages are not ours to judge here.
    walk.faults.retain(|fault| fault.pgid >= 2);
    if walk.complete && walk.faults.is_empty() {
        return Ok(());
    }
    Err(CommitError::NotProved { faults: walk.faults })
}
