//! A blob, read once from front to back.

use std::io;

use crate::io::{Buffer, ReadAt};

/// Bytes that are read at a time.
pub(super) const CHUNK: usize = 256 * 1024;

/// Takes a buffer of blob bytes that have been decompressed, gives an empty one for the next; `None` to stop.
type Exchange<'a> = dyn FnMut(Buffer) -> Option<Buffer> + 'a;

/// A blob, chunk by chunk. Each chunk, once used up, is handed to who asked for it: the hasher.
pub struct Source<'a> {
    blob: &'a dyn ReadAt,
    /// Where the next chunk begins.
    offset: u64,
    buffer: Buffer,
    used: usize,
    exchange: Box<Exchange<'a>>,
}

impl<'a> Source<'a> {
    /// A source that hands every chunk on through `exchange`, in order and complete.
    pub fn new(blob: &'a dyn ReadAt, exchange: impl FnMut(Buffer) -> Option<Buffer> + 'a) -> Source<'a> {
        Source { blob, offset: 0, buffer: Buffer::default(), used: 0, exchange: Box::new(exchange) }
    }

    /// Bytes of the blob that were used up.
    pub(super) fn position(&self) -> u64 {
        self.offset - self.rest().len() as u64
    }

    fn rest(&self) -> &[u8] {
        self.buffer.bytes().get(self.used..).unwrap_or_default()
    }

    /// The bytes at hand; none at the end of the blob.
    pub(super) fn fill(&mut self) -> io::Result<&[u8]> {
        if self.used >= self.buffer.bytes().len() {
            let used = std::mem::take(&mut self.buffer);
            let stopped = || io::Error::from(io::ErrorKind::BrokenPipe);
            let mut next = (self.exchange)(used).ok_or_else(stopped)?;
            self.offset += next.read(self.blob, self.offset, CHUNK)?.len() as u64;
            (self.buffer, self.used) = (next, 0);
        }
        Ok(self.rest())
    }

    /// `count` of the bytes at hand are used up.
    pub(super) fn consume(&mut self, count: usize) {
        self.used = self.buffer.bytes().len().min(self.used + count);
    }

    /// The next byte, if there is one.
    pub(super) fn byte(&mut self) -> io::Result<Option<u8>> {
        let byte = self.fill()?.first().copied();
        self.consume(usize::from(byte.is_some()));
        Ok(byte)
    }

    /// Reads what is left, for the hasher.
    ///
    /// # Errors
    /// What reading reports.
    pub fn drain(&mut self) -> io::Result<()> {
        loop {
            let count = self.fill()?.len();
            if count == 0 {
                return Ok(());
            }
            self.consume(count);
        }
    }
}
