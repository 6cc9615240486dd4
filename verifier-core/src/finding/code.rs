//! The stable names of findings, and how bad each is.

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know; never changes the outcome.
    Info,
    /// A trap for later, or wasted space that normal life does not leave; damage only when the caller is strict.
    Warning,
    /// Damage: something that images or containers rely on is wrong.
    Error,
    /// Starting containerd in this state destroys data.
    Critical,
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
    /// F3: a file with the right bytes that no record, lease or ingest names; the collector removes it, or a pull adopts it.
    BlobUnreferenced = "blob-unreferenced", Info;
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
    /// F9: a folder that no row names, or one that a creation or a removal left half done. containerd removes the rows
    /// first: stopped before its next collection, it leaves such folders on a healthy store.
    SnapshotFolderUnreferenced = "snapshot-folder-unreferenced", Info;
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
    /// meta.db has snapshots of a snapshotter whose folder is gone, empty, or hidden by an empty mount.
    SnapshotterMissing = "snapshotter-missing", Error;
    /// meta.db has content, and there is no content store.
    ContentMissing = "content-missing", Error;
    /// A committed erofs snapshot whose image is gone, cut, or was never written out.
    ErofsLayerInvalid = "erofs-layer-invalid", Error;
    /// A name of containerd's own in the root that must be a folder and is none: containerd, or a part of it, does not start.
    RootEntryForeign = "root-entry-foreign", Error;
    /// The file with containerd's own UUID does not hold one: CRI's Status and `ctr version` fail until it is gone.
    UuidInvalid = "uuid-invalid", Error;
    /// The same file, without a byte: most generations of containerd write it anew, some fail on it for ever.
    UuidEmpty = "uuid-empty", Warning;
    /// A container of CRI whose folder is gone: CRI forgets it, and its record and snapshot stay for ever.
    ContainerFolderMissing = "container-folder-missing", Error;
    /// CRI's checkpoint of a container is gone or cannot be read: its state is unknown to the kubelet.
    ContainerStatusInvalid = "container-status-invalid", Info;
    /// What an interrupted write or removal of CRI's left behind.
    CriLeftover = "cri-leftover", Info;
    /// A mount point that an interrupted pull left in `tmpmounts`.
    TmpmountLeftover = "tmpmount-leftover", Info;
    /// An image that is here for other platforms only.
    ImageNotRunnable = "image-not-runnable", Warning;
    /// Leases that never end and alone keep something.
    LeaseEndless = "lease-endless", Info;
    /// What only the label `containerd.io/gc.root` keeps.
    GcRootUnreached = "gc-root-unreached", Info;
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
