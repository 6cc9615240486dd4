//! What is wrong, with the evidence.

use std::path::PathBuf;

use serde::Serialize;

use super::{
    Code, ErofsFault, IndexEntry, Kept, LastTransaction, LeftOver, Role, SandboxFault, SnapshotKind,
    StaleIngest, StatusFault, TreeDamage, Unparsable, Unusable, Usage, UuidFault,
};
use crate::bolt::Hides;
use crate::digest::{ChainId, DiffId, Digest};
use crate::io::FileKind;

/// What is wrong, with the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each variant is documented at its code; fields say their unit in their name"
)]
pub enum FindingKind {
    BlobMissing {
        role: Option<Role>,
        size_bytes: Option<u64>,
    },
    BlobDigestMismatch {
        role: Option<Role>,
        actual: Digest,
        size_bytes: u64,
        recorded_size_bytes: Option<u64>,
    },
    BlobSizeMismatch {
        role: Option<Role>,
        recorded_size_bytes: u64,
        size_bytes: u64,
    },
    BlobUnreadable {
        role: Option<Role>,
        errno: i32,
    },
    BlobNotRegular {
        role: Option<Role>,
        found: FileKind,
    },
    BlobUnreferenced {
        size_bytes: u64,
    },
    BlobUnreferencedCorrupt {
        actual: Digest,
        size_bytes: u64,
    },
    BlobNameInvalid {
        found: FileKind,
    },
    BlobRecordSizeWrong {
        recorded_size_bytes: u64,
        size_bytes: u64,
    },
    ImageTargetMissing {
        target: Digest,
    },
    ImageConfigMissing {
        manifest: Digest,
        config: Digest,
    },
    ManifestUnparsable {
        role: Role,
        why: Unparsable,
    },
    #[serde(rename = "layer-diffid-mismatch")]
    LayerDiffIdMismatch {
        expected: DiffId,
        actual: DiffId,
    },
    LayerInvalid {
        error: String,
    },
    IngestStale {
        why: StaleIngest,
        size_bytes: u64,
    },
    MetadataValueInvalid {
        error: String,
    },
    MetadataUnusable {
        why: Unusable,
        blobs: u64,
        snapshots: u64,
    },
    SnapshotterDatabaseUnusable {
        why: Unusable,
    },
    BoltMetaInvalid {
        page: usize,
        error: String,
        used_txid: u64,
        last_transaction: LastTransaction,
    },
    BoltPageInvalid {
        pgid: u64,
        bucket: Vec<String>,
        /// The least key that the page can hold, where that is known.
        from: Option<String>,
        /// The key that is greater than all that the page can hold, where that is known.
        to: Option<String>,
        hides: Hides,
        /// Whether it may be a page that the last transaction did not get to write; the state before is whole then.
        torn: bool,
        error: String,
    },
    SnapshotFolderMissing {
        chain_id: Option<ChainId>,
        healable: bool,
    },
    SnapshotUsageDiffers {
        recorded: Usage,
        actual: Usage,
    },
    SnapshotDiffers(Box<TreeDamage>),
    SnapshotRowMissing {
        backend_key: String,
    },
    SnapshotUnreferenced {
        committed: bool,
    },
    SnapshotParentMissing {
        parent: String,
    },
    SnapshotParentLoop {
        keys: Vec<String>,
    },
    SnapshotParentDiffers {
        expected: Option<String>,
        actual: Option<String>,
    },
    SnapshotChainWrong {
        chain_id: ChainId,
        expected: Option<ChainId>,
        actual: Option<ChainId>,
    },
    SnapshotKindWrong {
        found: SnapshotKind,
        children: u64,
    },
    SnapshotUsageMissing,
    SnapshotIdShared {
        others: Vec<String>,
    },
    SnapshotIndexWrong {
        parent_id: u64,
        child_id: u64,
        entry: IndexEntry,
    },
    SnapshotSequenceBehind {
        sequence: u64,
        in_use: u64,
    },
    SnapshotFolderUnreferenced {
        why: LeftOver,
    },
    SnapshotUnowned,
    LabelWrong {
        label: String,
        value: String,
        expected: Option<String>,
    },
    ContainerSnapshotMissing {
        snapshotter: String,
        key: String,
    },
    SandboxInvalid {
        why: SandboxFault,
    },
    LeaseResourceMissing {
        missing: Vec<String>,
        /// Whether a repair of this tool made it.
        ours: bool,
        /// When it ends by itself.
        ends: Option<String>,
    },
    LeaseExpired {
        expired: String,
        /// Whether a repair of this tool made it.
        ours: bool,
    },
    SnapshotterMissing {
        /// How many snapshots meta.db has of it.
        snapshots: u64,
        /// Whether its folder is there, with nothing in it.
        is_empty: bool,
    },
    ContentMissing {
        /// How many blobs meta.db has.
        blobs: u64,
    },
    ErofsLayerInvalid {
        why: ErofsFault,
        /// The stack of layers that it holds the top of.
        chain_id: Option<ChainId>,
    },
    RootEntryForeign {
        found: FileKind,
    },
    UuidInvalid {
        why: UuidFault,
    },
    UuidEmpty,
    ContainerFolderMissing {
        /// The folder that is gone, below the root.
        #[serde(serialize_with = "super::lossy")]
        folder: PathBuf,
        image: String,
        snapshotter: String,
        snapshot_key: String,
    },
    ContainerStatusInvalid {
        why: StatusFault,
    },
    CriLeftover,
    TmpmountLeftover,
    ImageNotRunnable {
        /// The platform of this machine.
        machine: String,
        /// Those for which the image is here.
        platforms: Vec<String>,
    },
    LeaseEndless {
        /// How many.
        leases: u64,
        /// The oldest of them.
        oldest: String,
        /// When that was made.
        since: String,
        kept: Kept,
    },
    GcRootUnreached {
        /// When the oldest was made.
        since: String,
        kept: Kept,
    },
    PathUnreadable {
        errno: i32,
    },
}

