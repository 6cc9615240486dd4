//! What to do about a finding.

use verifier_core::finding::{Code, Finding, FindingKind, Role, Subject, TreeDamage};

/// What to do now.
pub(crate) fn advice(finding: &Finding) -> String {
    let by_hand = by_hand(&finding.kind, &finding.subject);
    match repair_command(finding.code()) {
        Some(command) => {
            format!("{by_hand} '{command}' puts it right; without --yes it only shows how.")
        }
        None => by_hand.into(),
    }
}

/// The command that repairs it, where one does: the only place that names it.
fn repair_command(code: Code) -> Option<&'static str> {
    match code {
        Code::BlobMissing
        | Code::BlobDigestMismatch
        | Code::BlobSizeMismatch
        | Code::BlobNotRegular
        | Code::BlobUnreferencedCorrupt
        | Code::BlobNameInvalid
        | Code::BlobRecordSizeWrong
        | Code::ImageTargetMissing
        | Code::ImageConfigMissing
        | Code::IngestStale
        | Code::MetadataValueInvalid
        | Code::MetadataUnusable
        | Code::SnapshotterDatabaseUnusable
        | Code::BoltPageInvalid
        | Code::SnapshotFolderMissing
        | Code::SnapshotUsageDiffers
        | Code::SnapshotDiffers
        | Code::SnapshotRowMissing
        | Code::SnapshotParentMissing
        | Code::SnapshotParentDiffers
        | Code::SnapshotChainWrong
        | Code::SnapshotIdShared
        | Code::SnapshotIndexWrong
        | Code::SnapshotSequenceBehind
        | Code::SandboxInvalid
        | Code::ErofsLayerInvalid
        | Code::RootEntryForeign
        | Code::UuidInvalid
        | Code::UuidEmpty
        | Code::ContainerFolderMissing
        | Code::CriLeftover
        | Code::TmpmountLeftover => Some("containerd-fsck repair"),
        _ => None,
    }
}

fn by_hand(kind: &FindingKind, subject: &Subject) -> &'static str {
    match kind {
        FindingKind::SnapshotDiffers(damage) => tree_advice(damage),
        FindingKind::SnapshotFolderMissing { healable: true, .. } => {
            "The layer's blob is intact: the folder can be made again from it, without any network. \
             Keep the blob; do not wipe the store. Pulling again changes nothing."
        }
        FindingKind::SnapshotFolderMissing { healable: false, .. } => {
            "Pulling again changes nothing while the snapshot is recorded. Stop what uses it, remove it and the \
             snapshots above it (ctr snapshots rm, the topmost first), then pull the image again."
        }
        FindingKind::SnapshotUsageDiffers { .. } => {
            "'check --depth full' names the files that differ, or clears the snapshot, if the layer's blob is here. If \
             the blob was discarded, this is all there is to go by: stop what uses the snapshot, remove it and the \
             snapshots above it (ctr snapshots rm, the topmost first), then pull the image again."
        }
        FindingKind::BlobMissing { role, .. }
        | FindingKind::BlobDigestMismatch { role, .. }
        | FindingKind::BlobSizeMismatch { role, .. }
        | FindingKind::BlobNotRegular { role, .. } => blob_advice(*role),
        FindingKind::LayerDiffIdMismatch { .. } | FindingKind::LayerInvalid { .. } => {
            "The blob is what the registry served, so pulling it again brings the same: the image itself is wrong. \
             Have it built and pushed again."
        }
        _ => store_advice(kind, subject),
    }
}

fn tree_advice(damage: &TreeDamage) -> &'static str {
    if damage.healable {
        "The layer's blob is intact: the files can be restored from it, without any network. Start no container on \
         it until then. Pulling again changes nothing, because containerd takes the snapshot for good."
    } else {
        "The layer's blob is damaged too, so it must be pulled again: stop what uses the snapshot, remove it and \
         the snapshots above it (ctr snapshots rm, the topmost first) and the blob (ctr content rm), then pull \
         the image."
    }
}

fn blob_advice(role: Option<Role>) -> &'static str {
    match role {
        Some(Role::Index | Role::Manifest | Role::Config) => {
            "Put the right bytes in its place from a node that has them (ctr content get DIGEST there), or remove \
             every name of the images and pull them again. Pulling alone does not replace it."
        }
        _ => {
            "Put the right bytes in its place from a node that has them (ctr content get DIGEST there). Containers \
             run on as long as their snapshots exist, so remove no snapshot before. Pulling alone does not \
             replace it."
        }
    }
}

fn store_advice(kind: &FindingKind, subject: &Subject) -> &'static str {
    match kind {
        FindingKind::MetadataUnusable { .. } => {
            "Do not start containerd, and keep what starts it (kubelet, dockerd, k3s) from doing so: systemctl mask \
             --now containerd. Copy the whole root elsewhere before anything else. If there is a backup of meta.db \
             of this node, it can be put back while containerd is stopped."
        }
        FindingKind::SnapshotterDatabaseUnusable { .. } => {
            "Keep containerd stopped and copy the snapshotter's folder elsewhere. A backup of metadata.db of this \
             node can be put back; without one, all images of this snapshotter must be unpacked again."
        }
        FindingKind::BoltPageInvalid { .. } => {
            "Stop containerd and copy the file elsewhere before it is written again: containerd may refuse to start \
             on it, and each write may lose more."
        }
        FindingKind::BoltMetaInvalid { .. } => {
            "Nothing now: containerd starts on the other meta page, and its next write makes this one good again. \
             The last change before the crash may be lost."
        }
        FindingKind::MetadataValueInvalid { .. } => {
            "Remove what the record belongs to by its name (ctr images, containers or content rm) and create or \
             pull it again."
        }
        FindingKind::ImageTargetMissing { .. } | FindingKind::ImageConfigMissing { .. } => {
            "Remove every name of the image (ctr images rm --sync) and pull it again; with CRI, removing it with \
             crictl answers OK and removes nothing."
        }
        FindingKind::ManifestUnparsable { .. } => {
            "The bytes are what their digest says, so pulling them again brings the same: remove the image's names, \
             and have it built and pushed again."
        }
        FindingKind::BlobUnreadable { .. } | FindingKind::PathUnreadable { .. } => media_advice(subject),
        _ => waste_advice(kind),
    }
}

fn media_advice(subject: &Subject) -> &'static str {
    match subject {
        Subject::Store => "Look at the kernel's log and the disk's health before anything is written.",
        _ => {
            "The medium or the file system is failing: look at the kernel's log (dmesg) and the disk's health \
             (smartctl) first. Copy what matters elsewhere before anything is repaired on it."
        }
    }
}

fn waste_advice(kind: &FindingKind) -> &'static str {
    match kind {
        FindingKind::BlobUnreferenced { .. } => {
            "Nothing: it only takes space. The next garbage collection removes it, or a pull adopts it."
        }
        FindingKind::BlobUnreferencedCorrupt { .. } => {
            "Move the file out of blobs/ before anything is pulled: no record needs it, and a pull would take it for \
             right."
        }
        FindingKind::BlobNameInvalid { .. } => {
            "Move it out of blobs/: until then, garbage collection never comes to the blobs that sort after it."
        }
        FindingKind::BlobRecordSizeWrong { .. } => {
            "Nothing: it breaks nothing by itself. Deleting the record would delete the good file."
        }
        FindingKind::IngestStale { .. } => {
            "Remove its folder while containerd is stopped; it only takes space."
        }
        other => super::cross::advice(other).unwrap_or("See 'containerd-fsck explain' and the code."),
    }
}
