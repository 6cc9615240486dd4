//! Finds pages in a sound bolt file, to hit them. It trusts the file: it is one that the builder just wrote.
//!
//! ```text
//! page header: 0 u64 id  8 u16 flags (1 branch, 2 leaf, 4 meta, 0x10 freelist)  10 u16 count  12 u32 overflow
//! meta: 32 u64 root pgid  48 u64 freelist pgid  64 u64 txid       branch element at 16+16i: 0 u32 pos  4 u32 ksize  8 u64 pgid
//! leaf element at 16+16i: 0 u32 flags (1 bucket)  4 u32 pos  8 u32 ksize  12 u32 vsize; a bucket's value begins with its pgid
//! ```

use std::fs;
use std::io;
use std::path::Path;

/// The size of a page, as the builder writes them.
pub(super) const PAGE: usize = 4096;

/// A bolt file in memory.
pub(super) struct Pages {
    bytes: Vec<u8>,
}

impl Pages {
    pub(super) fn read(path: &Path) -> io::Result<Pages> {
        Ok(Pages { bytes: fs::read(path)? })
    }

    fn u16(&self, at: usize) -> Option<u16> {
        Some(u16::from_le_bytes(self.bytes.get(at..)?.first_chunk().copied()?))
    }

    fn u32(&self, at: usize) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.bytes.get(at..)?.first_chunk().copied()?)).ok()
    }

    fn u64(&self, at: usize) -> Option<usize> {
        usize::try_from(u64::from_le_bytes(self.bytes.get(at..)?.first_chunk().copied()?)).ok()
    }

    /// The slot (0 or 1) of the meta page with the later transaction.
    pub(super) fn latest_meta(&self) -> Option<usize> {
        Some(usize::from(self.u64(PAGE + 64)? > self.u64(64)?))
    }

    /// The number of pages that were ever used, the meta pages included.
    pub(super) fn used(&self) -> Option<usize> {
        self.u64(self.latest_meta()? * PAGE + 56)
    }

    /// Where the freelist begins.
    pub(super) fn freelist(&self) -> Option<usize> {
        Some(self.u64(self.latest_meta()? * PAGE + 48)? * PAGE)
    }

    /// Where the root page of the bucket `path` begins; a bucket that lies within its parent has none.
    pub(super) fn bucket(&self, path: &[&str]) -> Option<usize> {
        let root = self.u64(self.latest_meta()? * PAGE + 32)? * PAGE;
        path.iter().try_fold(root, |page, key| {
            let value = self.find(page, key.as_bytes())?;
            Some(self.u64(value)?).filter(|pgid| *pgid != 0).map(|pgid| pgid * PAGE)
        })
    }

    /// The first child of the branch page that begins at `page`.
    pub(super) fn first_child(&self, page: usize) -> Option<usize> {
        if self.u16(page + 8)? != 1 {
            return None;
        }
        Some(self.u64(page + 16 + 8)? * PAGE)
    }

    /// Where the value of `key` is, at or below the page that begins at `page`.
    fn find(&self, page: usize, key: &[u8]) -> Option<usize> {
        let is_branch = self.u16(page + 8)? == 1;
        (0..usize::from(self.u16(page + 10)?)).find_map(|index| {
            let element = page + 16 + 16 * index;
            if is_branch {
                return self.find(self.u64(element + 8)? * PAGE, key);
            }
            let (pos, key_size) = (element + self.u32(element + 4)?, self.u32(element + 8)?);
            (self.bytes.get(pos..pos + key_size)? == key).then_some(pos + key_size)
        })
    }
}
