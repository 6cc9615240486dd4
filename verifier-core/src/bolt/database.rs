//! Opening a database: the two meta pages, and the choice between them.

use std::io;

use super::meta::{META_BYTES, PAGE_SIZES};
use super::page::{BRANCH, HEADER_BYTES, Header, LEAF, u32_at};
use super::salvage::{Salvaged, Salvager, salvage};
use super::walk::{Visitor, Walk, walk};
use super::{Meta, MetaFault, Pgid, ReadAt};
use crate::io::read_full_at as read_full;

/// Most pages that are ever looked at: 64 GiB of the usual size. A sparse file costs its author nothing, and us a bit per page.
pub(super) const MAX_PAGES: Pgid = 1 << 24;
/// The page size that is assumed where no meta page tells it.
const USUAL_PAGE_SIZE: u32 = 4096;

/// An open database: both meta pages as they were found, and the one in use.
///
/// Nothing else has been read yet. For a file that may be written to meanwhile, see [`consistent`](super::consistent).
#[derive(Clone)]
pub struct Database<'a> {
    pub(super) source: &'a dyn ReadAt,
    pub(super) file_bytes: u64,
    pub(super) meta: Meta,
    pub(super) slot: usize,
    metas: [Result<Meta, MetaFault>; 2],
    raw: Slots,
}

/// Why a file cannot be opened as a database at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No byte in it. Bolt turns such a file into a new, empty database without a word.
    #[error("the file is empty")]
    Empty,
    /// Too short to hold one meta page.
    #[error("the file has only {bytes} bytes")]
    TooShort {
        /// The file's length.
        bytes: u64,
    },
    /// Neither meta page is usable.
    #[error("no usable meta page: page 0: {}; page 1: {}", faults[0], faults[1])]
    NoValidMeta {
        /// What is wrong with page 0 and page 1.
        faults: [MetaFault; 2],
    },
    /// The length could not be asked for.
    #[error("cannot be read")]
    Io(#[from] io::Error),
}

impl std::fmt::Debug for Database<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("metas", &self.metas)
            .field("slot", &self.slot)
            .finish_non_exhaustive()
    }
}

impl<'a> Database<'a> {
    /// Reads both meta pages and chooses the valid one with the larger txid.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when there is no usable meta page; what the rest of the file looks like is [`walk`](Self::walk)'s business.
    pub fn open(source: &'a dyn ReadAt) -> Result<Self, OpenError> {
        let raw = Slots::read(source);
        // After the meta pages: a writer grows the file before it writes the meta page that needs the growth.
        let file_bytes = source.len()?;
        let metas = raw.metas();
        let slot = match &metas {
            [Ok(zero), Ok(one)] => usize::from(one.txid > zero.txid),
            [Ok(_), Err(_)] => 0,
            [Err(_), Ok(_)] => 1,
            _ if file_bytes == 0 => return Err(OpenError::Empty),
            _ if file_bytes < META_BYTES as u64 => return Err(OpenError::TooShort { bytes: file_bytes }),
            &[Err(zero), Err(one)] => return Err(OpenError::NoValidMeta { faults: [zero, one] }),
        };
        let [zero, one] = metas;
        let Ok(meta) = (if slot == 0 { zero } else { one }) else {
            return Err(OpenError::TooShort { bytes: file_bytes });
        };
        Ok(Self { source, file_bytes, meta, slot, metas, raw })
    }

    /// A file without a usable meta page, for [`salvage`](Self::salvage) only: its root is unknown, a walk finds nothing.
    /// `None` if its second page is not where any page size would put it.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn without_meta(source: &'a dyn ReadAt) -> io::Result<Option<Self>> {
        let raw = Slots::read(source);
        let file_bytes = source.len()?;
        let Some(page_size) = size_of_pages(source)? else { return Ok(None) };
        let high_water = file_bytes / u64::from(page_size);
        let meta = Meta { page_size, root: 0, sequence: 0, freelist: None, high_water, txid: 0 };
        Ok(Some(Self { source, file_bytes, meta, slot: 0, metas: raw.metas(), raw }))
    }

    /// Both meta pages as found. One that is not valid does not stop containerd: it silently uses the other.
    pub fn metas(&self) -> &[Result<Meta, MetaFault>; 2] {
        &self.metas
    }

    /// The meta page in use.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Which of the two meta pages is in use, 0 or 1.
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// The same file as meta page `slot` sees it, if that one is valid: normally the database one transaction back,
    /// of which the last transaction may have overwritten parts.
    pub fn at_slot(&self, slot: usize) -> Option<Self> {
        let meta = *self.metas.get(slot)?.as_ref().ok()?;
        Some(Self { meta, slot, ..self.clone() })
    }

    /// The transaction that wrote meta page `slot`, which is not valid, where that can be told: the one before or the one
    /// after that of the page in use.
    pub fn claimed_txid(&self, slot: usize) -> Option<u64> {
        Meta::claimed_txid(self.raw.slots.get(slot)?.as_ref().ok()?, self.meta.txid)
    }

    /// The same file with the root bucket at page `root`: to read an older state, or one that no meta page leads to.
    pub fn at_root(&self, root: Pgid) -> Self {
        Self { meta: Meta { root, ..self.meta }, ..self.clone() }
    }

    /// The file's length in bytes when it was opened.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Checks everything in one pass and hands buckets and keys to `visitor` on the way. Never fails: what cannot be
    /// read is a fault of that page, and its siblings are still visited.
    pub fn walk(&self, visitor: &mut dyn Visitor) -> Walk {
        walk(self, visitor)
    }

    /// Visits what no page of the tree leads to any more and still decodes: pages below one that is damaged, and pages of
    /// former states. Takes a walk of its own to tell which those are.
    pub fn salvage(&self, salvager: &mut dyn Salvager) -> Salvaged {
        salvage(self, salvager)
    }

    /// Writes the pages below the high water mark, as far as the file has them, to `to`.
    ///
    /// # Errors
    /// What either side reports.
    pub fn copy_to(&self, to: &mut dyn io::Write) -> io::Result<()> {
        const CHUNK_BYTES: usize = 1 << 20;
        let mut left = self.readable_pages() * u64::from(self.meta.page_size);
        let (mut offset, mut buffer) = (0, vec![0; CHUNK_BYTES]);
        while left > 0 {
            let chunk = buffer.get_mut(..usize::try_from(left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES));
            let chunk = chunk.ok_or(io::ErrorKind::InvalidInput)?;
            if read_full(self.source, chunk, offset)? < chunk.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            to.write_all(chunk)?;
            (offset, left) = (offset + chunk.len() as u64, left - chunk.len() as u64);
        }
        Ok(())
    }

    /// The pages that can be referred to and are in the file as a whole: at most this many are ever read.
    pub(super) fn readable_pages(&self) -> Pgid {
        self.meta.high_water.min(self.file_bytes / u64::from(self.meta.page_size)).min(MAX_PAGES)
    }

    /// The header of a meta page.
    pub(super) fn meta_header(&self, slot: usize) -> Option<Header> {
        Header::read(self.raw.slots.get(slot)?.as_ref().ok()?)
    }

    /// Whether both meta pages still have the very same bytes.
    pub(super) fn still_current(&self) -> bool {
        self.raw == Slots::read(self.source)
    }

    /// The same file as a meta page sees it that is not written yet.
    pub(super) fn with(&self, meta: Meta) -> io::Result<Self> {
        Ok(Self { meta, file_bytes: self.source.len()?, ..self.clone() })
    }

    /// The same database over other bytes: a copy of this one's file.
    pub(super) fn over<'b>(&self, copy: &'b [u8], source: &'b dyn ReadAt) -> Database<'b> {
        let (metas, raw) = (self.metas, self.raw.clone());
        Database { source, file_bytes: copy.len() as u64, meta: self.meta, slot: self.slot, metas, raw }
    }
}

