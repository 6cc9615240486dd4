//! Reading pages, each at most once: the claim, the read, the header, the overflow pages.

use super::node::{overflow_fits, overflow_needed};
use super::page::{Header, LEAF, Node};
use super::page_set::PageSet;
use super::{Database, FaultKind, Pgid, ReadAt};
use crate::io::read_full_at as read_full;

/// Most bytes that the nodes from the root to the current one take together. Containerd's largest values are bounded by
/// its 16 MiB messages, so this is far above any real path.
const MAX_PATH_BYTES: u64 = 48 << 20;
/// Larger buffers are not kept for reuse.
const MAX_SPARE_BYTES: usize = 1 << 16;

/// The pages of a database, and what has been seen of them.
pub(super) struct Pages<'a> {
    source: &'a dyn ReadAt,
    file_bytes: u64,
    page_size: u32,
    pub(super) high_water: Pgid,
    /// The pages below this can be read.
    pub(super) readable: Pgid,
    /// Pages in use.
    pub(super) claimed: PageSet,
    /// Pages on the freelist.
    pub(super) listed: PageSet,
    spare: Vec<Vec<u8>>,
}

/// A page with its overflow pages.
pub(super) struct Loaded<'a> {
    pub(super) header: Header,
    pub(super) bytes: Bytes<'a>,
    /// Its overflow pages could not be had; this has been reported, and says all there is to say about the rest of the page.
    pub(super) cut: bool,
}

/// Bytes of a node: a part of what is in memory anyway, or read for this node.
pub(super) enum Bytes<'a> {
    Borrowed(&'a [u8]),
    Owned(Vec<u8>),
}

impl Bytes<'_> {
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

impl<'a> Pages<'a> {
    pub(super) fn new(db: &Database<'a>) -> Self {
        let readable = db.readable_pages();
        let mut claimed = PageSet::new(readable);
        claimed.insert(0);
        claimed.insert(1);
        Self {
            source: db.source,
            file_bytes: db.file_bytes,
            page_size: db.meta.page_size,
            high_water: db.meta.high_water,
            readable,
            claimed,
            listed: PageSet::new(readable),
            spare: Vec::new(),
        }
    }

    pub(super) fn page_size(&self) -> u32 {
        self.page_size
    }

