//! What can be wrong with the records of snapshots: two databases, and the rows of each, that disagree.
#![expect(missing_docs, reason = "evidence: fields say their unit in their name")]

use serde::Serialize;

use super::{Cure, Fault, NoCure, Severity};
use crate::digest::ChainId;
use crate::text::{count, escape, thousands};

/// F8: a snapshot's record in meta.db whose row in the snapshotter's metadata.db is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotRowMissing {
    pub backend_key: String,
}

impl Fault for SnapshotRowMissing {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::EvictSnapshots;
    const PAGE: &'static str = include_str!("pages/snapshot-row-missing.txt");

    fn sentence(&self) -> String {
        format!("the snapshotter's database has no row {}", escape(&self.backend_key))
    }

    fn by_hand(&self) -> &'static str {
        "Delete nothing below snapshots/: its folder may still be there. Put back a metadata.db of the same time \
         while containerd is stopped; without one, remove the snapshot and those above it (ctr snapshots rm, the \
         topmost first) and pull the image again."
    }
}

/// F8: a row that no record of meta.db names; the collector removes it after the next removal of any snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotUnreferenced {
    pub committed: bool,
}

impl Fault for SnapshotUnreferenced {
    const SEVERITY: Severity = Severity::Info;
    const CURE: Cure = Cure::None(NoCure::HealsItself);
    const PAGE: &'static str = include_str!("pages/snapshot-unreferenced.txt");

    fn sentence(&self) -> String {
        "no namespace knows of it".into()
    }

    fn by_hand(&self) -> &'static str {
        super::owners::COLLECTED
    }
}

/// F8: a record or a row builds on one that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotParentMissing {
    pub parent: String,
}

impl Fault for SnapshotParentMissing {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::EvictSnapshots;
    const PAGE: &'static str = include_str!("pages/snapshot-parent-missing.txt");

    fn sentence(&self) -> String {
        format!("its parent {} is not in the database", escape(&self.parent))
    }

    fn by_hand(&self) -> &'static str {
        BOTH_DATABASES
    }
}

/// Records or rows build on each other in a circle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotParentLoop {
    pub keys: Vec<String>,
}

impl Fault for SnapshotParentLoop {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::None(NoCure::ByHand);
    const PAGE: &'static str = include_str!("pages/snapshot-parent-loop.txt");

    fn sentence(&self) -> String {
        format!("its parents lead back to it, over {}", count(self.keys.len() as u64, "snapshot"))
    }

    fn by_hand(&self) -> &'static str {
        BOTH_DATABASES
    }
}

/// F8: the two databases name different parents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotParentDiffers {
    pub expected: Option<String>,
    pub actual: Option<String>,
}

impl Fault for SnapshotParentDiffers {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::EvictSnapshots;
    const PAGE: &'static str = include_str!("pages/snapshot-parent-differs.txt");

    fn sentence(&self) -> String {
        let name = |key: &Option<String>| key.as_ref().map_or_else(|| "nothing".into(), escape);
        let (expected, actual) = (name(&self.expected), name(&self.actual));
        format!("meta.db says that it builds on {expected}, the snapshotter that it builds on {actual}")
    }

    fn by_hand(&self) -> &'static str {
        OTHER_FILES
    }
}

/// A snapshot that is named by a ChainID and stands on another snapshot than that ChainID's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotChainWrong {
    pub chain_id: ChainId,
    pub expected: Option<ChainId>,
    pub actual: Option<ChainId>,
}

impl Fault for SnapshotChainWrong {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::EvictSnapshots;
    const PAGE: &'static str = include_str!("pages/snapshot-chain-wrong.txt");

    fn sentence(&self) -> String {
        let name = |chain_id: &Option<ChainId>| {
            chain_id.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string)
        };
        let (expected, actual) = (name(&self.expected), name(&self.actual));
        format!("its name implies parent {expected}, but its parent is {actual}")
    }

    fn by_hand(&self) -> &'static str {
        OTHER_FILES
    }
}

/// Snapshots build on one that is not committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotKindWrong {
    pub found: SnapshotKind,
    pub children: u64,
}

