//! What can be wrong with a store: data, never a sentence.
//!
//! A [`Finding`] is a [`FindingKind`] with its evidence, the [`Subject`] it is about and the [`BlastRadius`]: the
//! namespaces, images and containers that the damage reaches. [`Code`] names each kind for scripts; codes are stable.
//! The letters F1 to F18 in the comments are the failure modes that were reproduced on real containerds; each has a
//! damage in the `testdata` crate that causes exactly it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::digest::{ChainId, DiffId, Digest};
use crate::io::FileKind;
use crate::verify::tree::Difference;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know; never changes the outcome.
    Info,
    /// Wasted space or a trap for later; damage only when the caller is strict.
    Warning,
    /// Damage: something that images or containers rely on is wrong.
    Error,
    /// Starting containerd in this state destroys data.
    Critical,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong, with the evidence.
    pub kind: FindingKind,
    /// What it is about.
    pub subject: Subject,
    /// What it reaches.
    pub blast: BlastRadius,
}

impl Finding {
    /// The stable name of the kind.
    #[must_use]
    pub fn code(&self) -> Code {
        self.kind.code()
    }

    /// How bad it is: a function of the kind.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.code().severity()
    }
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Subject {
    /// The store as a whole.
    Store,
    /// Committed content.
    Blob {
        /// Its digest.
        digest: Digest,
    },
    /// An image record.
    Image {
        /// Its namespace.
        namespace: String,
        /// Its name (a reference, usually).
        name: String,
    },
    /// A write that was begun.
    Ingest {
        /// The name of its folder below `ingest/`.
        #[serde(serialize_with = "lossy")]
        folder: PathBuf,
    },
    /// A snapshot of a snapshotter.
    Snapshot {
        /// The snapshotter's name.
        snapshotter: String,
        /// The key in the snapshotter's own database: `namespace/sequence/key`.
        key: String,
        /// Its number there: the folder's name.
        id: u64,
    },
    /// A bolt file.
    Database {
        /// Where it is below the root.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
    },
    /// A record in a bolt file.
    Record {
        /// Where the file is below the root.
        #[serde(serialize_with = "lossy")]
        database: PathBuf,
        /// The buckets on the way, then the key. What is not UTF-8 is written with U+FFFD.
        path: Vec<String>,
    },
    /// Anything else on disk.
    Path {
        /// Where it is below the root.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
    },
}

/// Paths need not be UTF-8, and serde's own way with those is to fail; what is not is written with U+FFFD.
fn lossy<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// What the damage reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BlastRadius {
    /// Namespaces that hold a record of the subject.
    pub namespaces: BTreeSet<String>,
    /// Images that need it, by all their names.
    pub images: BTreeSet<Named>,
    /// Containers that need it.
    pub containers: BTreeSet<Named>,
}

/// A name within a namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Named {
    /// The namespace.
    pub namespace: String,
    /// An image's name or a container's id.
    pub name: String,
}

/// What a blob is to the images that reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// An index (a manifest list).
    Index,
    /// A manifest.
    Manifest,
    /// An image's config.
    Config,
    /// A layer.
    Layer,
    /// Referenced, but not part of an image to unpack: an artifact's or an attestation's.
    Other,
}

/// Why an index, a manifest or a config could not be used although its digest is right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Unparsable {
    /// It is no JSON document of that shape.
    Json {
        /// What the parser says.
        error: String,
    },
    /// Larger than any registry serves.
    TooLarge {
        /// Its size.
        size_bytes: u64,
        /// What this library reads at most.
        limit_bytes: u64,
    },
    /// Indexes nested, or naming more children, beyond every bound that a real image keeps.
    TooManyLevels {
        /// The bound.
        limit: usize,
    },
}

/// Why an ingest is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StaleIngest {
    /// Its `ref` names no ingest of meta.db; containerd aborts it at its next collection.
    NoRecord,
    /// Its `ref` is missing or empty; it stays for ever.
    NoRef,
}

/// Why a database cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Unusable {
    /// There is no such file, though there is what it should describe.
    Absent,
    /// The file has not a single byte.
    Empty,
    /// Neither meta page is valid.
    NoMeta {
        /// What is wrong with each.
        error: String,
    },
    /// Something that is not a regular file has its name.
    NotRegular {
        /// What it is.
        found: FileKind,
    },
}

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

/// What a sandbox's record lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxFault {
    /// The extension `metadata`, in which CRI keeps what it knows of the pod.
    NoMetadata,
    /// The bucket `runtime`, without which no sandbox of the namespace can be listed.
    NoRuntime,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $severity:ident;)*) => {
        /// The stable name of a kind of finding.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// All codes there are.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            /// The name that scripts see: kebab-case, subject first.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }

            /// How bad findings of this kind are.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity,)* }
            }
        }
    };
}

