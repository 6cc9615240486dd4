//! Writes a rebuilt database, in place: the lock that a containerd may be waiting for is the file's.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use rustix::fs::FlockOperation;

use super::action::RebuildError;
use crate::bolt::{CommitError, Database, Edits, Keep, OpenError, ReadAt, build, rewrite_announced};
use crate::repair::quarantine::disk::{Dir, Disk};
use crate::repair::quarantine::journal::{Line, RawPath};
use crate::repair::quarantine::run::{Put, Run, number};
use crate::repair::quarantine::undo::Left;
use crate::repair::rows::change::{Gated, copy_to};
use crate::repair::rows::locked::LockedStore;

/// The number of the transaction in a database that [`build`] made.
const BUILT_TXID: u64 = 1;
/// bolt's page size on most machines; any reads what it finds.
const PAGE_SIZE: u32 = 4096;
/// How containerd makes a folder of its own below the root.
const FOLDER_MODE: u32 = 0o700;

impl Run<'_> {
    /// Rewrites what is readable of the database at `path`, with `edits` on top. Returns the bytes written.
    pub(super) fn rewrite_database(
        &mut self,
        locked: &LockedStore<'_>,
        path: &Path,
        slot: usize,
        edits: &Edits,
        keep: &Keep<'_>,
    ) -> Result<u64, RebuildError> {
        let file = locked.database(path).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let gated = Gated { file, path, gate: self.disk().gate() };
        let item = self.back_up_again(&gated)?;
        let done = rewrite_announced(&gated, Some(slot), edits, keep, &mut |committed| {
            self.log(&[Line::Rebuilt { item, database: RawPath(path.into()), txid: committed.txid }])
        })?;
        Ok(done.bytes_written)
    }

    /// Makes the file at `path`, which has no valid meta page or is not there, the database that `edits` make out of nothing.
    /// Returns the bytes written, and the lock of a file that was not there before.
    pub(super) fn build_database(
        &mut self,
        locked: &LockedStore<'_>,
        path: &Path,
        edits: &Edits,
    ) -> Result<(u64, Option<std::fs::File>), RebuildError> {
        let Some(file) = locked.database(path) else { return self.create_database(path, edits) };
        let gated = Gated { file, path, gate: self.disk().gate() };
        match Database::open(&gated) {
            Err(OpenError::Io(error)) => return Err(error.into()),
            Err(_) => {}
            Ok(_) => return Err(RebuildError::NotLost),
        }
        let item = self.back_up_again(&gated)?;
        self.log(&[Line::Rebuilt { item, database: RawPath(path.into()), txid: BUILT_TXID }])?;
        Ok((build(&gated, PAGE_SIZE, true, edits)?, None))
    }

    /// As an item, locked, and then put in its place.
    fn create_database(
        &mut self,
        path: &Path,
        edits: &Edits,
    ) -> Result<(u64, Option<std::fs::File>), RebuildError> {
        let item = self.new_item();
        self.items().create_file(&item)?.sync()?;
        let file =
            self.items().open_in_place(&item)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(io::Error::from)?;
        let gated = Gated { file: &file, path, gate: self.disk().gate() };
        let bytes = build(&gated, PAGE_SIZE, true, edits)?;
        if let Some(folder) = path.parent() {
            self.disk().make_dirs(folder, FOLDER_MODE)?;
        }
        self.put_all(&[Put { item, path: path.into() }])?;
        Ok((bytes, Some(file)))
    }

    /// A copy of the whole file as it is now; its number among the items.
    fn back_up_again(&mut self, database: &Gated<'_>) -> io::Result<u64> {
        let item = self.new_item();
        let mut copy = self.items().create_file(&item)?;
        copy_to(database, &mut copy)?;
        copy.sync()?;
        self.items().sync()?;
        number(&item)
    }
}

/// Puts the bytes back that a database had before it was rebuilt, unless someone has committed to it since.
pub(in crate::repair) fn undo(
    disk: Disk<'_>,
    items: &Dir<'_>,
    locked: &LockedStore<'_>,
    path: &Path,
    item: u64,
    txid: u64,
) -> Result<bool, Left> {
    let file = locked.database(path).ok_or(Left::ChangedSince)?;
    let gated = Gated { file, path, gate: disk.gate() };
    let backup = items.open_in_place(OsStr::new(&item.to_string()))?.ok_or(Left::ChangedSince)?;
    if same(&gated, &backup)? {
        return Ok(false);
    }
    match Database::open(&gated) {
        Ok(now) if now.meta().txid > txid => return Err(Left::ChangedSince),
        Err(OpenError::Io(error)) => return Err(error.into()),
        _ => {}
    }
    restore(&gated, &backup)?;
    Ok(true)
}

/// The meta pages last: until then nobody takes the file for a database.
fn restore(database: &Gated<'_>, backup: &std::fs::File) -> io::Result<()> {
    use crate::bolt::CommitFile as _;
    /// Page 1 stands at most at 64 KiB, and its fields end before 128.
    const METAS_BYTES: u64 = 128 << 10;
    let length = ReadAt::len(backup)?;
    let head = METAS_BYTES.min(ReadAt::len(database)?);
    database.write_at(&vec![0; usize::try_from(head).unwrap_or(0)], 0)?;
    database.sync()?;
    let mut buffer = vec![0; 256 << 10];
    let mut offset = METAS_BYTES;
    while let count @ 1.. = backup.read_at(&mut buffer, offset)? {
        database.write_at(buffer.get(..count).unwrap_or_default(), offset)?;
        offset += count as u64;
    }
    if length > 0 {
        database.set_len(length)?;
    }
    database.sync()?;
    let mut head = vec![0; usize::try_from(METAS_BYTES.min(length)).unwrap_or(0)];
    let count = crate::io::read_full_at(backup, &mut head, 0)?;
    database.write_at(head.get(..count).unwrap_or_default(), 0)?;
    database.set_len(length)?;
    database.sync()
}

fn same(one: &dyn ReadAt, other: &dyn ReadAt) -> io::Result<bool> {
    let length = one.len()?;
    if length != other.len()? {
        return Ok(false);
    }
    let (mut ours, mut theirs) = (vec![0; 256 << 10], vec![0; 256 << 10]);
    let mut offset = 0;
    while offset < length {
        let count = crate::io::read_full_at(one, &mut ours, offset)?;
        if count == 0 || crate::io::read_full_at(other, &mut theirs, offset)? != count {
            return Ok(false);
        }
        if ours.get(..count) != theirs.get(..count) {
            return Ok(false);
        }
        offset += count as u64;
    }
    Ok(true)
}

impl From<CommitError> for RebuildError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Io(error) => RebuildError::Io(error),
            other => RebuildError::Commit(other),
        }
    }
}
