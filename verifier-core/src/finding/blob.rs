//! What can be wrong with a blob: its file, its bytes, its name.
#![expect(missing_docs, reason = "evidence: fields say their unit in their name")]

use serde::Serialize;

use super::{Cure, Fault, NoCure, Role, Severity, Subject};
use crate::digest::Digest;
use crate::io::FileKind;
use crate::text::{errno, exact, size, thousands};

/// F1: a record, no file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlobMissing {
    pub role: Option<Role>,
    pub size_bytes: Option<u64>,
}

impl Fault for BlobMissing {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::ReplaceOrEvict;
    const PAGE: &'static str = include_str!("pages/blob-missing.txt");

    fn sentence(&self) -> String {
        let of = self.size_bytes.map(|bytes| format!(" of {}", size(bytes))).unwrap_or_default();
        format!("is recorded, but its file{of} is gone")
    }

    fn by_hand(&self) -> &'static str {
        right_bytes(self.role)
    }

    fn role(&self) -> Option<Role> {
        self.role
    }

    fn actual(&self) -> Option<String> {
        Some("missing".into())
    }
}

/// F2: the bytes do not hash to the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlobDigestMismatch {
    pub role: Option<Role>,
    pub actual: Digest,
    pub size_bytes: u64,
    pub recorded_size_bytes: Option<u64>,
}

impl Fault for BlobDigestMismatch {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::ReplaceOrEvict;
    const PAGE: &'static str = include_str!("pages/blob-digest-mismatch.txt");

    fn sentence(&self) -> String {
        match self.recorded_size_bytes {
            Some(recorded) if recorded != self.size_bytes => format!(
                "its bytes hash to {}; there are {} of them, its record says {}",
                self.actual,
                thousands(self.size_bytes),
                thousands(recorded)
            ),
            _ => format!("its {} hash to {}", exact(self.size_bytes), self.actual),
        }
    }

    fn by_hand(&self) -> &'static str {
        right_bytes(self.role)
    }

    fn role(&self) -> Option<Role> {
        self.role
    }

    fn expected(&self, subject: &Subject) -> Option<String> {
        digest_of(subject)
    }

    fn actual(&self) -> Option<String> {
        Some(self.actual.to_string())
    }
}

/// F2 at depth quick: the file is not as long as its record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlobSizeMismatch {
    pub role: Option<Role>,
    pub recorded_size_bytes: u64,
    pub size_bytes: u64,
}

impl Fault for BlobSizeMismatch {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::ReplaceOrEvict;
    const PAGE: &'static str = include_str!("pages/blob-size-mismatch.txt");

    fn sentence(&self) -> String {
        format!(
            "its file has {}, its record says {}",
            exact(self.size_bytes),
            exact(self.recorded_size_bytes)
        )
    }

    fn by_hand(&self) -> &'static str {
        right_bytes(self.role)
    }

    fn role(&self) -> Option<Role> {
        self.role
    }

    fn expected(&self, _subject: &Subject) -> Option<String> {
        Some(exact(self.recorded_size_bytes))
    }

    fn actual(&self) -> Option<String> {
        Some(exact(self.size_bytes))
    }
}

/// F16: the medium does not give the bytes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlobUnreadable {
    pub role: Option<Role>,
    pub errno: i32,
}

impl Fault for BlobUnreadable {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::Replace;
    const PAGE: &'static str = include_str!("pages/blob-unreadable.txt");

    fn sentence(&self) -> String {
        format!("its file cannot be read: {}", errno(self.errno))
    }

    fn by_hand(&self) -> &'static str {
        super::path::MEDIUM_FIRST
    }

    fn role(&self) -> Option<Role> {
        self.role
    }

    fn actual(&self) -> Option<String> {
        Some(errno(self.errno))
    }
}

/// A folder, a link, a fifo where a blob should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlobNotRegular {
    pub role: Option<Role>,
    pub found: FileKind,
}

impl Fault for BlobNotRegular {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::ReplaceOrEvict;
    const PAGE: &'static str = include_str!("pages/blob-not-regular.txt");

    fn sentence(&self) -> String {
        format!("where its file should be there is a {}", self.found)
    }

