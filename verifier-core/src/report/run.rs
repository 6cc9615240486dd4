//! The report of a run.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::DatabaseReport;
use crate::advice::Advice;
use crate::device::Device;
use crate::finding::{Code, Finding, Severity, Subject};
use crate::plan::Selection;

/// How far a check goes; each depth includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Depth {
    /// Records, names and sizes; of content only indexes, manifests and configs.
    Quick,
    /// And every blob rehashed.
    Blobs,
    /// And every unpacked snapshot compared with its layer.
    #[default]
    Full,
}

/// Whether a containerd holds the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// No process holds the databases' locks.
    Stopped,
    /// A process holds them, or it cannot be told.
    Live,
}

/// The verdict, computed from findings and coverage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All that was asked for was looked at, and nothing is wrong.
    Clean,
    /// Something is wrong, whether or not everything was looked at.
    Damaged,
    /// Nothing wrong was seen, but not everything could be looked at.
    Incomplete,
}

/// Why something was not verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// This library cannot compute that algorithm.
    UnknownAlgorithm,
    /// The layer is not here although its snapshot is: discarded after unpacking, or never needed.
    LayerDiscarded,
    /// The layer is not here and nor is its snapshot: a pull that fetched only a part of the image.
    LayerNotPulled,
    /// No layer made this snapshot: it was committed by hand, or is a build's cache.
    NoLayer,
    /// A snapshotter whose snapshots this library does not read.
    UnknownSnapshotter {
        /// Its name.
        snapshotter: String,
    },
    /// Some property of the tree cannot be compared on such a store.
    NotComparable {
        /// Which, and why.
        what: String,
    },
    /// The layer's blob is itself damaged (a finding of its own).
    LayerDamaged,
    /// The lower snapshots that this one builds on are not all here.
    LowerMissing,
    /// The layer is larger than the tree can account for; reading on was pointless.
    StoppedEarly {
        /// Why.
        why: String,
    },
    /// It was on the disk long before the crash, and the check was of what the crash put at risk.
    NotAtRisk {
        /// Blobs that were not rehashed.
        blobs: u64,
        /// Snapshots that were not compared with their layers.
        snapshots: u64,
    },
    /// A sweep verified it within its period.
    VerifiedBefore {
        /// How many blobs and snapshots.
        subjects: u64,
    },
    /// A sweep's time was up.
    LeftForLater {
        /// How many blobs and snapshots.
        subjects: u64,
    },
    /// The run was asked to stop.
    Interrupted,
    /// It may not be read by this user.
    PermissionDenied,
    /// It changed while it was looked at, again and again.
    KeptChanging,
    /// The system did not answer.
    System {
        /// The error's number.
        errno: i32,
    },
}

impl Reason {
    /// Whether this makes a run incomplete; the others are how stores are.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(
            self,
            Reason::Interrupted | Reason::PermissionDenied | Reason::KeptChanging | Reason::System { .. }
        )
    }
}

/// Something that was not verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unverified {
    /// What.
    pub subject: Subject,
    /// Why.
    pub reason: Reason,
}

/// How many of one kind were looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Verified, whatever came of it.
    pub checked: u64,
    /// Not verified.
    pub skipped: u64,
    /// Bytes read for it.
    pub bytes: u64,
}

/// What was looked at and what not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Blobs, by their bytes.
    pub blobs: Tally,
    /// Committed snapshots, by their trees.
    pub snapshots: Tally,
    /// What was left out, and why.
    pub unverified: Vec<Unverified>,
}

/// What a run found.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The root, as it was named.
    pub root: PathBuf,
    /// What the root lies on.
    pub device: Option<Device>,
    /// Whether a containerd held it.
    pub mode: Mode,
    /// How far the check went.
    pub depth: Depth,
    /// What a crash put at risk, if only that was checked.
    pub at_risk: Option<Selection>,
    /// What is wrong, worst first, then by subject.
    pub findings: Vec<Finding>,
    /// What was looked at.
    pub coverage: Coverage,
    /// What could be read of each database.
    pub databases: Vec<DatabaseReport>,
    /// What of the host lies behind it; the caller's to ask ([`crate::advice::advise`]).
    pub advice: Vec<Advice>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Report {
    /// Whether there is damage: an error, or, when `strict`, a warning.
    #[must_use]
    pub fn is_damaged(&self, strict: bool) -> bool {
        let least = if strict { Severity::Warning } else { Severity::Error };
        self.findings.iter().any(|finding| finding.severity() >= least)
    }

    /// Whether all that was asked for was looked at.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.coverage.unverified.iter().any(|unverified| unverified.reason.is_failure())
    }

    /// The verdict.
    #[must_use]
    pub fn outcome(&self, strict: bool) -> Outcome {
        if self.is_damaged(strict) {
            Outcome::Damaged
        } else if self.is_complete() {
            Outcome::Clean
        } else {
            Outcome::Incomplete
        }
    }

    /// Whether starting containerd on this store would destroy data.
    #[must_use]
    pub fn must_not_start(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity() == Severity::Critical)
    }

    /// Whether the disk, or the file system on it, does not give back what it holds.
    #[must_use]
    pub fn is_medium_failing(&self) -> bool {
        self.count(Code::BlobUnreadable) + self.count(Code::PathUnreadable) > 0
    }

    /// How many findings have `code`.
    #[must_use]
    pub fn count(&self, code: Code) -> usize {
        self.findings.iter().filter(|finding| finding.code() == code).count()
    }
}
