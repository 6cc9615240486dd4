//! Which checks, in which order, and what each costs. Pure: facts in, plan out.

mod blobs;
mod scope;
mod snapshots;
mod stacks;

use std::collections::{BTreeMap, BTreeSet};

use crate::check::{CheckError, CheckOptions};
use crate::digest::Digest;
use crate::finding::Subject;
use crate::report::Depth;
use crate::scan::Inventory;

pub use scope::Scope;
pub use snapshots::{LayerSource, SnapshotTask};

/// What will be read.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Plan {
    /// What the check is restricted to.
    pub scope: Scope,
    /// How far it goes.
    pub depth: Depth,
    /// Snapshots to look at, those with the largest layers first.
    pub snapshots: Vec<SnapshotTask>,
    /// Blobs to rehash with their size in bytes, the largest first. Layers that are read to be compared with a snapshot
    /// are not among them: nothing is read twice.
    pub blobs: Vec<(Digest, u64)>,
}

impl Plan {
    /// A plan for all that `options` ask for.
    ///
    /// # Errors
    /// [`CheckError::NoSuch`] for a namespace or an image that is not in the store.
    pub fn new(inventory: &Inventory, options: &CheckOptions) -> Result<Plan, CheckError> {
        let scope = Scope::new(inventory, options)?;
        Ok(Plan::within(inventory, scope, options.depth, None))
    }

    /// The part of [`Plan::new`]'s plan that concerns `subjects`.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub(crate) fn only(
        inventory: &Inventory,
        options: &CheckOptions,
        subjects: &BTreeSet<Subject>,
    ) -> Result<Plan, CheckError> {
        let scope = Scope::new(inventory, options)?;
        Ok(Plan::within(inventory, scope, options.depth, Some(subjects)))
    }

    fn within(inventory: &Inventory, scope: Scope, depth: Depth, only: Option<&BTreeSet<Subject>>) -> Plan {
        let wanted = |subject: &Subject| only.is_none_or(|subjects| subjects.contains(subject));
        let mut snapshots = snapshots::to_examine(inventory, &scope);
        snapshots.retain(|task| task.subjects().any(|subject| wanted(&subject)));
        let mut blobs = match depth {
            Depth::Quick => Vec::new(),
            Depth::Blobs => blobs::to_rehash(inventory, &scope, &BTreeSet::new()),
            Depth::Full => {
                let layers = snapshots.iter().flat_map(|task| &task.layers);
                let read: BTreeSet<Digest> = layers.map(|layer| layer.digest.clone()).collect();
                blobs::to_rehash(inventory, &scope, &read)
            }
        };
        blobs.retain(|(digest, _)| wanted(&Subject::Blob { digest: digest.clone() }));
        Plan { scope, depth, snapshots, blobs }
    }

    /// The blobs still to be rehashed when the snapshots have been compared, which read the blobs `read`: the planned
    /// ones, and layers that could not be read for their snapshot's sake.
    pub(crate) fn blobs_left<'a>(&self, read: impl Iterator<Item = &'a Digest>) -> Vec<(Digest, u64)> {
        let read: BTreeSet<&Digest> = read.collect();
        let compared = self.snapshots.iter().filter(|_| self.depth == Depth::Full);
        let layers = compared.flat_map(|task| &task.layers).filter(|layer| !read.contains(&layer.digest));
        let unread: BTreeMap<&Digest, u64> = layers.map(|layer| (&layer.digest, layer.size_bytes)).collect();
        let unread = unread.into_iter().map(|(digest, size_bytes)| (digest.clone(), size_bytes));
        self.blobs.iter().cloned().chain(unread).collect()
    }

    /// The bytes of content that will be read.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let compared = self.snapshots.iter().filter(|_| self.depth == Depth::Full);
        let layers = compared.flat_map(|task| &task.layers).map(|layer| layer.size_bytes);
        layers.chain(self.blobs.iter().map(|(_, size_bytes)| *size_bytes)).sum()
    }
}
