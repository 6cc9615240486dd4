//! What can be wrong with a part as a whole, with layers of erofs, and with images that no program here runs.
#![expect(missing_docs, reason = "evidence: fields say their unit in their name")]

use std::fmt;

use serde::Serialize;

use super::{Cure, Fault, NoCure, Severity};
use crate::digest::ChainId;
use crate::io::FileKind;
use crate::text::{count, escape, exact};

/// meta.db has snapshots of a snapshotter whose folder is gone, empty, or hidden by an empty mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotterMissing {
    /// How many snapshots meta.db has of it.
    pub snapshots: u64,
    /// Whether its folder is there, with nothing in it.
    pub is_empty: bool,
}

impl Fault for SnapshotterMissing {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::None(NoCure::ByHand);
    const PAGE: &'static str = include_str!("pages/snapshotter-missing.txt");

    fn sentence(&self) -> String {
        let what = if self.is_empty { "there is nothing in it" } else { "the folder is gone" };
        format!("{what}, while meta.db has {} of this snapshotter", count(self.snapshots, "snapshot"))
    }

    fn by_hand(&self) -> &'static str {
        "Do not start containerd: it would make an empty folder, and every pull and container would fail on what \
         meta.db still says. Mount the disk that belongs there, or put the folder back. If the snapshotter's \
         root_path is configured elsewhere, nothing is wrong: check that folder's disk. If it is lost, remove the \
         images and containers by name (ctr), and pull again."
    }
}

/// meta.db has content, and there is no content store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContentMissing {
    /// How many blobs meta.db has.
    pub blobs: u64,
}

impl Fault for ContentMissing {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::None(NoCure::ByHand);
    const PAGE: &'static str = include_str!("pages/content-missing.txt");

    fn sentence(&self) -> String {
        format!("there is no content in it, while meta.db has {}", count(self.blobs, "blob"))
    }

    fn by_hand(&self) -> &'static str {
        "Do not start containerd. Mount the disk that belongs there, or put the folder back. If it is lost, \
         containers run on as long as their snapshots exist; remove every name of the images and pull them again."
    }
}

/// A committed erofs snapshot whose image is gone, cut, or was never written out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErofsLayerInvalid {
    pub why: ErofsFault,
    /// The stack of layers that it holds the top of.
    pub chain_id: Option<ChainId>,
}

impl Fault for ErofsLayerInvalid {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::EvictSnapshots;
    const PAGE: &'static str = include_str!("pages/erofs-layer-invalid.txt");

    fn sentence(&self) -> String {
        format!("its layer.erofs {}", self.why)
    }

    fn by_hand(&self) -> &'static str {
        "Start no container on it. Pulling again changes nothing while the snapshot is recorded: remove it and the \
         snapshots above it (ctr snapshots rm, the topmost first), then pull the image again; layers that are here \
         and intact are not fetched."
    }
}

/// An image that is here for other platforms only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageNotRunnable {
    /// The platform of this machine.
    pub machine: String,
    /// Those for which the image is here.
    pub platforms: Vec<String>,
}

impl Fault for ImageNotRunnable {
    const SEVERITY: Severity = Severity::Warning;
    const CURE: Cure = Cure::None(NoCure::ByHand);
    const PAGE: &'static str = include_str!("pages/image-not-runnable.txt");

    fn sentence(&self) -> String {
        let platforms: Vec<String> = self.platforms.iter().map(escape).collect();
        format!("is here for {} only; this machine is {}", platforms.join(", "), escape(&self.machine))
    }

    fn by_hand(&self) -> &'static str {
        "If containers are to run from it here, pull it for this machine (ctr images pull --platform). Images that \
         are kept for other machines may stay as they are."
    }
}

/// Why an erofs layer cannot be the one that was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ErofsFault {
    /// There is no such file.
    Missing,
    /// Something else has its name.
    NotRegular {
        /// What it is.
        found: FileKind,
    },
    /// It has not a single byte.
    Empty,
    /// No erofs begins with such a number; zeros are what a crash leaves of bytes that were never written out.
    Magic {
        /// The number that is there.
        found: u32,
    },
    /// The superblock is not as it was written.
    Checksum {
        /// What it says of itself.
        recorded: u32,
        /// What it comes to.
        actual: u32,
    },
    /// It is shorter than its superblock says.
    Short {
        /// Its length.
        size_bytes: u64,
        /// The least that it must have.
        expected_bytes: u64,
    },
    /// It occupies less than when it was committed: parts of it were never written out.
    Occupies {
        /// What it occupies.
        size_bytes: u64,
        /// What was recorded.
        recorded_bytes: u64,
    },
}

impl fmt::Display for ErofsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErofsFault::Missing => f.write_str("is gone"),
            ErofsFault::NotRegular { found } => write!(f, "is a {found}"),
            ErofsFault::Empty => f.write_str("has 0 bytes"),
            ErofsFault::Magic { found: 0 } => f.write_str("begins with zeros: it was never written out"),
            ErofsFault::Magic { found } => write!(f, "is no erofs image (magic number {found:#010x})"),
            ErofsFault::Checksum { recorded, actual } => write!(
                f,
                "has a damaged superblock (its checksum is {actual:#010x}, should be {recorded:#010x})"
            ),
            ErofsFault::Short { size_bytes, expected_bytes } => {
                write!(f, "has {}, should have {}", exact(*size_bytes), exact(*expected_bytes))
            }
            ErofsFault::Occupies { size_bytes, recorded_bytes } => write!(
                f,
                "occupies {}; when it was committed, it was {}",
                exact(*size_bytes),
                exact(*recorded_bytes)
            ),
        }
    }
}
