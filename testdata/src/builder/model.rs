//! What a store holds, as plain structs.

use std::collections::BTreeMap;

use super::layer::Entry;
use super::time::Time;
use super::tree::Usage;

/// Labels of a row.
pub type Labels = BTreeMap<String, String>;

/// A containerd root, not yet written.
#[derive(Debug, Clone, Default)]
pub struct StoreBuilder {
    /// meta.db, by namespace.
    pub namespaces: BTreeMap<String, Namespace>,
    /// `blobs/`, by digest.
    pub blobs: BTreeMap<String, Vec<u8>>,
    /// `ingest/`, by backend ref (`namespace/sequence/ref`).
    pub ingests: BTreeMap<String, IngestFolder>,
    /// Snapshotters, by name: `overlayfs` and `native` are known.
    pub snapshotters: BTreeMap<String, Snapshotter>,
    /// Other files of containerd's, below the root.
    pub files: BTreeMap<String, Vec<u8>>,
    /// When the snapshots were made, by the snapshotters' rows; `None`: when they are written. Files can have no earlier
    /// time of inode change than that, and a later one than a commit's is the mark of a copied store.
    pub snapshots_made: Option<Time>,
    /// What is changed in the bolt files just before they are written, in this order.
    pub edits: Vec<Edit>,
    /// What the last transaction of each bolt file wrote.
    pub last_commit: LastCommit,
}

/// A namespace of meta.db.
#[derive(Debug, Clone, Default)]
pub struct Namespace {
    /// Its labels.
    pub labels: Labels,
    /// Images, by name.
    pub images: BTreeMap<String, ImageRow>,
    /// Content, by digest.
    pub blobs: BTreeMap<String, BlobRow>,
    /// Ingests, by the client's ref.
    pub ingests: BTreeMap<String, IngestRow>,
    /// Snapshots, by snapshotter.
    pub snapshots: BTreeMap<String, SnapshotRows>,
    /// Containers, by id.
    pub containers: BTreeMap<String, ContainerRow>,
    /// Sandboxes, by id.
    pub sandboxes: BTreeMap<String, SandboxRow>,
    /// Leases, by id.
    pub leases: BTreeMap<String, LeaseRow>,
}

/// An image record.
#[derive(Debug, Clone)]
pub struct ImageRow {
    /// The target's digest.
    pub digest: String,
    /// The target's media type.
    pub media_type: String,
    /// The target's size in bytes.
    pub size: i64,
    /// Labels.
    pub labels: Labels,
}

/// A row of content.
#[derive(Debug, Clone)]
pub struct BlobRow {
    /// Bytes.
    pub size: i64,
    /// Labels.
    pub labels: Labels,
}

/// A row of an ingest.
#[derive(Debug, Clone)]
pub struct IngestRow {
    /// `namespace/sequence/ref`.
    pub backend_ref: String,
    /// The digest that the client expects, if it said.
    pub expected: Option<String>,
    /// When it may be collected.
    pub expire_at: Time,
}

/// The snapshots of one snapshotter in one namespace.
#[derive(Debug, Clone, Default)]
pub struct SnapshotRows {
    /// The last number given out.
    pub sequence: u64,
    /// Rows, by key.
    pub rows: BTreeMap<String, SnapshotRow>,
}

/// A snapshot's row in meta.db.
#[derive(Debug, Clone, Default)]
pub struct SnapshotRow {
    /// Its key in the snapshotter: `namespace/sequence/key`.
    pub name: String,
    /// Its parent's key in the namespace.
    pub parent: Option<String>,
    /// Keys of its children.
    pub children: Vec<String>,
    /// Labels.
    pub labels: Labels,
}

/// A container.
#[derive(Debug, Clone, Default)]
pub struct ContainerRow {
    /// The image's name.
    pub image: String,
    /// The snapshotter.
    pub snapshotter: String,
    /// The key of its snapshot.
    pub snapshot_key: String,
    /// The sandbox it belongs to, if any.
    pub sandbox_id: String,
    /// How long its OCI spec is at least.
    pub spec_bytes: usize,
    /// Labels.
    pub labels: Labels,
}

/// A sandbox.
#[derive(Debug, Clone, Default)]
pub struct SandboxRow {
    /// Who runs it.
    pub sandboxer: String,
    /// Labels.
    pub labels: Labels,
}

/// A lease.
#[derive(Debug, Clone, Default)]
pub struct LeaseRow {
    /// Digests that it keeps.
    pub content: Vec<String>,
    /// Snapshots that it keeps: snapshotter and key.
    pub snapshots: Vec<(String, String)>,
    /// Names of images that it keeps.
    pub images: Vec<String>,
    /// Refs of ingests that it keeps.
    pub ingests: Vec<String>,
    /// Labels.
    pub labels: Labels,
}

/// A write that was begun, on disk.
#[derive(Debug, Clone, Default)]
pub struct IngestFolder {
    /// What was written so far.
    pub data: Vec<u8>,
    /// The size that was announced.
    pub total: Option<u64>,
}

/// A snapshotter: its metadata.db and its folders.
#[derive(Debug, Clone, Default)]
pub struct Snapshotter {
    /// The last id given out.
    pub sequence: u64,
    /// Snapshots, by `namespace/sequence/key`.
    pub snapshots: BTreeMap<String, Snapshot>,
}

/// A snapshot in a snapshotter.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Its folder's name.
    pub id: u64,
    /// What it is.
    pub kind: Kind,
    /// Its parent's key, in the snapshotter.
    pub parent: Option<String>,
    /// What its folder holds: the upper layer (overlayfs), or all of it (native).
    pub tree: Vec<Entry>,
    /// What metadata.db records; measured from the tree when `None`, and never written unless committed.
    pub usage: Option<Usage>,
    /// Labels.
    pub labels: Labels,
}

/// A snapshot's kind (containerd `core/snapshots/snapshotter.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Read-only, for looking.
    View = 1,
    /// Read-write: a container's.
    Active = 2,
    /// Immutable: a layer.
    Committed = 3,
}

/// How much the last transaction of a bolt file wrote. The one before it had the same content in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LastCommit {
    /// Every page: those of the one before are all there, too, and the file is twice as large.
    #[default]
    Everything,
    /// One bucket, as on a node.
    OneBucket,
}

/// A bolt file of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// containerd's own meta.db.
    Meta,
    /// The metadata.db of a snapshotter.
    Snapshotter(String),
}

/// A change of one key in a bolt file.
#[derive(Debug, Clone)]
pub struct Edit {
    /// In which file.
    pub database: Database,
    /// The buckets on the way, then the key.
    pub path: Vec<Vec<u8>>,
    /// What is done.
    pub change: Change,
}

/// What is done to a key.
#[derive(Debug, Clone)]
pub enum Change {
    /// Its value becomes this one; missing buckets are made.
    Put(Vec<u8>),
    /// It becomes an empty bucket.
    Bucket,
    /// It goes, whatever it is.
    Remove,
}
