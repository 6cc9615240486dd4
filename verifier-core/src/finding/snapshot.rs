//! What can be wrong with a snapshot on disk: its folder and the tree in it.
#![expect(missing_docs, reason = "evidence: fields say their unit in their name")]

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Cure, Difference, Fault, NoCure, Severity, Subject, Usage};
use crate::digest::{ChainId, Digest};
use crate::text::{count, thousands};

/// F7: a record, no folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotFolderMissing {
    pub chain_id: Option<ChainId>,
    /// Whether the layer's blob is intact.
    pub healable: bool,
}

impl Fault for SnapshotFolderMissing {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::RestoreOrEvict;
    const PAGE: &'static str = include_str!("pages/snapshot-folder-missing.txt");

    fn sentence(&self) -> String {
        "is recorded, but its folder is gone".into()
    }

    fn by_hand(&self) -> &'static str {
        if self.healable {
            "The layer's blob is intact: the folder can be made again from it, without any network. \
             Keep the blob; do not wipe the store. Pulling again changes nothing."
        } else {
            "Pulling again changes nothing while the snapshot is recorded. Stop what uses it, remove it and the \
             snapshots above it (ctr snapshots rm, the topmost first), then pull the image again."
        }
    }

    fn cure(&self) -> Cure {
        if self.healable { Self::CURE } else { Cure::EvictSnapshots }
    }

    fn actual(&self) -> Option<String> {
        Some("missing".into())
    }
}

/// F6 at depth quick: the folder does not occupy what was recorded when it was committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotUsageDiffers {
    pub recorded: Usage,
    pub actual: Usage,
}

impl Fault for SnapshotUsageDiffers {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::EvictSnapshots;
    const PAGE: &'static str = include_str!("pages/snapshot-usage-differs.txt");

    fn sentence(&self) -> String {
        format!("occupies {}; when it was committed, it was {}", self.actual, self.recorded)
    }

    fn by_hand(&self) -> &'static str {
        "'check --depth full' names the files that differ, or clears the snapshot, if the layer's blob is here. If \
         the blob was discarded, this is all there is to go by: stop what uses the snapshot, remove it and the \
         snapshots above it (ctr snapshots rm, the topmost first), then pull the image again."
    }

    fn expected(&self, _subject: &Subject) -> Option<String> {
        Some(self.recorded.to_string())
    }

    fn actual(&self) -> Option<String> {
        Some(self.actual.to_string())
    }
}

/// F6: the folder is not what the layer makes. How an unpacked tree differs from its layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TreeDamage {
    /// The stack of layers that the snapshot holds the top of.
    pub chain_id: ChainId,
    /// The layer's blob.
    pub layer: Digest,
    /// Whether that blob is intact: then the snapshot can be healed without any network.
    pub healable: bool,
    /// Paths that differ, all of them.
    pub paths: u64,
    /// How many differences of each kind, by its name.
    pub counts: BTreeMap<&'static str, u64>,
    /// The differences, the first ones when they are many.
    pub differences: Vec<Difference>,
    /// How many differences are not listed.
    pub left_out: u64,
    /// Bytes to be written, at most, to put them right.
    #[serde(skip)]
    pub write_bytes: u64,
}

impl Fault for TreeDamage {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::RestoreOrEvict;
    const PAGE: &'static str = include_str!("pages/snapshot-differs.txt");

    fn sentence(&self) -> String {
        let kinds = self.counts.iter().map(|(kind, number)| format!("{kind}: {}", thousands(*number)));
        let kinds: Vec<String> = kinds.collect();
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        let verb = if self.paths == 1 { "is" } else { "are" };
        let paths = count(self.paths, "path");
        format!("{paths} {verb} not as its layer made them{kinds}; layer {}", self.layer)
    }

    fn by_hand(&self) -> &'static str {
        if self.healable {
            "The layer's blob is intact: the files can be restored from it, without any network. Start no container on \
             it until then. Pulling again changes nothing, because containerd takes the snapshot for good."
        } else {
            "The layer's blob is damaged too, so it must be pulled again: stop what uses the snapshot, remove it and \
             the snapshots above it (ctr snapshots rm, the topmost first) and the blob (ctr content rm), then pull \
             the image."
        }
    }

    fn cure(&self) -> Cure {
        if self.healable { Self::CURE } else { Cure::EvictSnapshots }
    }

    fn expected(&self, _subject: &Subject) -> Option<String> {
        Some(format!("the tree of layer {}", self.layer))
    }

    fn actual(&self) -> Option<String> {
        Some(count(self.paths, "differing path"))
    }
}

/// Parents that no entry of the layer makes have nothing from the layers below: they were unpacked side by side (2.2 and later).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SnapshotParentsBare(pub TreeDamage);

impl Fault for SnapshotParentsBare {
    const SEVERITY: Severity = Severity::Warning;
    const CURE: Cure = Cure::RestoreOrEvict;
    const PAGE: &'static str = include_str!("pages/snapshot-parents-bare.txt");

    fn sentence(&self) -> String {
        let verb = if self.0.paths == 1 { "has" } else { "have" };
        let paths = count(self.0.paths, "parent folder");
        format!("{paths} {verb} nothing from the layers below (unpacked in parallel); layer {}", self.0.layer)
    }

    fn by_hand(&self) -> &'static str {
        "Nothing is lost, but containers see these folders as listed: private ones may be open, owners gone. The layers \
         tell what they should have; it can be set from them, without any network."
    }

    fn expected(&self, _subject: &Subject) -> Option<String> {
        Some("what the layers below give them".into())
    }

    fn actual(&self) -> Option<String> {
        Some(count(self.0.paths, "bare parent folder"))
    }
}

/// F9: a folder that no row names, or one that a creation or a removal left half done. containerd removes the rows
/// first: stopped before its next collection, it leaves such folders on a healthy store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotFolderUnreferenced {
    pub why: LeftOver,
}

impl Fault for SnapshotFolderUnreferenced {
    const SEVERITY: Severity = Severity::Info;
    const CURE: Cure = Cure::TakeOut;
    const PAGE: &'static str = include_str!("pages/snapshot-folder-unreferenced.txt");

    fn sentence(&self) -> String {
        match self.why {
            LeftOver::BeingMade => "left by a snapshot that was being made",
            LeftOver::BeingRemoved => "left by a snapshot that was being removed",
            LeftOver::NoRow => "no snapshot has this number",
        }
        .into()
    }

    fn by_hand(&self) -> &'static str {
        "Move it away while containerd is stopped; it only takes space."
    }
}

/// F12: an active snapshot that no container, lease or label holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotUnowned {}

impl Fault for SnapshotUnowned {
    const SEVERITY: Severity = Severity::Info;
    const CURE: Cure = Cure::None(NoCure::HealsItself);
    const PAGE: &'static str = include_str!("pages/snapshot-unowned.txt");

    fn sentence(&self) -> String {
        "no container, lease or label holds it".into()
    }

    fn by_hand(&self) -> &'static str {
        super::owners::COLLECTED
    }
}

/// Why a folder is left over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeftOver {
    /// `new-*`: a snapshot was being made.
    BeingMade,
    /// `rm-*`: a snapshot was being removed.
    BeingRemoved,
    /// No row has its number.
    NoRow,
}