impl FindingKind {
    /// The stable name of the kind.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            FindingKind::BlobMissing { .. } => Code::BlobMissing,
            FindingKind::BlobDigestMismatch { .. } => Code::BlobDigestMismatch,
            FindingKind::BlobSizeMismatch { .. } => Code::BlobSizeMismatch,
            FindingKind::BlobUnreadable { .. } => Code::BlobUnreadable,
            FindingKind::BlobNotRegular { .. } => Code::BlobNotRegular,
            FindingKind::BlobUnreferenced { .. } => Code::BlobUnreferenced,
            FindingKind::BlobUnreferencedCorrupt { .. } => Code::BlobUnreferencedCorrupt,
            FindingKind::BlobNameInvalid { .. } => Code::BlobNameInvalid,
            FindingKind::BlobRecordSizeWrong { .. } => Code::BlobRecordSizeWrong,
            FindingKind::ImageTargetMissing { .. } => Code::ImageTargetMissing,
            FindingKind::ImageConfigMissing { .. } => Code::ImageConfigMissing,
            FindingKind::ManifestUnparsable { .. } => Code::ManifestUnparsable,
            FindingKind::LayerDiffIdMismatch { .. } => Code::LayerDiffIdMismatch,
            FindingKind::LayerInvalid { .. } => Code::LayerInvalid,
            FindingKind::IngestStale { .. } => Code::IngestStale,
            FindingKind::MetadataValueInvalid { .. } => Code::MetadataValueInvalid,
            FindingKind::MetadataUnusable { .. } => Code::MetadataUnusable,
            FindingKind::SnapshotterDatabaseUnusable { .. } => Code::SnapshotterDatabaseUnusable,
            FindingKind::BoltMetaInvalid { .. } => Code::BoltMetaInvalid,
            FindingKind::BoltPageInvalid { .. } => Code::BoltPageInvalid,
            FindingKind::SnapshotFolderMissing { .. } => Code::SnapshotFolderMissing,
            FindingKind::SnapshotUsageDiffers { .. } => Code::SnapshotUsageDiffers,
            FindingKind::SnapshotDiffers(_) => Code::SnapshotDiffers,
            FindingKind::SnapshotRowMissing { .. } => Code::SnapshotRowMissing,
            FindingKind::SnapshotUnreferenced { .. } => Code::SnapshotUnreferenced,
            FindingKind::SnapshotParentMissing { .. } => Code::SnapshotParentMissing,
            FindingKind::SnapshotParentLoop { .. } => Code::SnapshotParentLoop,
            FindingKind::SnapshotParentDiffers { .. } => Code::SnapshotParentDiffers,
            FindingKind::SnapshotChainWrong { .. } => Code::SnapshotChainWrong,
            FindingKind::SnapshotKindWrong { .. } => Code::SnapshotKindWrong,
            FindingKind::SnapshotUsageMissing => Code::SnapshotUsageMissing,
            FindingKind::SnapshotIdShared { .. } => Code::SnapshotIdShared,
            FindingKind::SnapshotIndexWrong { .. } => Code::SnapshotIndexWrong,
            FindingKind::SnapshotSequenceBehind { .. } => Code::SnapshotSequenceBehind,
            FindingKind::SnapshotFolderUnreferenced { .. } => Code::SnapshotFolderUnreferenced,
            FindingKind::SnapshotUnowned => Code::SnapshotUnowned,
            FindingKind::LabelWrong { .. } => Code::LabelWrong,
            FindingKind::ContainerSnapshotMissing { .. } => Code::ContainerSnapshotMissing,
            FindingKind::SandboxInvalid { .. } => Code::SandboxInvalid,
            FindingKind::LeaseResourceMissing { .. } => Code::LeaseResourceMissing,
            FindingKind::LeaseExpired { .. } => Code::LeaseExpired,
            FindingKind::SnapshotterMissing { .. } => Code::SnapshotterMissing,
            FindingKind::ContentMissing { .. } => Code::ContentMissing,
            FindingKind::ErofsLayerInvalid { .. } => Code::ErofsLayerInvalid,
            FindingKind::RootEntryForeign { .. } => Code::RootEntryForeign,
            FindingKind::UuidInvalid { .. } => Code::UuidInvalid,
            FindingKind::ContainerFolderMissing { .. } => Code::ContainerFolderMissing,
            FindingKind::ContainerStatusInvalid { .. } => Code::ContainerStatusInvalid,
            FindingKind::ImageNotRunnable { .. } => Code::ImageNotRunnable,
            FindingKind::LeaseEndless { .. } => Code::LeaseEndless,
            FindingKind::GcRootUnreached { .. } => Code::GcRootUnreached,
            FindingKind::UuidEmpty => Code::UuidEmpty,
            FindingKind::CriLeftover => Code::CriLeftover,
            FindingKind::TmpmountLeftover => Code::TmpmountLeftover,
            FindingKind::PathUnreadable { .. } => Code::PathUnreadable,
        }
    }
}
