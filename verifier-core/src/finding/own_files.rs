//! What can be wrong with containerd's own files: names that must be folders, its UUID, and what CRI keeps of containers.
#![expect(missing_docs, reason = "evidence: fields say their unit in their name")]

use std::path::PathBuf;

use serde::Serialize;

use super::{Cure, Fault, NoCure, Severity};
use crate::io::FileKind;
use crate::text::{escape, escape_path, exact};

/// A name of containerd's own in the root that must be a folder and is none: containerd, or a part of it, does not start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RootEntryForeign {
    pub found: FileKind,
}

impl Fault for RootEntryForeign {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::TakeOut;
    const PAGE: &'static str = include_str!("pages/root-entry-foreign.txt");

    fn sentence(&self) -> String {
        format!("is a {}, where containerd needs a folder", self.found)
    }

    fn by_hand(&self) -> &'static str {
        "Move it away while containerd is stopped; containerd makes the folder when it starts. A link may lead to a \
         disk that is not mounted: mount that instead."
    }

    /// A link may lead to a disk that is not mounted: that is for whoever made it.
    fn cure(&self) -> Cure {
        if self.found == FileKind::Symlink { Cure::None(NoCure::ByHand) } else { Self::CURE }
    }
}

/// The file with containerd's own UUID does not hold one: CRI's Status and `ctr version` fail until it is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UuidInvalid {
    pub why: UuidFault,
}

impl Fault for UuidInvalid {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::TakeOut;
    const PAGE: &'static str = include_str!("pages/uuid-invalid.txt");

    fn sentence(&self) -> String {
        match self.why {
            UuidFault::Zeros { size_bytes } => {
                format!("{} of zeros where a UUID should be", exact(size_bytes))
            }
            UuidFault::Text { size_bytes } => format!("{} that are no UUID", exact(size_bytes)),
            UuidFault::NotRegular { found } => format!("is a {found}"),
        }
    }

    fn by_hand(&self) -> &'static str {
        UUID_BY_HAND
    }
}

/// The same file, without a byte: most generations of containerd write it anew, some fail on it for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UuidEmpty {}

impl Fault for UuidEmpty {
    const SEVERITY: Severity = Severity::Warning;
    const CURE: Cure = Cure::TakeOut;
    const PAGE: &'static str = include_str!("pages/uuid-empty.txt");

    fn sentence(&self) -> String {
        "has 0 bytes where a UUID should be".into()
    }

    fn by_hand(&self) -> &'static str {
        UUID_BY_HAND
    }
}

const UUID_BY_HAND: &str = "Delete the file, also while containerd runs: the next call writes a new one. Nothing depends on \
                            the old value.";

/// A container of CRI whose folder is gone: CRI forgets it, and its record and snapshot stay for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContainerFolderMissing {
    /// The folder that is gone, below the root.
    #[serde(serialize_with = "super::lossy")]
    pub folder: PathBuf,
    pub image: String,
    pub snapshotter: String,
    pub snapshot_key: String,
}

impl Fault for ContainerFolderMissing {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::MakeFolder;
    const PAGE: &'static str = include_str!("pages/container-folder-missing.txt");

    fn sentence(&self) -> String {
        format!(
            "CRI's folder {} is gone; the record still holds the {} snapshot {}",
            escape_path(&self.folder),
            escape(&self.snapshotter),
            escape(&self.snapshot_key)
        )
    }

    fn by_hand(&self) -> &'static str {
        "Make the folder, empty, with mode 0755, while containerd is stopped: then CRI lists the container as unknown, \
         and the kubelet removes it with its snapshot."
    }
}

/// CRI's checkpoint of a container is gone or cannot be read: its state is unknown to the kubelet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContainerStatusInvalid {
    pub why: StatusFault,
}

impl Fault for ContainerStatusInvalid {
    const SEVERITY: Severity = Severity::Info;
    const CURE: Cure = Cure::None(NoCure::HealsItself);
    const PAGE: &'static str = include_str!("pages/container-status-invalid.txt");

    fn sentence(&self) -> String {
        let what = match self.why {
            StatusFault::Missing => "is gone".into(),
            StatusFault::Empty => "has 0 bytes".into(),
            StatusFault::Json => "cannot be read".into(),
            StatusFault::NotRegular { found } => format!("is a {found}"),
        };
        format!("{what}: CRI lists the container as unknown")
    }

    fn by_hand(&self) -> &'static str {
        "Nothing: the kubelet removes the container and creates it again. Its exit code and times are lost."
    }
}

/// What an interrupted write or removal of CRI's left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CriLeftover {}

impl Fault for CriLeftover {
    const SEVERITY: Severity = Severity::Info;
    const CURE: Cure = Cure::TakeOut;
    const PAGE: &'static str = include_str!("pages/cri-leftover.txt");

    fn sentence(&self) -> String {
        "left by a write or a removal that was cut off".into()
    }

    fn by_hand(&self) -> &'static str {
        "Move it away while containerd is stopped and nothing is mounted there; it does no harm."
    }
}

/// A mount point that an interrupted pull left in `tmpmounts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TmpmountLeftover {}

impl Fault for TmpmountLeftover {
    const SEVERITY: Severity = Severity::Info;
    const CURE: Cure = Cure::TakeOut;
    const PAGE: &'static str = include_str!("pages/tmpmount-leftover.txt");

    fn sentence(&self) -> String {
        "left by a pull that was cut off".into()
    }

    fn by_hand(&self) -> &'static str {
        "Move it away while containerd is stopped and nothing is mounted there; it does no harm."
    }
}

/// Why the file with containerd's own UUID does not hold one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum UuidFault {
    /// Nothing but NUL bytes: it was never written out.
    Zeros {
        /// How many.
        size_bytes: u64,
    },
    /// Other bytes, or not as many as a UUID has.
    Text {
        /// How many.
        size_bytes: u64,
    },
    /// Something else has its name.
    NotRegular {
        /// What it is.
        found: FileKind,
    },
}

/// Why the checkpoint of a container's state cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StatusFault {
    /// There is no such file.
    Missing,
    /// It has not a single byte.
    Empty,
    /// It is no JSON document of CRI's.
    Json,
    /// Something else has its name.
    NotRegular {
        /// What it is.
        found: FileKind,
    },
}