    /// Claims and reads the page `pgid`, which lies below the high water mark, with its overflow pages. `allowed` are the
    /// flags of which exactly one must be set, `path_bytes` is what the nodes above take. Reports what is wrong.
    pub(super) fn load(
        &mut self,
        pgid: Pgid,
        allowed: u16,
        path_bytes: u64,
        report: &mut dyn FnMut(FaultKind),
    ) -> Option<Loaded<'a>> {
        if pgid >= self.readable {
            report(self.unreachable(pgid));
            return None;
        }
        if !self.claimed.insert(pgid) {
            report(FaultKind::ClaimedTwice);
            return None;
        }
        let first = self.read(pgid).map_err(&mut *report).ok()?;
        let header = Header::read(first.as_slice())?;
        if header.id != pgid {
            report(FaultKind::Id { actual: header.id });
            return None;
        }
        if header.flags & allowed == 0 || !header.flags.is_power_of_two() {
            report(FaultKind::Flags { expected: allowed, actual: header.flags });
            return None;
        }
        if self.listed.contains(pgid) {
            report(FaultKind::ListedFree);
        }
        if header.overflow == 0 {
            return Some(Loaded { header, bytes: first, cut: false });
        }
        if let Err(fault) = self.claim_overflow(pgid, &header, first.as_slice(), path_bytes) {
            report(fault);
            return Some(Loaded { header, bytes: first, cut: true });
        }
        let bytes = self.read_rest(pgid, &header, first).map_err(report).ok()?;
        Some(Loaded { header, bytes, cut: false })
    }

    /// Claims all overflow pages of a node, or none and says why.
    fn claim_overflow(
        &mut self,
        pgid: Pgid,
        header: &Header,
        first: &[u8],
        path_bytes: u64,
    ) -> Result<(), FaultKind> {
        let actual = u64::from(header.overflow);
        // The last element tells how many pages there must be. It stands on the first page, as a node with more elements
        // than the minimum is split; where it does not, the check of the whole node will see.
        let node = Node { bytes: first, leaf: header.flags == LEAF, count: header.count };
        if let Some(last) = header.count.checked_sub(1).and_then(|last| node.element(last))
            && !overflow_fits(last.end(), self.page_size, actual)
        {
            return Err(FaultKind::Overflow { needed: overflow_needed(last.end(), self.page_size), actual });
        }
        let room = self.high_water - 1 - pgid;
        if actual > room {
            return Err(FaultKind::OverflowRange { actual, room });
        }
        if pgid + actual >= self.readable {
            return Err(self.unreachable(pgid + actual));
        }
        let bytes = header.pages() * u64::from(self.page_size);
        if path_bytes + bytes > MAX_PATH_BYTES {
            return Err(FaultKind::TooLarge { bytes, limit: MAX_PATH_BYTES });
        }
        let run = pgid + 1..pgid + header.pages();
        if self.claimed.contains_any(run.clone()) {
            return Err(FaultKind::ClaimedTwice);
        }
        for page in run.clone() {
            self.claimed.insert(page);
        }
        Ok(())
    }

    /// Why a page below the high water mark is not among the readable ones.
    fn unreachable(&self, pgid: Pgid) -> FaultKind {
        let end = (pgid + 1).saturating_mul(u64::from(self.page_size));
        if end > self.file_bytes {
            FaultKind::PastEnd { file_bytes: self.file_bytes }
        } else {
            FaultKind::TooLarge { bytes: end, limit: self.readable * u64::from(self.page_size) }
        }
    }

    /// Reads one page, as it is.
    pub(super) fn read(&mut self, pgid: Pgid) -> Result<Bytes<'a>, FaultKind> {
        if let Some(all) = self.source.as_bytes() {
            return self.borrow(all, pgid, 1);
        }
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.resize(self.page_size as usize, 0);
        self.fill(&mut buffer, pgid * u64::from(self.page_size))?;
        Ok(Bytes::Owned(buffer))
    }

    /// Adds the overflow pages to the first one.
    fn read_rest(&self, pgid: Pgid, header: &Header, first: Bytes<'a>) -> Result<Bytes<'a>, FaultKind> {
        match (first, self.source.as_bytes()) {
            (Bytes::Borrowed(_), Some(all)) => self.borrow(all, pgid, header.pages()),
            (Bytes::Borrowed(_), None) => Err(FaultKind::PastEnd { file_bytes: self.file_bytes }),
            (Bytes::Owned(mut buffer), _) => {
                let read = buffer.len();
                let want = header.pages() * u64::from(self.page_size);
                buffer.resize(usize::try_from(want).unwrap_or(read), 0);
                let rest = buffer.get_mut(read..).unwrap_or_default();
                self.fill(rest, (pgid + 1) * u64::from(self.page_size))?;
                Ok(Bytes::Owned(buffer))
            }
        }
    }

    fn borrow(&self, all: &'a [u8], pgid: Pgid, pages: u64) -> Result<Bytes<'a>, FaultKind> {
        let place = |pgid: Pgid| usize::try_from(pgid * u64::from(self.page_size)).ok();
        let bytes = place(pgid).zip(place(pgid + pages)).and_then(|(start, end)| all.get(start..end));
        bytes.map(Bytes::Borrowed).ok_or(FaultKind::PastEnd { file_bytes: self.file_bytes })
    }

    fn fill(&self, buffer: &mut [u8], offset: u64) -> Result<(), FaultKind> {
        match read_full(self.source, buffer, offset) {
            Ok(count) if count == buffer.len() => Ok(()),
            // The file became shorter while we read it.
            Ok(count) => Err(FaultKind::PastEnd { file_bytes: offset + count as u64 }),
            Err(error) => Err(FaultKind::unreadable(&error)),
        }
    }

    /// Takes a buffer back for the next read.
    pub(super) fn recycle(&mut self, bytes: Bytes<'a>) {
        if let Bytes::Owned(buffer) = bytes
            && buffer.capacity() <= MAX_SPARE_BYTES
        {
            self.spare.push(buffer);
        }
    }
}
