//! A containerd that runs: its own API over its socket, as far as a repair needs it.
//!
//! ```text
//! service (containerd.services.…)   methods
//! version.v1.Version                Version
//! namespaces.v1.Namespaces          List
//! content.v1.Content                Info List Update Delete ListStatuses Abort
//! images.v1.Images                  Get List Create Update Delete
//! snapshots.v1.Snapshots            Stat List Prepare Remove
//! leases.v1.Leases                  Create Delete List AddResource DeleteResource ListResources
//! containers.v1.Containers          List
//! ```
//!
//! [`Live`] is the connection, [`Namespace`] what is in one namespace. Everything that comes over the socket is only text of
//! the other side: digests and keys are not proved to be any.

mod client;
mod codec;
mod containers;
mod content;
mod error;
mod images;
mod leases;
mod message;
mod namespace;
mod snapshots;
mod transport;

pub use client::{Limits, Live, Version};
pub use containers::ContainerRow;
pub use content::{BlobRow, Ingest};
pub use error::{Code, LiveError};
pub use images::ImageRow;
pub use leases::{LeaseRow, Resource};
pub use namespace::Namespace;
pub use snapshots::{SnapshotKind, SnapshotRow};