    fn by_hand(&self) -> &'static str {
        right_bytes(self.role)
    }

    fn role(&self) -> Option<Role> {
        self.role
    }

    fn expected(&self, _subject: &Subject) -> Option<String> {
        Some("regular file".into())
    }

    fn actual(&self) -> Option<String> {
        Some(self.found.to_string())
    }
}

/// F3: a file with the right bytes that no record, lease or ingest names; the collector removes it, or a pull adopts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlobUnreferenced {
    pub size_bytes: u64,
}

impl Fault for BlobUnreferenced {
    const SEVERITY: Severity = Severity::Info;
    const CURE: Cure = Cure::None(NoCure::HealsItself);
    const PAGE: &'static str = include_str!("pages/blob-unreferenced.txt");

    fn sentence(&self) -> String {
        format!("holds {} that no record, lease or download names", size(self.size_bytes))
    }

    fn by_hand(&self) -> &'static str {
        "Nothing: it only takes space. The next garbage collection removes it, or a pull adopts it."
    }
}

/// F3: a file with wrong bytes that no record names; a pull would adopt it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlobUnreferencedCorrupt {
    pub actual: Digest,
    pub size_bytes: u64,
}

impl Fault for BlobUnreferencedCorrupt {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::TakeOut;
    const PAGE: &'static str = include_str!("pages/blob-unreferenced-corrupt.txt");

    fn sentence(&self) -> String {
        let (bytes, actual) = (exact(self.size_bytes), &self.actual);
        format!("no record names it, and its {bytes} hash to {actual}: a pull would adopt them")
    }

    fn by_hand(&self) -> &'static str {
        "Move the file out of blobs/ before anything is pulled: no record needs it, and a pull would take it for \
         right."
    }

    fn expected(&self, subject: &Subject) -> Option<String> {
        digest_of(subject)
    }

    fn actual(&self) -> Option<String> {
        Some(self.actual.to_string())
    }
}

/// F13: a name below `blobs/<algorithm>` that is no digest; collections stop at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlobNameInvalid {
    pub found: FileKind,
}

impl Fault for BlobNameInvalid {
    const SEVERITY: Severity = Severity::Warning;
    const CURE: Cure = Cure::TakeOut;
    const PAGE: &'static str = include_str!("pages/blob-name-invalid.txt");

    fn sentence(&self) -> String {
        format!("a {} whose name is no digest; containerd's garbage collection stops at it", self.found)
    }

    fn by_hand(&self) -> &'static str {
        "Move it out of blobs/: until then, garbage collection never comes to the blobs that sort after it."
    }

    fn actual(&self) -> Option<String> {
        Some(self.found.to_string())
    }
}

/// F14: the bytes are right, the record's size is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlobRecordSizeWrong {
    pub recorded_size_bytes: u64,
    pub size_bytes: u64,
}

impl Fault for BlobRecordSizeWrong {
    const SEVERITY: Severity = Severity::Warning;
    const CURE: Cure = Cure::SetBlobSize;
    const PAGE: &'static str = include_str!("pages/blob-record-size-wrong.txt");

    fn sentence(&self) -> String {
        let (bytes, recorded) = (exact(self.size_bytes), exact(self.recorded_size_bytes));
        format!("its {bytes} are right, but its record says {recorded}")
    }

    fn by_hand(&self) -> &'static str {
        "Nothing: it breaks nothing by itself. Deleting the record would delete the good file."
    }

    fn expected(&self, _subject: &Subject) -> Option<String> {
        Some(exact(self.size_bytes))
    }

    fn actual(&self) -> Option<String> {
        Some(exact(self.recorded_size_bytes))
    }
}

fn digest_of(subject: &Subject) -> Option<String> {
    match subject {
        Subject::Blob { digest } => Some(digest.to_string()),
        _ => None,
    }
}

fn right_bytes(role: Option<Role>) -> &'static str {
    match role {
        Some(Role::Index | Role::Manifest | Role::Config) => {
            "Put the right bytes in its place from a node that has them (ctr content get DIGEST there), or remove \
             every name of the images and pull them again. Pulling alone does not replace it."
        }
        Some(Role::Layer | Role::Other) | None => {
            "Put the right bytes in its place from a node that has them (ctr content get DIGEST there). Containers \
             run on as long as their snapshots exist, so remove no snapshot before. Pulling alone does not \
             replace it."
        }
    }
}
