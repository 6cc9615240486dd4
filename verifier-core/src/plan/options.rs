//! What to check, and how.

use std::collections::BTreeSet;

use super::AtRisk;
use crate::finding::Depth;

/// What to check, and how.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CheckOptions {
    /// How far to go.
    pub depth: Depth,
    /// Only these namespaces; all when empty.
    pub namespaces: Vec<String>,
    /// Only images of these names (in any of the namespaces); all when empty.
    pub images: Vec<String>,
    /// Only what a crash put at risk is read; records, names and sizes are looked at all the same.
    pub at_risk: Option<AtRisk>,
    /// Unpacked layers that are not read (of other snapshotters, of Docker's own store) are no gap.
    pub accept_unread: bool,
    /// Snapshotters that are known to keep their snapshots outside the root.
    pub elsewhere: BTreeSet<String>,
    /// Worker threads; 0 means one for each processor, 16 at most.
    pub threads: usize,
}

impl CheckOptions {
    /// Sets how far to go.
    #[must_use]
    pub fn depth(mut self, depth: Depth) -> Self {
        self.depth = depth;
        self
    }

    /// Restricts the check to these namespaces.
    #[must_use]
    pub fn namespaces(mut self, namespaces: Vec<String>) -> Self {
        self.namespaces = namespaces;
        self
    }

    /// Restricts the check to images of these names.
    #[must_use]
    pub fn images(mut self, images: Vec<String>) -> Self {
        self.images = images;
        self
    }

    /// Restricts what is read to what a crash put at risk.
    #[must_use]
    pub fn at_risk(mut self, known: Option<AtRisk>) -> Self {
        self.at_risk = known;
        self
    }

    /// Takes it as it is that some unpacked layers are not read: the run is complete without them.
    #[must_use]
    pub fn accept_unread(mut self, accepted: bool) -> Self {
        self.accept_unread = accepted;
        self
    }

    /// Names snapshotters that keep their snapshots outside the root: that they have no folder in it proves nothing.
    #[must_use]
    pub fn elsewhere(mut self, snapshotters: BTreeSet<String>) -> Self {
        self.elsewhere = snapshotters;
        self
    }

    /// Sets how many threads work; 0 means one for each processor, 16 at most.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }
}

/// Why nothing could be checked. Damage is no error: it is a finding.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// No namespace or image of that name is in the store.
    #[error("{what} {name:?}: not in this store")]
    NoSuch {
        /// `namespace` or `image`.
        what: &'static str,
        /// Its name.
        name: String,
    },
}
