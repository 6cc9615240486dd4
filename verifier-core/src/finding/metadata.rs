//! What can be wrong with metadata as a whole, and with single values in it.
#![expect(missing_docs, reason = "evidence: fields say their unit in their name")]

use std::fmt;

use serde::Serialize;

use super::{Cure, Fault, NoCure, Severity};
use crate::bolt::MetaFault;
use crate::io::FileKind;
use crate::text::{count, escape};

/// A value that does not decode as containerd writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MetadataValueInvalid {
    #[serde(serialize_with = "crate::text::as_text")]
    pub error: ValueError,
}

impl Fault for MetadataValueInvalid {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::DropValue;
    const PAGE: &'static str = include_str!("pages/metadata-value-invalid.txt");

    fn sentence(&self) -> String {
        format!("its value cannot be decoded: {}", escape(self.error.to_string()))
    }

    fn by_hand(&self) -> &'static str {
        "Remove what the record belongs to by its name (ctr images, containers or content rm) and create or \
         pull it again."
    }

    fn actual(&self) -> Option<String> {
        Some(escape(self.error.to_string()))
    }
}

/// F11a, F11b: content on disk, and no meta.db that tells what it is. Starting containerd deletes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MetadataUnusable {
    pub why: Unusable,
    pub blobs: u64,
    pub snapshots: u64,
}

impl Fault for MetadataUnusable {
    const SEVERITY: Severity = Severity::Critical;
    const CURE: Cure = Cure::Rebuild;
    const PAGE: &'static str = include_str!("pages/metadata-unusable.txt");

    fn sentence(&self) -> String {
        let (blobs, snapshots) = (count(self.blobs, "blob"), count(self.snapshots, "snapshot"));
        let started = match self.why {
            Unusable::Absent | Unusable::Empty => {
                "takes the store for empty, and deletes all of them after the first pull"
            }
            Unusable::NoMeta { .. } | Unusable::NotRegular { .. } => {
                "cannot open it, and serves none of them"
            }
        };
        format!(
            "{}, while {blobs} and {snapshots} are on disk. A containerd that is started now {started}",
            self.why
        )
    }

    fn by_hand(&self) -> &'static str {
        "Do not start containerd, and keep what starts it (kubelet, dockerd, k3s) from doing so: systemctl mask \
         --now containerd. Copy the whole root elsewhere before anything else. If there is a backup of meta.db \
         of this node, it can be put back while containerd is stopped."
    }

    fn cure(&self) -> Cure {
        self.why.cure()
    }

    fn actual(&self) -> Option<String> {
        Some(self.why.to_string())
    }
}

/// F11b, F11e: a snapshotter's metadata.db is gone or unusable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotterDatabaseUnusable {
    pub why: Unusable,
}

impl Fault for SnapshotterDatabaseUnusable {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::Rebuild;
    const PAGE: &'static str = include_str!("pages/snapshotter-database-unusable.txt");

    fn sentence(&self) -> String {
        format!("{}; no snapshot of this snapshotter can be used", self.why)
    }

    fn by_hand(&self) -> &'static str {
        "Keep containerd stopped and copy the snapshotter's folder elsewhere. A backup of metadata.db of this \
         node can be put back; without one, all images of this snapshotter must be unpacked again."
    }

    fn cure(&self) -> Cure {
        self.why.cure()
    }

    fn actual(&self) -> Option<String> {
        Some(self.why.to_string())
    }
}

/// A label of containerd's own that names what it cannot name. Nothing fails yet, but the collector believes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LabelWrong {
    pub label: String,
    pub value: String,
    pub expected: Option<String>,
}

impl Fault for LabelWrong {
    const SEVERITY: Severity = Severity::Warning;
    const CURE: Cure = Cure::None(NoCure::ByHand);
    const PAGE: &'static str = include_str!("pages/label-wrong.txt");

    fn sentence(&self) -> String {
        let value = escape(&self.value);
        match &self.expected {
            Some(expected) => format!("is {value}, should be {}", escape(expected)),
            None => format!("has value {value}, which is not a valid target"),
        }
    }

    fn by_hand(&self) -> &'static str {
        "Set it right (ctr content label), or remove every name of the images and pull them again: the collector \
         may take a part of the image as if nothing needed it."
    }
}

/// A value is not what containerd writes under that key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// Not a varint, or bytes follow it.
    #[error("not a number")]
    Number,
    /// A number that such a record cannot have.
    #[error("{0} cannot be")]
    Range(i64),
    /// Not a time as Go writes it.
    #[error("not a time")]
    Time,
    /// Not UTF-8.
    #[error("not a text")]
    Text,
    /// Not a digest.
    #[error("not a digest: {0}")]
    Digest(String),
    /// A value that every such record has is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
}

/// Why a database cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Unusable {
    /// There is no such file, though there is what it should describe.
    Absent,
    /// The file has not a single byte.
    Empty,
    /// Neither meta page is valid.
    NoMeta {
        /// What is wrong with each.
        #[serde(serialize_with = "crate::text::as_text")]
        error: NoMeta,
    },
    /// Something that is not a regular file has its name.
    NotRegular {
        /// What it is.
        found: FileKind,
    },
}

impl Unusable {
    /// What else stands there may lead to the right one (a link to a disk that is not mounted): that is for who put it there.
    fn cure(&self) -> Cure {
        match self {
            Unusable::Absent | Unusable::Empty | Unusable::NoMeta { .. } => Cure::Rebuild,
            Unusable::NotRegular { .. } => Cure::None(NoCure::ByHand),
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::Absent => f.write_str("is gone"),
            Unusable::Empty => f.write_str("has 0 bytes"),
            Unusable::NoMeta { error } => write!(f, "has no valid meta page ({error})"),
            Unusable::NotRegular { found } => write!(f, "is a {found}"),
        }
    }
}

/// Why a database has no meta page to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoMeta {
    /// Too short to hold one.
    #[error("the file has only {bytes} bytes")]
    TooShort {
        /// The file's length.
        bytes: u64,
    },
    /// Neither is usable.
    #[error("no usable meta page: page 0: {}; page 1: {}", faults[0], faults[1])]
    Invalid {
        /// What is wrong with page 0 and page 1.
        faults: [MetaFault; 2],
    },
}
