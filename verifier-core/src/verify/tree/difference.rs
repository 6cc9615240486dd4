//! What can differ.

use std::collections::{BTreeMap, BinaryHeap};
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use crate::io::{FileKind, is_media_error};

/// A path that is not what the layer makes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Difference {
    /// Below the snapshot's folder; empty for that folder itself. Written with `\xNN` where it is not UTF-8.
    #[serde(serialize_with = "path_text")]
    pub path: PathBuf,
    /// What differs.
    #[serde(flatten)]
    pub kind: DifferenceKind,
}

/// How a path differs from what the layer makes. Sizes and offsets are in bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "expected is what the layer makes, actual what is on disk")]
pub enum DifferenceKind {
    /// The layer makes it, but it is not there.
    Missing { expected: FileKind },
    /// The layer does not make it. Of a folder, what is in it is not listed.
    Unexpected { actual: FileKind },
    /// Something else has its name.
    Type { expected: FileKind, actual: FileKind },
    /// A file of another length; its bytes were not compared.
    Size { expected: u64, actual: u64 },
    /// Other bytes, from this one on.
    Content { first_offset: u64 },
    /// The system does not give it back.
    Unreadable { errno: i32 },
    /// Other permissions.
    Mode { expected: u32, actual: u32 },
    /// Another owner or group.
    Owner { expected: (u32, u32), actual: (u32, u32) },
    /// A symbolic link to somewhere else.
    LinkTarget {
        #[serde(serialize_with = "bytes_text")]
        expected: Vec<u8>,
        #[serde(serialize_with = "bytes_text")]
        actual: Vec<u8>,
    },
    /// A device with another number: major, minor.
    Device { expected: (u32, u32), actual: (u32, u32) },
    /// An extended attribute with another value, or that is only here or only there.
    Xattr {
        #[serde(serialize_with = "bytes_text")]
        name: Vec<u8>,
        #[serde(serialize_with = "optional_bytes_text")]
        expected: Option<Vec<u8>>,
        #[serde(serialize_with = "optional_bytes_text")]
        actual: Option<Vec<u8>>,
    },
    /// What should hide a name of lower layers does not: it is missing, or no device 0:0.
    Whiteout { actual: Option<FileKind> },
    /// A folder that should hide what lower layers have in it does not, or the other way round.
    Opaque { expected: bool },
    /// Another time of change: nanoseconds since 1970, and seconds and nanoseconds.
    Mtime { expected: u64, actual: (i64, u32) },
    /// It should share its inode with this other path, or should not.
    HardLink {
        expected: bool,
        #[serde(serialize_with = "path_text")]
        other: PathBuf,
    },
}

impl DifferenceKind {
    /// The kind's stable name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            DifferenceKind::Missing { .. } => "missing",
            DifferenceKind::Unexpected { .. } => "unexpected",
            DifferenceKind::Type { .. } => "type",
            DifferenceKind::Size { .. } => "size",
            DifferenceKind::Content { .. } => "content",
            DifferenceKind::Unreadable { .. } => "unreadable",
            DifferenceKind::Mode { .. } => "mode",
            DifferenceKind::Owner { .. } => "owner",
            DifferenceKind::LinkTarget { .. } => "link-target",
            DifferenceKind::Device { .. } => "device",
            DifferenceKind::Xattr { .. } => "xattr",
            DifferenceKind::Whiteout { .. } => "whiteout",
            DifferenceKind::Opaque { .. } => "opaque",
            DifferenceKind::Mtime { .. } => "mtime",
            DifferenceKind::HardLink { .. } => "hard-link",
        }
    }
}

fn path_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    bytes_text(path.as_os_str().as_bytes(), serializer)
}

fn optional_bytes_text<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    match bytes {
        None => serializer.serialize_none(),
        Some(bytes) => bytes_text(bytes, serializer),
    }
}

/// UTF-8 as it is, everything else as `\xNN`.
fn bytes_text<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    serializer.serialize_str(&text)
}

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
}

/// What [`Differences`] come to.
pub(super) struct Summary {
    pub(super) differences: Vec<Difference>,
    pub(super) left_out: u64,
    pub(super) counts: BTreeMap<&'static str, u64>,
    pub(super) paths: u64,
    pub(super) unread: Option<i32>,
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

    pub(super) fn finish(self) -> Summary {
        Summary {
            differences: self.kept.into_sorted_vec(),
            left_out: self.left_out,
            counts: self.counts,
            paths: self.paths,
            unread: self.unread,
        }
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

    #[test]
    fn names_need_not_be_utf_8() {
        let kind = DifferenceKind::LinkTarget { expected: b"\xff".to_vec(), actual: b"ok".to_vec() };
        let difference = Difference { path: PathBuf::from(OsStr::from_bytes(b"a\xfeb")), kind };
        assert_eq!(
            serde_json::to_string(&difference).unwrap(),
            r#"{"path":"a\\xfeb","kind":"link-target","expected":"\\xff","actual":"ok"}"#
        );
    }
}