/// The meaningful bytes of both meta pages, or why there are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slots {
    slots: [Slot; 2],
    /// Where meta page 1 was looked for.
    page_size: u32,
}

type Slot = Result<[u8; META_BYTES], MetaFault>;

impl Slots {
    /// Reads both slots. Where page 1 stands depends on the page size, which page 0 tells; if it is not valid, page 1 is
    /// looked for wherever a page size would put it.
    pub(super) fn read(source: &dyn ReadAt) -> Self {
        let zero = read_slot(source, 0);
        let parsed = zero.and_then(|bytes| Meta::parse(&bytes));
        let page_size = match (parsed, zero) {
            (Ok(meta), _) => meta.page_size,
            (Err(_), zero) => {
                probe(source).unwrap_or_else(|| claimed_page_size(zero).unwrap_or(USUAL_PAGE_SIZE))
            }
        };
        Self { slots: [zero, read_slot(source, page_size)], page_size }
    }

    fn metas(&self) -> [Result<Meta, MetaFault>; 2] {
        let [zero, one] = self.slots.map(|slot| slot.and_then(|bytes| Meta::parse(&bytes)));
        let one = one.and_then(|meta| match meta.page_size {
            actual if actual == self.page_size => Ok(meta),
            actual => Err(MetaFault::PageSize { actual }),
        });
        [zero, one]
    }
}

fn read_slot(source: &dyn ReadAt, offset: u32) -> Slot {
    let mut bytes = [0; META_BYTES];
    match read_full(source, &mut bytes, u64::from(offset)) {
        Ok(META_BYTES) => Ok(bytes),
        Ok(_) => Err(MetaFault::PastEnd),
        Err(error) => Err(MetaFault::Unreadable { errno: error.raw_os_error() }),
    }
}

/// The page size according to the first valid meta page 1.
fn probe(source: &dyn ReadAt) -> Option<u32> {
    let mut sizes = std::iter::successors(Some(*PAGE_SIZES.start()), |size| size.checked_mul(2));
    sizes.by_ref().take_while(|size| PAGE_SIZES.contains(size)).find(|size| {
        let meta = read_slot(source, *size).and_then(|bytes| Meta::parse(&bytes));
        meta.is_ok_and(|meta| meta.page_size == *size)
    })
}

/// Pages whose headers are compared to tell the page size.
const PAGES_PROBED: u64 = 64;

/// The page size with which most of the first pages have their own number in their header.
fn size_of_pages(source: &dyn ReadAt) -> io::Result<Option<u32>> {
    let sizes = std::iter::successors(Some(*PAGE_SIZES.start()), |size| size.checked_mul(2))
        .take_while(|size| PAGE_SIZES.contains(size));
    let mut best = (0, None);
    for size in sizes {
        let mut right = 0;
        for pgid in 2..PAGES_PROBED {
            let mut page = [0; HEADER_BYTES];
            let whole = read_full(source, &mut page, pgid * u64::from(size))? == page.len();
            let header = Header::read(&page).filter(|header| whole && header.id == pgid);
            right += u32::from(header.is_some_and(|header| header.flags & (BRANCH | LEAF) != 0));
        }
        // Of several that go equally well, the larger: its pages are a part of those of the smaller.
        if right > 0 && right >= best.0 {
            best = (right, Some(size));
        }
    }
    Ok(best.1)
}

/// The page size that a page 0 with some other fault states.
fn claimed_page_size(zero: Slot) -> Option<u32> {
    let size = u32_at(zero.ok()?.as_slice(), 24)?;
    (size.is_power_of_two() && PAGE_SIZES.contains(&size)).then_some(size)
}