codes! {
    /// F1: a record, no file.
    BlobMissing = "blob-missing", Error;
    /// F2: the bytes do not hash to the name.
    BlobDigestMismatch = "blob-digest-mismatch", Error;
    /// F2 at depth quick: the file is not as long as its record says.
    BlobSizeMismatch = "blob-size-mismatch", Error;
    /// F16: the medium does not give the bytes back.
    BlobUnreadable = "blob-unreadable", Error;
    /// A folder, a link, a fifo where a blob should be.
    BlobNotRegular = "blob-not-regular", Error;
    /// F3: a file with the right bytes that no record, lease or ingest names.
    BlobUnreferenced = "blob-unreferenced", Warning;
    /// F3: a file with wrong bytes that no record names; a pull would adopt it.
    BlobUnreferencedCorrupt = "blob-unreferenced-corrupt", Error;
    /// F13: a name below `blobs/<algorithm>` that is no digest; collections stop at it.
    BlobNameInvalid = "blob-name-invalid", Warning;
    /// F14: the bytes are right, the record's size is not.
    BlobRecordSizeWrong = "blob-record-size-wrong", Warning;
    /// F15: an image record whose target has neither record nor file.
    ImageTargetMissing = "image-target-missing", Error;
    /// F5: a manifest was fetched, its config has neither record nor file, but layers of it are here.
    ImageConfigMissing = "image-config-missing", Error;
    /// F5: right digest, but no index, manifest or config.
    ManifestUnparsable = "manifest-unparsable", Error;
    /// A layer whose tar is not the one that the config names.
    LayerDiffIdMismatch = "layer-diffid-mismatch", Error;
    /// A layer with the right digest that does not decompress, or is no tar that containerd would take.
    LayerInvalid = "layer-invalid", Error;
    /// F10: an ingest that nothing will finish.
    IngestStale = "ingest-stale", Warning;
    /// A value that does not decode as containerd writes it.
    MetadataValueInvalid = "metadata-value-invalid", Error;
    /// F11a, F11b: content on disk, and no meta.db that tells what it is. Starting containerd deletes it.
    MetadataUnusable = "metadata-unusable", Critical;
    /// F11b, F11e: a snapshotter's metadata.db is gone or unusable.
    SnapshotterDatabaseUnusable = "snapshotter-database-unusable", Error;
    /// F11c: one of the two meta pages is invalid; the other, perhaps one transaction back, is used.
    BoltMetaInvalid = "bolt-meta-invalid", Warning;
    /// F11d: a page that breaks a rule of the format.
    BoltPageInvalid = "bolt-page-invalid", Error;
    /// F7: a record, no folder.
    SnapshotFolderMissing = "snapshot-folder-missing", Error;
    /// F6 at depth quick: the folder does not occupy what was recorded when it was committed.
    SnapshotUsageDiffers = "snapshot-usage-differs", Error;
    /// F6: the folder is not what the layer makes.
    SnapshotDiffers = "snapshot-differs", Error;
    /// F8: a snapshot's record in meta.db whose row in the snapshotter's metadata.db is gone.
    SnapshotRowMissing = "snapshot-row-missing", Error;
    /// F8: a row that no record of meta.db names; the collector removes it after the next removal of any snapshot.
    SnapshotUnreferenced = "snapshot-unreferenced", Info;
    /// F8: a record or a row builds on one that is not there.
    SnapshotParentMissing = "snapshot-parent-missing", Error;
    /// Records or rows build on each other in a circle.
    SnapshotParentLoop = "snapshot-parent-loop", Error;
    /// F8: the two databases name different parents.
    SnapshotParentDiffers = "snapshot-parent-differs", Error;
    /// A snapshot that is named by a ChainID and stands on another snapshot than that ChainID's.
    SnapshotChainWrong = "snapshot-chain-wrong", Error;
    /// Snapshots build on one that is not committed.
    SnapshotKindWrong = "snapshot-kind-wrong", Error;
    /// A committed snapshot without a record of what it occupies.
    SnapshotUsageMissing = "snapshot-usage-missing", Warning;
    /// Two rows have one id, and so one folder.
    SnapshotIdShared = "snapshot-id-shared", Error;
    /// The index of parents in metadata.db is not what the rows say.
    SnapshotIndexWrong = "snapshot-index-wrong", Error;
    /// The last number that was given out is lower than one in use: the database is older than what it describes.
    SnapshotSequenceBehind = "snapshot-sequence-behind", Error;
    /// F9: a folder that no row names, or one that a creation or a removal left half done.
    SnapshotFolderUnreferenced = "snapshot-folder-unreferenced", Warning;
    /// F12: an active snapshot that no container, lease or label holds.
    SnapshotUnowned = "snapshot-unowned", Info;
    /// A label of containerd's own that names what it cannot name.
    LabelWrong = "label-wrong", Warning;
    /// A container without the snapshot of its root file system.
    ContainerSnapshotMissing = "container-snapshot-missing", Error;
    /// F17: a sandbox's record without what CRI must find in it.
    SandboxInvalid = "sandbox-invalid", Error;
    /// F12: a lease on what is not there.
    LeaseResourceMissing = "lease-resource-missing", Info;
    /// F12: a lease that has ended and was not collected yet.
    LeaseExpired = "lease-expired", Info;
    /// F16: a part of the store that cannot be read.
    PathUnreadable = "path-unreadable", Error;
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        Code::ALL.iter().copied().find(|code| code.as_str() == text).ok_or(UnknownCode)
    }
}

/// There is no finding with such a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no finding has this code")]
pub struct UnknownCode;

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
        error: String,
        used_txid: u64,
    },
    BoltPageInvalid {
        pgid: u64,
        bucket: Vec<String>,
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
    },
    LeaseExpired {
        expired: String,
    },
    PathUnreadable {
        errno: i32,
    },
}

/// What a snapshot occupies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Unique inodes, the top folder included.
    pub inodes: u64,
    /// Their blocks, in bytes (512 to the block).
    pub size_bytes: u64,
}

/// How an unpacked tree differs from its layer.
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
    pub counts: std::collections::BTreeMap<&'static str, u64>,
    /// The differences, the first ones when they are many.
    pub differences: Vec<Difference>,
    /// How many differences are not listed.
    pub left_out: u64,
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
            FindingKind::PathUnreadable { .. } => Code::PathUnreadable,
        }
    }
}
