//! Where the bytes of a message are read to.

/// What the kernel's pages are, or a part of it.
const PAGE_BYTES: usize = 4096;

/// Bytes that begin at a page, the first after where the allocation begins. The kernel copies out of the page cache twice as fast
/// to there as to an allocation's beginning: measured, not understood (benches/README.md, Reading).
pub(super) struct Buffer {
    room: Box<[u8]>,
    start: usize,
    len: usize,
}

impl Buffer {
    /// `len` zeros.
    pub(super) fn new(len: usize) -> Self {
        let room = vec![0; len + PAGE_BYTES].into_boxed_slice();
        // It may say that it does not know: then anywhere is as good.
        let start = Some(room.as_ptr().align_offset(PAGE_BYTES)).filter(|start| *start < PAGE_BYTES);
        Buffer { room, start: start.unwrap_or(0), len }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.room.get(self.start..).and_then(|room| room.get(..self.len)).unwrap_or_default()
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        self.room.get_mut(self.start..).and_then(|room| room.get_mut(..self.len)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_all_its_bytes_and_begins_at_a_page() {
        for len in [0, 1, 64, 4095, 4096, 512 << 10] {
            let mut buffer = Buffer::new(len);
            assert_eq!((buffer.bytes().len(), buffer.bytes_mut().len()), (len, len));
            #[cfg(not(miri))]
            assert_eq!(buffer.bytes().as_ptr().addr() % PAGE_BYTES, 0);
        }
    }
}
