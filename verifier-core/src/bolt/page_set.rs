//! A set of page numbers, one bit each.

use std::ops::Range;

use super::Pgid;

/// A set of the pages `0..limit`; what lies beyond is never a member.
#[derive(Clone, Debug, Default)]
pub(super) struct PageSet {
    words: Vec<u64>,
    limit: Pgid,
}

impl PageSet {
    /// An empty set. `limit` must be bounded by the file's length, as the set takes `limit / 8` bytes.
    pub(super) fn new(limit: Pgid) -> Self {
        let words = usize::try_from(limit.div_ceil(64)).unwrap_or(0);
        Self { words: vec![0; words], limit }
    }

    /// Adds a page; false when it was there already or lies beyond the limit.
    pub(super) fn insert(&mut self, pgid: Pgid) -> bool {
        if pgid >= self.limit {
            return false;
        }
        let Some(word) = usize::try_from(pgid / 64).ok().and_then(|at| self.words.get_mut(at)) else {
            return false;
        };
        let bit = 1u64 << (pgid % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Whether a page is in the set.
    pub(super) fn contains(&self, pgid: Pgid) -> bool {
        let word = usize::try_from(pgid / 64).ok().and_then(|at| self.words.get(at));
        word.is_some_and(|word| word & (1u64 << (pgid % 64)) != 0)
    }

    /// Whether any page of a run is in the set. Takes a step per 64 pages: a hostile file can make us ask often.
    pub(super) fn contains_any(&self, run: Range<Pgid>) -> bool {
        let mut pgid = run.start;
        while pgid < run.end.min(self.limit) {
            let word =
                usize::try_from(pgid / 64).ok().and_then(|at| self.words.get(at)).copied().unwrap_or(0);
            let next = (pgid / 64 + 1) * 64;
            let above = u64::MAX << (pgid % 64);
            let below = if run.end < next { !(u64::MAX << (run.end % 64)) } else { u64::MAX };
            if word & above & below != 0 {
                return true;
            }
            pgid = next;
        }
        false
    }

    /// How many pages are in the set.
    pub(super) fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_any_page_of_a_run() {
        let mut set = PageSet::new(200);
        set.insert(70);
        set.insert(130);
        for start in 0..200 {
            for end in start..=200 {
                let expected = (start..end).contains(&70) || (start..end).contains(&130);
                assert_eq!(set.contains_any(start..end), expected, "{start}..{end}");
            }
        }
        assert!(!set.contains_any(131..u64::MAX));
    }

    #[test]
    fn holds_only_what_lies_below_its_limit() {
        let mut set = PageSet::new(65);
        assert!(set.insert(0) && set.insert(63) && set.insert(64));
        assert!(!set.insert(64), "already there");
        assert!(!set.insert(65) && !set.contains(65) && !set.contains(u64::MAX));
        assert!(set.contains(64) && !set.contains(1));
        assert_eq!(set.count(), 3);
    }
}
