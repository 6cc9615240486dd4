//! What the evidence of several families is made of.

use std::fmt;

use serde::Serialize;

use crate::text::{count, exact};

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

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Role::Index => "index",
            Role::Manifest => "manifest",
            Role::Config => "config",
            Role::Layer => "layer",
            Role::Other => "referenced content",
        })
    }
}

/// What a snapshot occupies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Unique inodes, the top folder included.
    pub inodes: u64,
    /// Their blocks, in bytes (512 to the block).
    pub size_bytes: u64,
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", exact(self.size_bytes), count(self.inodes, "inode"))
    }
}
