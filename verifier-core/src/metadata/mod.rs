//! meta.db and a snapshotter's metadata.db, by containerd's schema.
//!
//! ```text
//! meta.db (core/metadata/buckets.go)            integers: zig-zag varint (Go binary.PutVarint)
//! v1/version                                    times: Go time.MarshalBinary (value.rs has the layout)
//! v1/<ns>/labels/<key>                          text
//!        /images/<name>/{createdat,updatedat,labels/,target/{digest,mediatype,size}}           images.rs
//!        /content/blob/<digest>/{createdat,updatedat,size,labels/}                             content.rs
//!        /content/ingests/<ref>/{ref,expireat,expected}                                        content.rs
//!        /snapshots/<snapshotter>/<key>/{name,createdat,updatedat,parent,children/,labels/}    snapshots.rs
//!        /containers/<id>/{createdat,updatedat,image,snapshotter,snapshotKey,sandboxid,spec,runtime/,labels/,…}
//!        /sandboxes/<id>/{createdat,updatedat,spec,sandboxer,runtime/,labels/,extensions/}     containers.rs
//!        /leases/<id>/{createdat,labels/,snapshots/<snapshotter>/<key>,content/<digest>,images/<name>,ingests/<ref>}  leases.rs
//!
//! metadata.db (core/snapshots/storage/bolt.go)  snapshotter_db.rs
//! v1/snapshots/<ns/seq/key>/{id uvarint, kind byte, parent, createdat, updatedat, inodes varint, size varint, labels/}
//! v1/parents/<uvarint parent id> 00 <uvarint child id>
//! ```
//!
//! Buckets and keys that are not listed belong to versions this library does not know; they are passed over.
//! [`Census`] counts records by their place, [`StrayRecords`] finds them on pages that have none any more.
//! A listed value that does not decode is kept as an [`InvalidValue`], and its record goes on without it.

mod census;
mod containers;
mod content;
pub mod encode;
mod images;
mod labels;
mod leases;
mod meta_db;
mod salvage;
mod snapshots;
mod snapshotter_db;
mod value;

pub use crate::finding::ValueError;
pub use crate::texts::Text;
pub use census::{Census, RecordCounts, RecordKind, Schema};
pub use containers::{ContainerRecord, SandboxRecord};
pub use content::{BlobRecord, CONTENT_REFERENCE, IngestRecord, SNAPSHOT_REFERENCE, UNCOMPRESSED};
pub use images::{ImageRecord, Target};
pub use labels::Labels;
pub use leases::{EXPIRE, LEASE_PREFIX, LeaseRecord};
pub use meta_db::{InvalidValue, Metadata, MetadataVisitor, Namespace};
pub use salvage::{StrayRecord, StrayRecords};
pub use snapshots::SnapshotRecord;
pub use snapshotter_db::{BackendSnapshot, Kind, Snapshots, SnapshotterVisitor};
pub(crate) use value::pack;
