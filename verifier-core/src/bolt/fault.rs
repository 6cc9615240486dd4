//! What can be wrong with a page: typed, with the evidence.

use super::Pgid;

/// One thing that is wrong with one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageFault {
    /// The page at fault; for a reference that leads nowhere, the page it stands on.
    pub pgid: Pgid,
    /// The names of the buckets down to the page; empty for the root bucket, the freelist and the file as a whole.
    pub path: Vec<Vec<u8>>,
    /// Whether it is the inline page of the bucket `path`, which lies within page `pgid`.
    pub inline: bool,
    /// The keys of the bucket that the page would hold; of a reference that leads nowhere, those that it led to.
    pub range: KeyRange,
    /// What could not be visited because of it.
    pub hides: Hides,
    /// What is wrong.
    pub kind: FaultKind,
}

/// Keys of one bucket, as far as the branch pages above bound them. Nothing else is known of what a lost page held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRange {
    /// The least key; `None`: the bucket's first.
    pub from: Option<Vec<u8>>,
    /// Every key is smaller; `None`: up to the bucket's last.
    pub to: Option<Vec<u8>>,
}

impl KeyRange {
    /// Whether `key` lies in the range.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.from.as_deref().is_none_or(|from| from <= key) && self.to.as_deref().is_none_or(|to| key < to)
    }
}

/// What a fault hides from a walk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Hides {
    /// Nothing: the rule that was broken costs no key.
    #[default]
    Nothing,
    /// Elements of this page; each is a key with its value, or a bucket with all that is in it.
    Elements {
        /// How many the page claims to have.
        claimed: u64,
        /// How many of them were visited.
        read: u64,
    },
    /// All that the page or the reference led to; how much that is cannot be told.
    Unknown,
}

/// Where a fault is.
#[derive(Clone, Copy)]
pub(super) struct At<'p> {
    pub(super) pgid: Pgid,
    pub(super) path: &'p [Vec<u8>],
    pub(super) inline: bool,
    pub(super) range: (Option<&'p [u8]>, Option<&'p [u8]>),
    pub(super) hides: Hides,
}

impl<'p> At<'p> {
    /// A page that is no bucket's.
    pub(super) fn page(pgid: Pgid) -> Self {
        Self::bucket(pgid, &[])
    }

    /// A page of the bucket `path`.
    pub(super) fn bucket(pgid: Pgid, path: &'p [Vec<u8>]) -> Self {
        Self { pgid, path, inline: false, range: (None, None), hides: Hides::Nothing }
    }

    fn bytes(&self) -> usize {
        // The vectors' own size counts: a path of a thousand one-letter names is not cheap either.
        let path = self.path.iter().map(|name| name.len() + size_of::<Vec<u8>>()).sum::<usize>();
        path + self.range.0.map_or(0, <[u8]>::len) + self.range.1.map_or(0, <[u8]>::len)
    }
}

