//! What was expected and what was there instead, each as one short text, and where it lies.

use std::path::{Path, PathBuf};

use verifier_core::finding::{Finding, FindingKind, Subject};

use super::message::{unusable, usage};
use crate::render::{errno, exact};

const CONTENT: &str = "io.containerd.content.v1.content";

/// Where the subject is below the root, if it has a place of its own.
pub(crate) fn place(subject: &Subject) -> Option<PathBuf> {
    match subject {
        Subject::Blob { digest } => {
            Some(Path::new(CONTENT).join("blobs").join(digest.algorithm().as_str()).join(digest.encoded()))
        }
        Subject::Ingest { folder } => Some(Path::new(CONTENT).join("ingest").join(folder)),
        Subject::Snapshot { snapshotter, id, .. } => Some(
            Path::new(&format!("io.containerd.snapshotter.v1.{snapshotter}"))
                .join("snapshots")
                .join(id.to_string()),
        ),
        Subject::Database { path } | Subject::Path { path } => Some(path.clone()),
        Subject::Record { database, .. } => Some(database.clone()),
        _ => None,
    }
}

/// What should be, where that is one value.
pub(crate) fn expected(finding: &Finding) -> Option<String> {
    match &finding.kind {
        FindingKind::BlobDigestMismatch { .. } | FindingKind::BlobUnreferencedCorrupt { .. } => {
            match &finding.subject {
                Subject::Blob { digest } => Some(digest.to_string()),
                _ => None,
            }
        }
        FindingKind::BlobSizeMismatch { recorded_size_bytes, .. } => Some(exact(*recorded_size_bytes)),
        FindingKind::BlobRecordSizeWrong { size_bytes, .. } => Some(exact(*size_bytes)),
        FindingKind::BlobNotRegular { .. } => Some("regular file".into()),
        FindingKind::ImageTargetMissing { target } => Some(target.to_string()),
        FindingKind::ImageConfigMissing { config, .. } => Some(config.to_string()),
        FindingKind::LayerDiffIdMismatch { expected, .. } => Some(expected.to_string()),
        FindingKind::SnapshotUsageDiffers { recorded, .. } => Some(usage(*recorded)),
        FindingKind::SnapshotDiffers(damage) => Some(format!("the tree of layer {}", damage.layer)),
        FindingKind::SnapshotParentsBare(_) => Some("what the layers below give them".into()),
        _ => None,
    }
}

/// What is there instead.
pub(crate) fn actual(finding: &Finding) -> Option<String> {
    match &finding.kind {
        FindingKind::BlobDigestMismatch { actual, .. }
        | FindingKind::BlobUnreferencedCorrupt { actual, .. } => Some(actual.to_string()),
        FindingKind::BlobSizeMismatch { size_bytes, .. } => Some(exact(*size_bytes)),
        FindingKind::BlobRecordSizeWrong { recorded_size_bytes, .. } => Some(exact(*recorded_size_bytes)),
        FindingKind::BlobUnreadable { errno: number, .. } | FindingKind::PathUnreadable { errno: number } => {
            Some(errno(*number))
        }
        FindingKind::BlobNotRegular { found, .. } | FindingKind::BlobNameInvalid { found } => {
            Some(found.to_string())
        }
        FindingKind::BlobMissing { .. }
        | FindingKind::ImageTargetMissing { .. }
        | FindingKind::ImageConfigMissing { .. }
        | FindingKind::SnapshotFolderMissing { .. } => Some("missing".into()),
        FindingKind::LayerDiffIdMismatch { actual, .. } => Some(actual.to_string()),
        FindingKind::LayerInvalid { error } | FindingKind::MetadataValueInvalid { error } => {
            Some(crate::render::escape(error))
        }
        FindingKind::MetadataUnusable { why, .. } | FindingKind::SnapshotterDatabaseUnusable { why } => {
            Some(unusable(why))
        }
        FindingKind::SnapshotUsageDiffers { actual, .. } => Some(usage(*actual)),
        FindingKind::SnapshotDiffers(damage) => Some(crate::render::count(damage.paths, "differing path")),
        FindingKind::SnapshotParentsBare(damage) => {
            Some(crate::render::count(damage.paths, "bare parent folder"))
        }
        _ => None,
    }
}
