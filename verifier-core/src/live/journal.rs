//! What is about to be done, told to the caller before it is.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use super::{BlobRow, ImageRow, Resource};

/// One change that is about to be asked for, with what it takes away. All of them may be asked for twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Act {
    /// Make a lease that ends by itself.
    CreateLease {
        /// Where.
        namespace: String,
        /// Its id.
        lease: String,
        /// Its labels.
        labels: BTreeMap<String, String>,
    },
    /// Add to a lease.
    FillLease {
        /// Where.
        namespace: String,
        /// Its id.
        lease: String,
        /// What it will hold as well.
        resources: Vec<Resource>,
    },
    /// Take something out of a lease.
    TakeFromLease {
        /// Where.
        namespace: String,
        /// Its id.
        lease: String,
        /// What it will no longer hold.
        resource: Resource,
    },
    /// Delete a lease.
    DeleteLease {
        /// Where.
        namespace: String,
        /// Its id.
        lease: String,
    },
    /// Delete a blob's row.
    DeleteBlob {
        /// Where.
        namespace: String,
        /// The row as it is.
        row: BlobRow,
    },
    /// Remove a label of a blob's row.
    DropLabel {
        /// Where.
        namespace: String,
        /// The blob.
        digest: String,
        /// The label.
        key: String,
        /// Its value.
        value: String,
    },
    /// Remove a snapshot.
    RemoveSnapshot {
        /// Where.
        namespace: String,
        /// Its snapshotter.
        snapshotter: String,
        /// Its key.
        key: String,
        /// Its parent's key; empty: none, or only the row is left and nobody says.
        parent: String,
    },
    /// Make a snapshot that goes at once.
    PrepareSnapshot {
        /// Where.
        namespace: String,
        /// Its snapshotter.
        snapshotter: String,
        /// Its key.
        key: String,
        /// Its parent's key; empty: none.
        parent: String,
    },
    /// Delete an image's name.
    DeleteImage {
        /// Where.
        namespace: String,
        /// The record as it is.
        row: ImageRow,
    },
    /// Write an image record as it is.
    TouchImage {
        /// Where.
        namespace: String,
        /// The name.
        name: String,
    },
}

/// Takes each [`Act`] before it is done. An error keeps it from being done and ends the repair that wanted it; so does a
/// journal that can no longer be written to.
pub(super) type Journal<'l> = Box<dyn FnMut(&Act) -> io::Result<()> + 'l>;
