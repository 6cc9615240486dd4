//! Builds containerd roots, byte for byte as containerd lays them out.
//!
//! ```text
//! StoreBuilder            what a store holds: plain structs with public fields
//!   .add_layer, .add_image, .unpack, …   fill them as a pull would
//!   .write(root)          blobs, ingests, unpacked snapshots, then the bolt files, from the structs as they are
//! ```
//!
//! Nothing keeps the structs consistent: a damage changes them before they are written. [`StoreBuilder::edits`] goes
//! further down, to single keys and values of the bolt files. [`sample()`] is a healthy store with everything in it that
//! looks odd. All times are fixed but those of the snapshots' making, which files on disk cannot come before.
//!
//! Schema: containerd `core/metadata/buckets.go` (schema 1.4, as containerd 2.1 writes it) and
//! `core/snapshots/storage/bolt.go`; the layout of folders is that of `plugins/content/local` and `plugins/snapshots`.

mod bolt;
mod digest;
mod image;
mod layer;
mod meta_db;
mod model;
mod sample;
mod scale;
mod snapshotter_db;
mod time;
mod tree;
mod unpack;
mod write;

pub use bolt::{Bucket, Node as BoltNode, write_bolt};
pub use digest::{chain_ids, sha256, sha512};
pub use image::{Descriptor, Form, Image, ImageSpec, Platform};
pub use layer::{Compression, Entry, Layer, Node, PackedLayer, file, folder, hard_link, symlink, whiteout};
pub use model::{
    BlobRow, Change, ContainerRow, Database, Edit, ImageRow, IngestFolder, IngestRow, Kind, Labels,
    LastCommit, LeaseRow, Namespace, SandboxRow, Snapshot, SnapshotRow, SnapshotRows, Snapshotter,
    StoreBuilder,
};
pub use sample::{Sample, sample};
pub use scale::{Hostile, Scale};
pub(crate) use snapshotter_db::parents_key;
pub use time::Time;
pub use tree::{Usage, usage};
pub(crate) use write::set_old;
pub use write::{CONTENT, META_DB, blob_path, ingest_path, snapshotter_folder};
