//! How a path of an unpacked tree differs from what its layer makes.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use crate::io::FileKind;
use crate::text::{errno, escape, escape_path, thousands};

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

/// How the path differs, without its name. Names in it are escaped.
impl fmt::Display for DifferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DifferenceKind::Missing { expected } => write!(f, "{expected} is missing"),
            DifferenceKind::Unexpected { actual } => write!(f, "{actual} that the layer does not have"),
            DifferenceKind::Type { expected, actual } => write!(f, "{actual} instead of {expected}"),
            DifferenceKind::Size { expected, actual } => {
                write!(f, "{} bytes instead of {}", thousands(*actual), thousands(*expected))
            }
            DifferenceKind::Content { first_offset } => {
                write!(f, "other bytes from offset {} on", thousands(*first_offset))
            }
            DifferenceKind::Unreadable { errno: number } => write!(f, "cannot be read: {}", errno(*number)),
            DifferenceKind::Mode { expected, actual } => {
                write!(f, "mode {actual:04o} instead of {expected:04o}")
            }
            DifferenceKind::Owner { expected, actual } => {
                write!(f, "owner {}:{} instead of {}:{}", actual.0, actual.1, expected.0, expected.1)
            }
            DifferenceKind::LinkTarget { expected, actual } => {
                write!(f, "link to {} instead of {}", escape(actual), escape(expected))
            }
            DifferenceKind::Device { expected, actual } => {
                write!(f, "device {}:{} instead of {}:{}", actual.0, actual.1, expected.0, expected.1)
            }
            DifferenceKind::Xattr { name, expected: Some(_), actual: None } => {
                write!(f, "attribute {} is missing", escape(name))
            }
            DifferenceKind::Xattr { name, expected: None, actual: Some(_) } => {
                write!(f, "attribute {} is not the layer's", escape(name))
            }
            DifferenceKind::Xattr { name, .. } => write!(f, "attribute {} has another value", escape(name)),
            DifferenceKind::Whiteout { actual: None } => f.write_str("whiteout is missing"),
            DifferenceKind::Whiteout { actual: Some(actual) } => write!(f, "{actual} instead of a whiteout"),
            DifferenceKind::Opaque { expected: true } => f.write_str("does not hide the folders below it"),
            DifferenceKind::Opaque { expected: false } => f.write_str("hides the folders below it"),
            DifferenceKind::Mtime { .. } => f.write_str("another time of change"),
            DifferenceKind::HardLink { expected: true, other } => {
                write!(f, "no hard link to {}", escape_path(other))
            }
            DifferenceKind::HardLink { expected: false, other } => {
                write!(f, "a hard link to {}", escape_path(other))
            }
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

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

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
