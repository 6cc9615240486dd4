//! What can be wrong with other things on disk: downloads that were begun, and what cannot be read.
#![expect(missing_docs, reason = "evidence: fields say their unit in their name")]

use serde::Serialize;

use super::{Cure, Fault, NoCure, Severity};
use crate::text::{errno, size};

/// F10: an ingest that nothing will finish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IngestStale {
    pub why: StaleIngest,
    pub size_bytes: u64,
}

impl Fault for IngestStale {
    const SEVERITY: Severity = Severity::Warning;
    const CURE: Cure = Cure::TakeOut;
    const PAGE: &'static str = include_str!("pages/ingest-stale.txt");

    fn sentence(&self) -> String {
        let why = match self.why {
            StaleIngest::NoRecord => "metadata no longer knows it",
            StaleIngest::NoRef => "it does not say what it is for",
        };
        format!("{} of a download that nothing will finish: {why}", size(self.size_bytes))
    }

    fn by_hand(&self) -> &'static str {
        "Remove its folder while containerd is stopped; it only takes space."
    }
}

/// F16: a part of the store that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PathUnreadable {
    pub errno: i32,
}

impl Fault for PathUnreadable {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::None(NoCure::Medium);
    const PAGE: &'static str = include_str!("pages/path-unreadable.txt");

    fn sentence(&self) -> String {
        format!("cannot be read: {}", errno(self.errno))
    }

    fn by_hand(&self) -> &'static str {
        MEDIUM_FIRST
    }

    fn actual(&self) -> Option<String> {
        Some(errno(self.errno))
    }
}

/// What to do when reads fail.
pub(super) const MEDIUM_FIRST: &str = "The medium or the file system is failing: look at the kernel's log (dmesg) and the disk's \
     health (smartctl) first. Copy what matters elsewhere before anything is repaired on it.";

/// Why an ingest is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StaleIngest {
    /// Its `ref` names no ingest of meta.db; containerd aborts it at its next collection.
    NoRecord,
    /// Its `ref` is missing or empty; it stays for ever.
    NoRef,
}
