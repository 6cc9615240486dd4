//! A containerd that runs: its own API over its socket, as far as a repair needs it.
//!
//! ```text
//! service (containerd.services.…)   methods
//! version.v1.Version                Version
//! namespaces.v1.Namespaces          List
//! content.v1.Content                Info List Update Delete
//! images.v1.Images                  Get List Create Update Delete
//! snapshots.v1.Snapshots            Stat List Prepare Remove
//! leases.v1.Leases                  Create Delete List AddResource DeleteResource ListResources
//! containers.v1.Containers          List
//! ```
//!
//! ```text
//! Live ─► LiveStore (run, journal) ─ wake
//!            └─ hold ─► Held ─ evict_blobs, evict_snapshots, remove_names ─► release
//! ```
//!
//! [`Live`] is the connection, [`Namespace`] what is in one namespace. Everything that comes over the socket is only text of
//! the other side: digests and keys are not proved to be any.

mod client;
mod codec;
mod containers;
mod content;
mod error;
mod evict;
mod evict_snapshots;
mod expiry;
mod hold;
mod images;
mod journal;
mod leases;
mod message;
mod namespace;
mod snapshots;
mod store;
mod transport;
mod unhook;
mod wake;

pub use crate::metadata::LEASE_PREFIX;
pub use client::{Limits, Live, Version};
pub use containers::ContainerRow;
pub use content::BlobRow;
pub use error::{Code, LiveError};
pub use evict::{BlobEvicted, FileLeft, NamesRemoved};
pub use evict_snapshots::{InUse, SnapshotEviction, SnapshotsEvicted};
pub use hold::{Evictions, Held};
pub use images::ImageRow;
pub use journal::Act;
pub use leases::{LeaseRow, Resource};
pub use namespace::Namespace;
pub use snapshots::{SnapshotKind, SnapshotRow};
pub use store::LiveStore;
