//! What differs, as it is found.

use std::collections::{BTreeMap, BinaryHeap};
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::report::BareParents;
use crate::finding::{Difference, DifferenceKind};
use crate::io::is_media_error;

/// The differences so far: all are counted, the first ones in the order of their paths are kept.
#[derive(Debug)]
pub(super) struct Differences {
    kept: BinaryHeap<Difference>,
    limit: usize,
    left_out: u64,
    counts: BTreeMap<&'static str, u64>,
    paths: u64,
    /// The path of the difference before, to count each path once.
    last: Option<Vec<u8>>,
    /// The first error that kept something from being compared.
    unread: Option<i32>,
    write_bytes: u64,
    /// The paths that could not be, and why: the first ones in their order.
    unread_paths: BTreeMap<Vec<u8>, i32>,
}

/// Paths that could not be compared, to be listed.
const UNREAD_MAX: usize = 100;

/// What [`Differences`] come to.
pub(super) struct Summary {
    pub(super) differences: Vec<Difference>,
    pub(super) left_out: u64,
    pub(super) counts: BTreeMap<&'static str, u64>,
    pub(super) paths: u64,
    pub(super) unread: Option<i32>,
    pub(super) write_bytes: u64,
    pub(super) unread_paths: Vec<(PathBuf, i32)>,
}

impl Differences {
    pub(super) fn new(limit: usize) -> Differences {
        Differences {
            kept: BinaryHeap::new(),
            limit,
            left_out: 0,
            counts: BTreeMap::new(),
            paths: 0,
            last: None,
            unread: None,
            write_bytes: 0,
            unread_paths: BTreeMap::new(),
        }
    }

    /// One more. All of one path come one after the other.
    ///
    /// What cannot be read for want of a permission, a file descriptor or memory may well be whole: that is a gap.
    pub(super) fn add(&mut self, path: Vec<u8>, kind: DifferenceKind) {
        if let DifferenceKind::Unreadable { errno } = kind
            && !is_media_error(errno)
        {
            self.unread.get_or_insert(errno);
            self.unread_paths.entry(path).or_insert(errno);
            if self.unread_paths.len() > UNREAD_MAX {
                self.unread_paths.pop_last();
            }
            return;
        }
        *self.counts.entry(kind.name()).or_default() += 1;
        if self.last.as_ref() != Some(&path) {
            self.paths += 1;
            self.last = Some(path.clone());
        }
        self.kept.push(Difference { path: PathBuf::from(std::ffi::OsString::from_vec(path)), kind });
        if self.kept.len() > self.limit {
            self.kept.pop();
            self.left_out += 1;
        }
    }

    /// So many more bytes are to be written, at most, for what differs to be put right.
    pub(super) fn costs(&mut self, bytes: u64) {
        self.write_bytes = self.write_bytes.saturating_add(bytes);
    }

    pub(super) fn finish(self) -> Summary {
        Summary {
            differences: self.kept.into_sorted_vec(),
            left_out: self.left_out,
            counts: self.counts,
            paths: self.paths,
            unread: self.unread,
            write_bytes: self.write_bytes,
            unread_paths: self
                .unread_paths
                .into_iter()
                .map(|(path, errno)| (PathBuf::from(std::ffi::OsString::from_vec(path)), errno))
                .collect(),
        }
    }
}

impl From<Summary> for BareParents {
    fn from(summary: Summary) -> BareParents {
        let Summary { differences, left_out, counts, paths, .. } = summary;
        BareParents { paths, differences, left_out, counts }
    }
}

pub(crate) fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_by_path_are_kept_and_all_are_counted() {
        let mut differences = Differences::new(2);
        for path in ["c", "a", "b"] {
            differences.add(path.into(), DifferenceKind::Unreadable { errno: 5 });
            differences.add(path.into(), DifferenceKind::Opaque { expected: true });
        }
        let summary = differences.finish();
        assert!(summary.differences.iter().all(|difference| difference.path == Path::new("a")));
        assert_eq!((summary.differences.len(), summary.left_out, summary.paths), (2, 4, 3));
        assert_eq!(summary.counts, BTreeMap::from([("opaque", 3), ("unreadable", 3)]));
    }

    #[test]
    fn what_may_not_be_read_is_no_difference() {
        let mut differences = Differences::new(2);
        differences.add("a".into(), DifferenceKind::Unreadable { errno: 13 });
        differences.add("b".into(), DifferenceKind::Unreadable { errno: 5 });
        let summary = differences.finish();
        assert_eq!((summary.paths, summary.unread), (1, Some(13)));
    }
}
