//! New pages, one after the other, behind everything that the file already uses.

use std::io;

use super::commit::{CommitError, CommitFile};
use super::database::MAX_PAGES;
use super::page::HEADER_BYTES;
use super::{Pgid, page};

/// How much is written at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Where pages are written to, in order.
pub(super) struct Output<'f> {
    file: &'f dyn CommitFile,
    page_size: u64,
    /// The next page that is free.
    next: Pgid,
    buffer: Vec<u8>,
    /// Where the buffer goes.
    offset: u64,
    pub(super) bytes_written: u64,
}

impl<'f> Output<'f> {
    pub(super) fn new(file: &'f dyn CommitFile, page_size: u32, first: Pgid) -> Self {
        let page_size = u64::from(page_size);
        let offset = first.saturating_mul(page_size);
        Self { file, page_size, next: first, buffer: Vec::new(), offset, bytes_written: 0 }
    }

    pub(super) fn page_size(&self) -> u64 {
        self.page_size
    }

    /// The first page that has not been given away.
    pub(super) fn next(&self) -> Pgid {
        self.next
    }

    /// Begins a page of `bytes` bytes, header included, with as many overflow pages as that takes.
    pub(super) fn begin(&mut self, flags: u16, count: u16, bytes: u64) -> Result<Pgid, CommitError> {
        let pages = bytes.div_ceil(self.page_size).max(1);
        let pgid = self.next;
        let too_large = CommitError::TooLarge { bytes };
        let Some(next) = pgid.checked_add(pages).filter(|next| *next <= MAX_PAGES) else {
            return Err(too_large);
        };
        let overflow = u32::try_from(pages - 1).map_err(|_| too_large)?;
        self.next = next;
        let mut header = [0; HEADER_BYTES];
        page::set(&mut header, 0, &pgid.to_le_bytes());
        page::set(&mut header, 8, &flags.to_le_bytes());
        page::set(&mut header, 10, &count.to_le_bytes());
        page::set(&mut header, 12, &overflow.to_le_bytes());
        self.write(&header)?;
        Ok(pgid)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), CommitError> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Fills the page up with zeros.
    pub(super) fn end(&mut self) -> Result<(), CommitError> {
        let end = self.next.saturating_mul(self.page_size);
        let missing = end.saturating_sub(self.offset + self.buffer.len() as u64);
        let length = self.buffer.len() + usize::try_from(missing).unwrap_or(0);
        self.buffer.resize(length, 0);
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<(), CommitError> {
        self.file.write_at(&self.buffer, self.offset)?;
        let bytes = self.buffer.len() as u64;
        self.offset += bytes;
        self.bytes_written += bytes;
        self.buffer.clear();
        Ok(())
    }
}

/// Writes all of `bytes` at `offset`.
pub(super) fn write_all_at(file: &std::fs::File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}
