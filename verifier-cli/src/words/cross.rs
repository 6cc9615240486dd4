//! What is wrong with records that disagree, and what to do about it.

use verifier_core::finding::{FindingKind, IndexEntry, LeftOver, SandboxFault, SnapshotKind};

use crate::render::{count, escape, thousands};

/// How many names of a list are told.
const NAMES_SHOWN: usize = 3;

/// What is wrong with the subject.
pub(super) fn fault(kind: &FindingKind) -> String {
    match kind {
        FindingKind::SnapshotRowMissing { backend_key } => {
            format!("the snapshotter's database has no row {}", escape(backend_key))
        }
        FindingKind::SnapshotUnreferenced { .. } => "no namespace knows of it".into(),
        FindingKind::SnapshotParentMissing { parent } => {
            format!("its parent {} is not in the database", escape(parent))
        }
        FindingKind::SnapshotParentLoop { keys } => {
            format!("its parents lead back to it, over {}", count(keys.len() as u64, "snapshot"))
        }
        FindingKind::SnapshotParentDiffers { expected, actual } => format!(
            "meta.db says that it builds on {}, the snapshotter that it builds on {}",
            or_nothing(expected.as_deref()),
            or_nothing(actual.as_deref())
        ),
        FindingKind::SnapshotChainWrong { expected, actual, .. } => {
            let name = |chain_id: &Option<_>| match chain_id {
                Some(chain_id) => format!("{chain_id}"),
                None => or_nothing(None),
            };
            format!("by its name it belongs on {}, and it stands on {}", name(expected), name(actual))
        }
        FindingKind::SnapshotKindWrong { found, children } => {
            let found = match found {
                SnapshotKind::View => "a view",
                SnapshotKind::Active => "active",
            };
            let verb = if *children == 1 { "builds" } else { "build" };
            format!("is {found}, not committed, and {} {verb} on it", count(*children, "snapshot"))
        }
        FindingKind::SnapshotUsageMissing => "does not say what it occupied when it was committed".into(),
        FindingKind::SnapshotIdShared { others } => {
            format!("has the same number, and so the same folder, as {}", names(others))
        }
        _ => other_fault(kind),
    }
}

fn other_fault(kind: &FindingKind) -> String {
    match kind {
        FindingKind::SnapshotIndexWrong { parent_id, child_id, entry } => match entry {
            IndexEntry::Missing => {
                format!("snapshot {child_id} builds on {parent_id}, and the index lacks it")
            }
            IndexEntry::Stale => {
                format!("the index says that {child_id} builds on {parent_id}, which no row does")
            }
        },
        FindingKind::SnapshotSequenceBehind { sequence, in_use } => format!(
            "the last number given out is {}, and {} is in use: the database is older than the store",
            thousands(*sequence),
            thousands(*in_use)
        ),
        FindingKind::SnapshotFolderUnreferenced { why } => match why {
            LeftOver::BeingMade => "left by a snapshot that was being made".into(),
            LeftOver::BeingRemoved => "left by a snapshot that was being removed".into(),
            _ => "no snapshot has this number".into(),
        },
        FindingKind::SnapshotUnowned => "no container, lease or label holds it".into(),
        FindingKind::LabelWrong { value, expected: Some(expected), .. } => {
            format!("is {}, should be {}", escape(value), escape(expected))
        }
        FindingKind::LabelWrong { value, .. } => {
            format!("is {}, which it cannot name", escape(value))
        }
        FindingKind::ContainerSnapshotMissing { snapshotter, key } => {
            format!("its {} snapshot {} does not exist", escape(snapshotter), escape(key))
        }
        FindingKind::SandboxInvalid { why: SandboxFault::NoMetadata } => {
            "lacks the metadata that CRI keeps of a pod".into()
        }
        FindingKind::SandboxInvalid { .. } => "lacks its runtime".into(),
        FindingKind::LeaseResourceMissing { missing, ours, ends } => format!(
            "{}holds what is not there: {}{}",
            if *ours { "a repair of this tool made it; it " } else { "" },
            names(missing),
            ends.as_ref().map(|ends| format!("; it ends at {}", escape(ends))).unwrap_or_default()
        ),
        FindingKind::LeaseExpired { expired, ours: true } => {
            format!("a repair of this tool made it; it ended at {}", escape(expired))
        }
        FindingKind::LeaseExpired { expired, .. } => format!("ended at {}", escape(expired)),
        other => format!("{} (no words for this yet)", other.code()),
    }
}

