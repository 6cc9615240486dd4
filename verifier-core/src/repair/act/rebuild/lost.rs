//! What a rebuild could not bring back.

use serde::Serialize;

/// What kind of thing is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LostKind {
    /// A page of the database: what its bucket held there is unknown.
    Page,
    /// An image's name, whose target is known: the key is namespace and name.
    Image,
    /// The name of an image that is here in whole or in part: the key is the digest of its index or manifest.
    ImageName,
    /// A record of content whose file is not here: namespace and digest.
    Blob,
    /// A file of content that is damaged: its digest.
    BlobFile,
    /// A record or a row of a snapshot: namespace or database, snapshotter and key.
    Snapshot,
    /// A container's record, told by its snapshot: namespace and key.
    Container,
    /// The record of a sandbox that kept CRI from starting: namespace and id.
    Sandbox,
    /// A record of another kind, by its path in the database.
    Record,
    /// A value that did not decode, by its path in the database.
    Value,
}

/// One thing that is lost.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Lost {
    /// What it was.
    pub what: LostKind,
    /// Its name; parts are separated by spaces.
    pub key: String,
}

impl Lost {
    pub(super) fn new(what: LostKind, parts: &[&str]) -> Self {
        Lost { what, key: parts.join(" ") }
    }
}
