//! The two meta pages: what a transaction says about the file (table in [`crate::bolt`]).

use super::Pgid;
use super::page::{META, set, u32_at, u64_at};

/// Bytes of a meta page that mean something: header, fields, checksum.
pub(super) const META_BYTES: usize = 80;
/// Page sizes that are accepted: what the kernels that Go runs on use, and what bolt's own tests do.
pub(super) const PAGE_SIZES: std::ops::RangeInclusive<u32> = 512..=65536;

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
/// The freelist page id that stands for "not written to the file" (`NoFreelistSync`).
const NOT_SYNCED: Pgid = u64::MAX;

/// A valid meta page: the state of the database after one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Bytes per page, a power of two.
    pub page_size: u32,
    /// The page that the root bucket begins with.
    pub root: Pgid,
    /// The root bucket's sequence.
    pub sequence: u64,
    /// The freelist's page; `None` when the writer does not keep one in the file (containerd from 1.7 on).
    pub freelist: Option<Pgid>,
    /// The first page that was never used.
    pub high_water: Pgid,
    /// The number of the transaction.
    pub txid: u64,
}

/// Why a meta page cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetaFault {
    /// The file ends before or within the page.
    #[error("the file ends before it")]
    PastEnd,
    /// The page could not be read; the operating system's error number where there is one.
    #[error("cannot be read (errno {errno:?})")]
    Unreadable {
        /// The error number of the failed read.
        errno: Option<i32>,
    },
    /// Not bolt's magic number.
    #[error("magic number {actual:#x}")]
    Magic {
        /// What stands there.
        actual: u32,
    },
    /// Not format version 2.
    #[error("format version {actual}")]
    Version {
        /// What stands there.
        actual: u32,
    },
    /// The checksum does not match the fields: the page was half written or damaged.
    #[error("checksum {actual:#x}, should be {expected:#x}")]
    Checksum {
        /// FNV-1a-64 of the fields.
        expected: u64,
        /// What stands there.
        actual: u64,
    },
    /// A page size that is no power of two from 512 to 65536, or not the distance between the meta pages.
    #[error("page size {actual}")]
    PageSize {
        /// What stands there.
        actual: u32,
    },
}

impl Meta {
    /// Reads a meta page from its first [`META_BYTES`] bytes.
    pub(super) fn parse(page: &[u8]) -> Result<Self, MetaFault> {
        Self::fields(page).ok_or(MetaFault::PastEnd)?
    }

    /// The first bytes of the meta page in `slot`, which stands at the page of that number.
    pub(super) fn page(&self, slot: Pgid) -> [u8; META_BYTES] {
        let mut page = [0; META_BYTES];
        set(&mut page, 0, &slot.to_le_bytes());
        set(&mut page, 8, &META.to_le_bytes());
        set(&mut page, 16, &MAGIC.to_le_bytes());
        set(&mut page, 20, &VERSION.to_le_bytes());
        set(&mut page, 24, &self.page_size.to_le_bytes());
        set(&mut page, 32, &self.root.to_le_bytes());
        set(&mut page, 40, &self.sequence.to_le_bytes());
        set(&mut page, 48, &self.freelist.unwrap_or(NOT_SYNCED).to_le_bytes());
        set(&mut page, 56, &self.high_water.to_le_bytes());
        set(&mut page, 64, &self.txid.to_le_bytes());
        let checksum = fnv1a_64(page.get(16..72).unwrap_or_default());
        set(&mut page, 72, &checksum.to_le_bytes());
        page
    }

    /// The transaction that a page which fails its checksum was written by, if it is `txid` + 1 or `txid` - 1. When only that
    /// number is damaged, the checksum tells the right one.
    pub(super) fn claimed_txid(page: &[u8; META_BYTES], txid: u64) -> Option<u64> {
        if Self::parse(page).err().is_some_and(|fault| !matches!(fault, MetaFault::Checksum { .. })) {
            return None;
        }
        let near = [txid.checked_sub(1), txid.checked_add(1)].into_iter().flatten();
        let with = |txid: u64| {
            let (before, rest) = page.split_at_checked(64)?;
            Self::parse(&[before, &txid.to_le_bytes(), rest.get(8..)?].concat()).ok()
        };
        let proved = near.clone().find(|txid| with(*txid).is_some());
        proved.or_else(|| near.into_iter().find(|txid| u64_at(page, 64) == Some(*txid)))
    }

    fn fields(page: &[u8]) -> Option<Result<Self, MetaFault>> {
        let (magic, version, page_size) = (u32_at(page, 16)?, u32_at(page, 20)?, u32_at(page, 24)?);
        let (actual, expected) = (u64_at(page, 72)?, fnv1a_64(page.get(16..72)?));
        let freelist = u64_at(page, 48)?;
        let meta = Self {
            page_size,
            root: u64_at(page, 32)?,
            sequence: u64_at(page, 40)?,
            freelist: (freelist != NOT_SYNCED).then_some(freelist),
            high_water: u64_at(page, 56)?,
            txid: u64_at(page, 64)?,
        };
        Some(if magic != MAGIC {
            Err(MetaFault::Magic { actual: magic })
        } else if version != VERSION {
            Err(MetaFault::Version { actual: version })
        } else if actual != expected {
            Err(MetaFault::Checksum { expected, actual })
        } else if !page_size.is_power_of_two() || !PAGE_SIZES.contains(&page_size) {
            Err(MetaFault::PageSize { actual: page_size })
        } else {
            Ok(meta)
        })
    }
}

/// FNV-1a with 64 bits, as in Go's `hash/fnv`.
pub(super) fn fnv1a_64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