/// What to do now, for these kinds.
pub(super) fn advice(kind: &FindingKind) -> Option<&'static str> {
    if let Some(own) = super::own_files::advice(kind) {
        return Some(own);
    }
    Some(match kind {
        FindingKind::SnapshotRowMissing { .. } => {
            "Delete nothing below snapshots/: its folder may still be there. Put back a metadata.db of the same time \
             while containerd is stopped; without one, remove the snapshot and those above it (ctr snapshots rm, the \
             topmost first) and pull the image again."
        }
        FindingKind::SnapshotParentMissing { .. } | FindingKind::SnapshotParentLoop { .. } => {
            "Stop containerd, which can neither use nor remove it, and copy both databases elsewhere. Copies of both \
             from the same time can be put back."
        }
        FindingKind::SnapshotParentDiffers { .. } | FindingKind::SnapshotChainWrong { .. } => {
            "Start no container on it: it would see another image's files. Remove it and the snapshots above it (ctr \
             snapshots rm, the topmost first), then pull the image again."
        }
        FindingKind::SnapshotKindWrong { .. } => {
            "Stop what uses it. Remove what builds on it and then it (ctr snapshots rm), and pull the image again."
        }
        FindingKind::SnapshotIdShared { .. } => {
            "Remove neither while the other is needed: their files are the same. Copy what matters out of the \
             containers first."
        }
        FindingKind::SnapshotIndexWrong { .. } => {
            "Remove no snapshot of this snapshotter by hand: containerd may take a parent from under its children."
        }
        FindingKind::SnapshotSequenceBehind { .. } => {
            "Stop containerd before it makes another snapshot: in failing it may delete a folder that is in use. Put \
             back both databases from the same time."
        }
        FindingKind::ContainerSnapshotMissing { .. } => {
            "Remove the container and create it again; with CRI, the kubelet does so."
        }
        FindingKind::SandboxInvalid { .. } => {
            "Remove this sandbox's record only; containerd 2.0.7, 2.1.4 or later does so itself where the metadata is missing."
        }
        _ => return waste_advice(kind),
    })
}

fn waste_advice(kind: &FindingKind) -> Option<&'static str> {
    Some(match kind {
        FindingKind::SnapshotUsageMissing => {
            "Nothing: containers run on it. Only depth full can tell whether its files are all there."
        }
        FindingKind::SnapshotFolderUnreferenced { .. } => {
            "Move it away while containerd is stopped; it only takes space."
        }
        FindingKind::SnapshotUnreferenced { .. }
        | FindingKind::SnapshotUnowned
        | FindingKind::LeaseExpired { .. } => "Nothing: containerd removes it in its next collections.",
        FindingKind::LeaseResourceMissing { .. } => {
            "Nothing: containerd passes over it. If its owner is gone, remove the lease (ctr leases rm)."
        }
        FindingKind::LabelWrong { .. } => {
            "Set it right (ctr content label), or remove every name of the images and pull them again: the collector \
             may take a part of the image as if nothing needed it."
        }
        _ => return None,
    })
}

fn or_nothing(name: Option<&str>) -> String {
    name.map_or_else(|| "nothing".into(), escape)
}

/// The first names of a list, and how many there are beyond them.
fn names(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(NAMES_SHOWN).map(escape).collect();
    match names.len().saturating_sub(NAMES_SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {} more", shown.join(", "), thousands(more as u64)),
    }
}
