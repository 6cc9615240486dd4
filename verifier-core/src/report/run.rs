//! The report of a run.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::DatabaseReport;
use crate::finding::{Code, Coverage, Depth, Finding, Severity};
use crate::host::Advice;
use crate::host::Device;
use crate::plan::Selection;
use crate::scan::Mode;

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
    /// What of the host lies behind it, and what of it could not be told.
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
        self.coverage.gaps().next().is_none()
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
