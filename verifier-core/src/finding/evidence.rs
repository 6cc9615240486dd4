//! What the evidence of a finding is made of.

use serde::Serialize;

use crate::digest::{ChainId, Digest};
use crate::io::FileKind;

use super::Difference;

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

/// What became of a database's last transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LastTransaction {
    /// All of it can be read.
    Whole,
    /// Its meta page is not valid: the state before it is in use.
    MetaTorn,
    /// Its meta page was written; pages that only it wrote were not, and the state before it is whole.
    PagesTorn,
    /// Some of the database is damaged in a way that no half-written transaction explains.
    Damaged,
    /// A meta page is not valid, and nothing tells whether it was the later one.
    Unknown,
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

/// Why an erofs layer cannot be the one that was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ErofsFault {
    /// There is no such file.
    Missing,
    /// Something else has its name.
    NotRegular {
        /// What it is.
        found: FileKind,
    },
    /// It has not a single byte.
    Empty,
    /// No erofs begins with such a number; zeros are what a crash leaves of bytes that were never written out.
    Magic {
        /// The number that is there.
        found: u32,
    },
    /// The superblock is not as it was written.
    Checksum {
        /// What it says of itself.
        recorded: u32,
        /// What it comes to.
        actual: u32,
    },
    /// It is shorter than its superblock says.
    Short {
        /// Its length.
        size_bytes: u64,
        /// The least that it must have.
        expected_bytes: u64,
    },
    /// It occupies less than when it was committed: parts of it were never written out.
    Occupies {
        /// What it occupies.
        size_bytes: u64,
        /// What was recorded.
        recorded_bytes: u64,
    },
}

/// Why the file with containerd's own UUID does not hold one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum UuidFault {
    /// Nothing but NUL bytes: it was never written out.
    Zeros {
        /// How many.
        size_bytes: u64,
    },
    /// Other bytes, or not as many as a UUID has.
    Text {
        /// How many.
        size_bytes: u64,
    },
    /// Something else has its name.
    NotRegular {
        /// What it is.
        found: FileKind,
    },
}

/// Why the checkpoint of a container's state cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StatusFault {
    /// There is no such file.
    Missing,
    /// It has not a single byte.
    Empty,
    /// It is no JSON document of CRI's.
    Json,
    /// Something else has its name.
    NotRegular {
        /// What it is.
        found: FileKind,
    },
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
