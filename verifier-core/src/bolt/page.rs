//! Fixed offsets within a page: its header and its elements (table in [`crate::bolt`]).

use super::Pgid;

pub(super) const HEADER_BYTES: usize = 16;
pub(super) const ELEMENT_BYTES: usize = 16;

pub(super) const BRANCH: u16 = 0x01;
pub(super) const LEAF: u16 = 0x02;
pub(super) const META: u16 = 0x04;
pub(super) const FREELIST: u16 = 0x10;

/// The leaf element flag of a value that is a bucket.
pub(super) const BUCKET: u32 = 0x01;

/// A page header as it stands in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) id: Pgid,
    pub(super) flags: u16,
    pub(super) count: u16,
    pub(super) overflow: u32,
}

impl Header {
    pub(super) fn read(page: &[u8]) -> Option<Self> {
        Some(Self {
            id: u64_at(page, 0)?,
            flags: u16_at(page, 8)?,
            count: u16_at(page, 10)?,
            overflow: u32_at(page, 12)?,
        })
    }

    /// Pages in all, the one with the header included.
    pub(super) fn pages(&self) -> u64 {
        u64::from(self.overflow) + 1
    }
}

/// An element's fields, with its data's place counted from the node's first byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element {
    pub(super) flags: u32,
    pub(super) start: u64,
    pub(super) key_size: u32,
    pub(super) value_size: u32,
    /// Branch elements only.
    pub(super) child: Pgid,
}

impl Element {
    /// Where its data ends; cannot overflow, as all parts stem from 32-bit numbers.
    pub(super) fn end(&self) -> u64 {
        self.start + u64::from(self.key_size) + u64::from(self.value_size)
    }
}

/// A leaf or branch page with its overflow pages, or the inline page of a bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'n> {
    pub(super) bytes: &'n [u8],
    pub(super) leaf: bool,
    pub(super) count: u16,
}

impl<'n> Node<'n> {
    /// Where the elements end and the data begins.
    pub(super) fn data_start(&self) -> u64 {
        (HEADER_BYTES + ELEMENT_BYTES * usize::from(self.count)) as u64
    }

    /// Element `index`, if its fields lie within the node; its data need not.
    #[inline]
    pub(super) fn element(&self, index: u16) -> Option<Element> {
        if index >= self.count {
            return None;
        }
        let at = HEADER_BYTES + ELEMENT_BYTES * usize::from(index);
        let [a, b, c, d] = words(self.bytes.get(at..)?.first_chunk()?);
        let base = at as u64;
        Some(if self.leaf {
            Element { flags: a, start: base + u64::from(b), key_size: c, value_size: d, child: 0 }
        } else {
            let child = u64::from(c) | u64::from(d) << 32;
            Element { flags: 0, start: base + u64::from(a), key_size: b, value_size: 0, child }
        })
    }

    /// The key of an element, if it lies within the node.
    #[inline]
    pub(super) fn key(&self, element: &Element) -> Option<&'n [u8]> {
        self.slice(element.start, element.key_size)
    }

    /// The value of an element, if it lies within the node.
    #[inline]
    pub(super) fn value(&self, element: &Element) -> Option<&'n [u8]> {
        self.slice(element.start + u64::from(element.key_size), element.value_size)
    }

    #[inline]
    fn slice(&self, start: u64, size: u32) -> Option<&'n [u8]> {
        let end = start + u64::from(size);
        self.bytes.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }
}

fn words(bytes: &[u8; 16]) -> [u32; 4] {
    let all = u128::from_le_bytes(*bytes);
    #[expect(clippy::cast_possible_truncation, reason = "each takes the 32 bits it was shifted to")]
    [all as u32, (all >> 32) as u32, (all >> 64) as u32, (all >> 96) as u32]
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Puts a field's bytes at its offset in a header, an element or a meta page, whose size is fixed.
pub(super) fn set(to: &mut [u8], offset: usize, field: &[u8]) {
    if let Some(to) = to.get_mut(offset..offset + field.len()) {
        to.copy_from_slice(field);
    }
}
