//! A consistent view of a database that a running containerd writes to.
//!
//! Bolt never writes to a page of the current state. The pages of state S are freed by transaction S + 1 at the earliest, so
//! S + 2 is the first that may write to them, after the meta page of S + 1 was written. So if both meta pages have the same
//! bytes before and after, all that was read between them belongs to S. (bbolt v1.3.6 `tx.go` Commit: data pages first, then
//! the meta page; `db.go` beginRWTx and `freelist.go` release: when freed pages become free to use.)

use std::thread::sleep;
use std::time::Duration;

use super::database::Slots;
use super::meta::MetaFault;
use super::{Database, OpenError, ReadAt};
use crate::io::read_full_at as read_full;

/// Databases up to this size are copied to memory, so that `look` runs once and takes the time it wants.
const COPY_BYTES: u64 = 8 << 20;
/// The same for one that did not rest during the first [`PATIENCE`] attempts at reading it where it is.
const LARGE_COPY_BYTES: u64 = 32 << 20;
const PATIENCE: u32 = 3;
/// How long a meta page that is not valid may be one that is just being written.
const WRITE_TIME: Duration = Duration::from_millis(5);

/// Why there is no consistent view.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The file is no usable database; it stayed so while we looked twice.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Each attempt was overtaken by a write.
    #[error("the database changed during each of {attempts} attempts")]
    Busy {
        /// How often it was tried.
        attempts: u32,
    },
}

/// Calls `look` on a view of the database, and returns its result if the view is proved to be one single transaction's.
///
/// A database of up to 8 MiB, or 32 MiB if it is written to all the time, is copied first, and `look` called once. A larger
/// one is read where it is, and `look` is called anew for each attempt; only the last result counts. The file may grow, shrink and be written to meanwhile. That a file is
/// shorter than its meta page says, or one of its pages unreadable, is a fault that [`Database::walk`] finds.
///
/// # Errors
///
/// [`ViewError::Open`] for what is no database, [`ViewError::Busy`] when `attempts` were not enough.
pub fn consistent<T>(
    source: &dyn ReadAt,
    attempts: u32,
    mut look: impl FnMut(&Database<'_>) -> T,
) -> Result<T, ViewError> {
    for attempt in 0..attempts {
        let limit = if attempt < PATIENCE { COPY_BYTES } else { LARGE_COPY_BYTES };
        let before = Slots::read(source);
        let db = match Database::open(source) {
            Ok(db) => db,
            Err(error) if unchanged(source, &before) => return Err(error.into()),
            Err(_) => continue,
        };
        // A page that cannot be read is for the walk to find, page by page, from the source itself.
        if let Some(copy) = copy(&db, limit) {
            if confirmed(&db) {
                return Ok(look(&db.over(&copy, &copy)));
            }
        } else {
            let result = look(&db);
            if confirmed(&db) {
                return Ok(result);
            }
        }
    }
    Err(ViewError::Busy { attempts })
}

/// The pages below the high water mark as far as the file has them, if that is little and all of it can be read.
fn copy(db: &Database<'_>, limit: u64) -> Option<Vec<u8>> {
    let bytes = db.meta().high_water.saturating_mul(u64::from(db.meta().page_size)).min(db.file_bytes());
    if bytes > limit || db.source.as_bytes().is_some() {
        return None;
    }
    let mut copy = vec![0; usize::try_from(bytes).ok()?];
    let read = read_full(db.source, &mut copy, 0).ok()?;
    copy.truncate(read);
    Some(copy)
}

/// Whether the view is one transaction's. A meta page that is not valid may be half written at this moment, and look the
/// same twice if its writer is held up, so that one gets another moment.
fn confirmed(db: &Database<'_>) -> bool {
    let half_written = db.metas().iter().any(|meta| matches!(meta, Err(MetaFault::Checksum { .. })));
    if half_written {
        sleep(WRITE_TIME);
    }
    db.still_current()
}

fn unchanged(source: &dyn ReadAt, before: &Slots) -> bool {
    sleep(WRITE_TIME);
    *before == Slots::read(source)
}