impl Fault for SnapshotKindWrong {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::None(NoCure::ByHand);
    const PAGE: &'static str = include_str!("pages/snapshot-kind-wrong.txt");

    fn sentence(&self) -> String {
        let found = match self.found {
            SnapshotKind::View => "a view",
            SnapshotKind::Active => "active",
        };
        let verb = if self.children == 1 { "builds" } else { "build" };
        format!("is {found}, not committed, and {} {verb} on it", count(self.children, "snapshot"))
    }

    fn by_hand(&self) -> &'static str {
        "Stop what uses it. Remove what builds on it and then it (ctr snapshots rm), and pull the image again."
    }
}

/// A committed snapshot without a record of what it occupies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotUsageMissing {}

impl Fault for SnapshotUsageMissing {
    const SEVERITY: Severity = Severity::Warning;
    const CURE: Cure = Cure::None(NoCure::ByHand);
    const PAGE: &'static str = include_str!("pages/snapshot-usage-missing.txt");

    fn sentence(&self) -> String {
        "does not say what it occupied when it was committed".into()
    }

    fn by_hand(&self) -> &'static str {
        "Nothing: containers run on it. Only depth full can tell whether its files are all there."
    }
}

/// Two rows have one id, and so one folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotIdShared {
    pub others: Vec<String>,
}

impl Fault for SnapshotIdShared {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::EvictSnapshots;
    const PAGE: &'static str = include_str!("pages/snapshot-id-shared.txt");

    fn sentence(&self) -> String {
        format!("has the same number, and so the same folder, as {}", super::first_names(&self.others))
    }

    fn by_hand(&self) -> &'static str {
        "Remove neither while the other is needed: their files are the same. Copy what matters out of the \
         containers first."
    }
}

/// The index of parents in metadata.db is not what the rows say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotIndexWrong {
    pub parent_id: u64,
    pub child_id: u64,
    pub entry: IndexEntry,
}

impl Fault for SnapshotIndexWrong {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::IndexParents;
    const PAGE: &'static str = include_str!("pages/snapshot-index-wrong.txt");

    fn sentence(&self) -> String {
        let (parent, child) = (self.parent_id, self.child_id);
        match self.entry {
            IndexEntry::Missing => format!("snapshot {child} builds on {parent}, and the index lacks it"),
            IndexEntry::Stale => format!("the index says that {child} builds on {parent}, which no row does"),
        }
    }

    fn by_hand(&self) -> &'static str {
        "Remove no snapshot of this snapshotter by hand: containerd may take a parent from under its children."
    }
}

/// The last number that was given out is lower than one in use: the database is older than what it describes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotSequenceBehind {
    pub sequence: u64,
    pub in_use: u64,
}

impl Fault for SnapshotSequenceBehind {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::SetSequence;
    const PAGE: &'static str = include_str!("pages/snapshot-sequence-behind.txt");

    fn sentence(&self) -> String {
        let (sequence, in_use) = (thousands(self.sequence), thousands(self.in_use));
        format!(
            "the last number given out is {sequence}, and {in_use} is in use: the database is older than the store"
        )
    }

    fn by_hand(&self) -> &'static str {
        "Stop containerd before it makes another snapshot: in failing it may delete a folder that is in use. Put \
         back both databases from the same time."
    }
}

const BOTH_DATABASES: &str = "Stop containerd, which can neither use nor remove it, and copy both databases elsewhere. Copies of both \
     from the same time can be put back.";

const OTHER_FILES: &str = "Start no container on it: it would see another image's files. Remove it and the snapshots above it (ctr \
     snapshots rm, the topmost first), then pull the image again.";

/// What a snapshot on which others build is, when it is not committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotKind {
    /// Read-only, for looking.
    View,
    /// A container's.
    Active,
}

/// What is wrong with an entry of the index of parents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IndexEntry {
    /// A row names its parent and has no entry: containerd would let the parent be removed.
    Missing,
    /// An entry that no row accounts for: containerd refuses to remove the parent.
    Stale,
}
