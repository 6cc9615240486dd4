//! Leaks: what leases and labels keep, and nothing else.
#![expect(missing_docs, reason = "evidence: fields say their unit in their name")]

use std::fmt;

use serde::Serialize;

use super::{Cure, Fault, NoCure, Severity};
use crate::text::{count, escape, size};

/// Leases that never end and alone keep something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeaseEndless {
    /// How many.
    pub leases: u64,
    /// The oldest of them.
    pub oldest: String,
    /// When that was made.
    pub since: String,
    pub kept: Kept,
}

impl Fault for LeaseEndless {
    const SEVERITY: Severity = Severity::Info;
    const CURE: Cure = Cure::None(NoCure::ByHand);
    const PAGE: &'static str = include_str!("pages/lease-endless.txt");

    fn sentence(&self) -> String {
        format!(
            "{} without an end, the oldest ({}) of {}, hold {} that nothing else keeps",
            count(self.leases, "lease"),
            escape(&self.oldest),
            escape(&self.since),
            self.kept
        )
    }

    fn by_hand(&self) -> &'static str {
        "Nothing, while the client that made them lives (builders hold their cache so). If it is gone, remove its \
         leases (ctr leases ls, ctr leases rm): the next collection frees what they held."
    }
}

/// What only the label `containerd.io/gc.root` keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GcRootUnreached {
    /// When the oldest was made.
    pub since: String,
    pub kept: Kept,
}

impl Fault for GcRootUnreached {
    const SEVERITY: Severity = Severity::Info;
    const CURE: Cure = Cure::None(NoCure::ByHand);
    const PAGE: &'static str = include_str!("pages/gc-root-unreached.txt");

    fn sentence(&self) -> String {
        format!(
            "the label containerd.io/gc.root, the oldest of {}, holds {} that no image or container needs",
            escape(&self.since),
            self.kept
        )
    }

    fn by_hand(&self) -> &'static str {
        "Nothing, if somebody wants it. Else remove the snapshots (ctr snapshots rm), or the label of the blobs (ctr \
         content label DIGEST containerd.io/gc.root=): the next collection frees them."
    }
}

/// What is kept by nothing else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Blobs.
    pub blobs: u64,
    /// Their bytes.
    pub blob_bytes: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// What those of them occupy that are committed; of the others it is not recorded.
    pub snapshot_bytes: u64,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.blobs > 0 {
            parts.push(format!("{} of {}", count(self.blobs, "blob"), size(self.blob_bytes)));
        }
        if self.snapshots > 0 {
            let committed = match self.snapshot_bytes {
                0 => String::new(),
                bytes => format!(" (committed: {})", size(bytes)),
            };
            parts.push(format!("{}{committed}", count(self.snapshots, "snapshot")));
        }
        f.write_str(&parts.join(" and "))
    }
}
