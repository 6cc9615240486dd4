//! Where bytes are read to.

use std::io;

use super::{ReadAt, read_full_at};

/// What the bytes begin at a multiple of. To an address that is not one of 32, `rep movsb` copies at half the rate on AMD's Zen 3
/// and 4 (glibc's bug 30994), and with it the kernel copies out of the page cache; the beginning of a large allocation is 16 bytes
/// behind a page's. Measured in benches/README.md, Reading.
const ALIGN_BYTES: usize = 64;

/// Memory that is read to again and again, and what was read last.
#[derive(Debug, Default)]
pub struct Buffer {
    room: Box<[u8]>,
    start: usize,
    len: usize,
}

impl Buffer {
    /// Reads `len` bytes of `source` from `offset` (bytes from the start), fewer where it ends. Memory: the most that was ever
    /// asked for. After an error there are no bytes.
    ///
    /// # Errors
    /// What [`ReadAt::read_at`] reports; interrupted calls are repeated.
    pub fn read(&mut self, source: &dyn ReadAt, offset: u64, len: usize) -> io::Result<&[u8]> {
        self.len = 0;
        if self.room.len() - self.start < len {
            *self = Buffer::with_room(len);
        }
        let room = self.room.get_mut(self.start..).and_then(|room| room.get_mut(..len));
        self.len = read_full_at(source, room.unwrap_or_default(), offset)?;
        Ok(self.bytes())
    }

    fn with_room(len: usize) -> Self {
        let room = vec![0; len + ALIGN_BYTES].into_boxed_slice();
        // It may say that it does not know: then anywhere is right, if slower.
        let start = Some(room.as_ptr().align_offset(ALIGN_BYTES)).filter(|start| *start < ALIGN_BYTES);
        Buffer { room, start: start.unwrap_or(0), len: 0 }
    }

    /// What was read last.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.room.get(self.start..).and_then(|room| room.get(..self.len)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_what_was_read_last_and_begins_where_copies_are_fast() {
        let source: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        let mut buffer = Buffer::default();
        assert!(buffer.bytes().is_empty());
        for (offset, len) in [(0, 0), (0, 1), (3, 4096), (9000, 2000), (7, 64), (10_000, 5), (0, 10_000)] {
            let end = source.len().min(offset + len);
            assert_eq!(buffer.read(&source, offset as u64, len).unwrap(), &source[offset..end]);
            assert_eq!(buffer.bytes(), &source[offset..end]);
            #[cfg(not(miri))]
            assert_eq!(buffer.bytes().as_ptr().addr() % if len == 0 { 1 } else { ALIGN_BYTES }, 0);
        }
    }

    #[test]
    fn an_error_leaves_nothing() {
        struct Broken;
        impl ReadAt for Broken {
            fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }

            fn len(&self) -> io::Result<u64> {
                Ok(1)
            }
        }
        let mut buffer = Buffer::default();
        buffer.read(&b"before".as_slice(), 0, 6).unwrap();
        assert!(buffer.read(&Broken, 0, 6).is_err());
        assert!(buffer.bytes().is_empty());
    }
}