/// The kinds of faults. Offsets and sizes are bytes, counted from the node's first byte; indexes count elements from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultKind {
    /// The read failed: the medium, not bolt. The operating system's error number where there is one.
    #[error("cannot be read (errno {errno:?})")]
    Unreadable {
        /// The error number of the failed read.
        errno: Option<i32>,
    },
    /// The page lies below the high water mark, but the file ends before or within it.
    #[error("lies beyond the end of the file at {file_bytes} bytes")]
    PastEnd {
        /// The file's length.
        file_bytes: u64,
    },
    /// The header has another page's number: a page that was never written, or was written in the wrong place.
    #[error("says it is page {actual}")]
    Id {
        /// The number in the header.
        actual: Pgid,
    },
    /// The header's flags are not those of a page that belongs here.
    #[error("has flags {actual:#x}, should have one of {expected:#x}")]
    Flags {
        /// The flags that would do, of which exactly one must be set.
        expected: u16,
        /// The flags in the header.
        actual: u16,
    },
    /// More elements than the page has room for.
    #[error("claims {count} elements, has room for {room}")]
    Count {
        /// Elements according to the page.
        count: u64,
        /// Elements that fit.
        room: u64,
    },
    /// The number of overflow pages does not go with the data.
    #[error("claims {actual} overflow pages, needs {needed}")]
    Overflow {
        /// Overflow pages that the last element reaches into.
        needed: u64,
        /// Overflow pages in the header.
        actual: u64,
    },
    /// The overflow pages run past the high water mark or the file's end.
    #[error("claims {actual} overflow pages, {room} are left")]
    OverflowRange {
        /// Overflow pages in the header.
        actual: u64,
        /// Pages that follow in the file.
        room: u64,
    },
    /// The nodes from the root to this one are larger than the reader's limit.
    #[error("takes {bytes} bytes, over the limit of {limit}")]
    TooLarge {
        /// Bytes of the node.
        bytes: u64,
        /// The reader's limit for a whole path.
        limit: u64,
    },
    /// The path to this page is longer than the reader's limit.
    #[error("lies deeper than {limit} pages")]
    TooDeep {
        /// The reader's limit in pages.
        limit: u64,
    },
    /// An element's data ends beyond the page.
    #[error("element {index} ends at {end}, the page at {bytes}")]
    ElementBounds {
        /// The first such element.
        index: u16,
        /// Where its data ends.
        end: u64,
        /// Where the page and its overflow end.
        bytes: u64,
    },
    /// An element's data does not begin where the one before it ends.
    #[error("element {index} begins at {actual}, should at {expected}")]
    ElementGap {
        /// The first such element.
        index: u16,
        /// Where the data before it ends.
        expected: u64,
        /// Where its own data begins.
        actual: u64,
    },
    /// A key that is empty or, for a plain value, longer than 32768 bytes.
    #[error("element {index} has a key of {bytes} bytes")]
    KeySize {
        /// The first such element.
        index: u16,
        /// The key's size.
        bytes: u32,
    },
    /// A key that does not come after the one before it.
    #[error("the key of element {index} does not follow the one before it")]
    KeyOrder {
        /// The first such element.
        index: u16,
    },
    /// A key outside of the range that the parent page gives this page.
    #[error("the key of element {index} lies outside of the range in the parent page")]
    KeyRange {
        /// The first element (below the range) or the last (above).
        index: u16,
    },
    /// An element flag that bolt does not have.
    #[error("element {index} has flags {actual:#x}")]
    ElementFlags {
        /// The first such element.
        index: u16,
        /// Its flags.
        actual: u32,
    },
    /// Bytes other than zero behind the last element.
    #[error("has data behind its last element, at {offset}")]
    Trailing {
        /// Where the first of them stands.
        offset: u64,
    },
    /// No elements, in a page that is not a bucket's root leaf.
    #[error("is empty")]
    Empty,
    /// A reference to a page that cannot be part of the tree: 0, 1, or not below the high water mark.
    #[error("element {index} refers to page {target}, the high water mark is {high_water}")]
    Reference {
        /// The element; 0 for a meta page.
        index: u16,
        /// The page it names.
        target: Pgid,
        /// The first page that was never used.
        high_water: Pgid,
    },
    /// Reached a second time; a cycle shows as this too.
    #[error("is referred to twice")]
    ClaimedTwice,
    /// In use, and on the freelist: the next write may destroy it.
    #[error("is in use and listed as free")]
    ListedFree,
    /// A bucket's value has a size that no bucket has.
    #[error("element {index} is a bucket of {bytes} bytes")]
    BucketSize {
        /// The element.
        index: u16,
        /// The value's size.
        bytes: u64,
    },
    /// A bucket within an inline bucket.
    #[error("element {index} is a bucket within an inline bucket")]
    BucketInline {
        /// The element.
        index: u16,
    },
    /// The freelist is not in ascending order, or names a page twice.
    #[error("entry {index}, page {pgid}, does not follow the one before it")]
    FreelistOrder {
        /// The first such entry.
        index: u64,
        /// The page it names.
        pgid: Pgid,
    },
    /// The freelist names a meta page or one that was never used.
    #[error("entry {index} is page {pgid}, the high water mark is {high_water}")]
    FreelistRange {
        /// The first such entry.
        index: u64,
        /// The page it names.
        pgid: Pgid,
        /// The first page that was never used.
        high_water: Pgid,
    },
    /// Neither in use nor on the freelist, from this page on. Space is lost, nothing else.
    #[error("and {pages} pages from it on are neither in use nor free", pages = pages)]
    Unaccounted {
        /// How many pages in a row, this one included.
        pages: u64,
    },
}

impl FaultKind {
    /// The kind for a read that failed.
    pub(super) fn unreadable(error: &std::io::Error) -> Self {
        Self::Unreadable { errno: error.raw_os_error() }
    }
}

/// Most faults that a walk keeps.
pub(super) const MAX_FAULTS: usize = 1000;
/// Most bytes of bucket paths and keys that the kept faults hold together.
const MAX_PATH_BYTES: usize = 1 << 20;

/// Collects faults up to a bound, and counts the rest.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) kept: Vec<PageFault>,
    pub(super) omitted: u64,
    path_bytes: usize,
}

impl Faults {
    pub(super) fn push(&mut self, at: At<'_>, kind: FaultKind) {
        let bytes = at.bytes();
        if self.kept.len() >= MAX_FAULTS || self.path_bytes.saturating_add(bytes) > MAX_PATH_BYTES {
            self.omitted = self.omitted.saturating_add(1);
            return;
        }
        self.path_bytes += bytes;
        let (from, to) = at.range;
        let range = KeyRange { from: from.map(<[u8]>::to_vec), to: to.map(<[u8]>::to_vec) };
        let At { pgid, path, inline, hides, .. } = at;
        self.kept.push(PageFault { pgid, path: path.to_vec(), inline, range, hides, kind });
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.omitted.saturating_add(self.kept.len() as u64)
    }

    /// Says of the faults since the first `mark`, all of one page, what they hide.
    pub(super) fn hide(&mut self, mark: usize, hides: Hides) {
        for fault in self.kept.iter_mut().skip(mark) {
            fault.hides = if fault.kind == FaultKind::ListedFree { Hides::Nothing } else { hides };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_bounded_number_and_counts_the_rest() {
        let mut faults = Faults::default();
        for pgid in 0..1005 {
            faults.push(At::page(pgid), FaultKind::Empty);
        }
        assert_eq!((faults.kept.len(), faults.omitted), (MAX_FAULTS, 5));
    }

    #[test]
    fn keeps_a_bounded_number_of_path_bytes() {
        let mut faults = Faults::default();
        let path = vec![vec![b'x'; 32768]; 16];
        for pgid in 0..10 {
            faults.push(At::bucket(pgid, &path), FaultKind::Empty);
        }
        assert_eq!((faults.kept.len(), faults.omitted), (1, 9));
    }
}
