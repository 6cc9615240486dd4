//! Which checks, in which order, and what each costs. Pure: facts in, plan out.

mod blobs;
mod options;
mod risk;
mod scope;
mod snapshots;
mod stack;

use std::collections::BTreeSet;

use crate::digest::Digest;
use crate::finding::Subject;
use crate::finding::{Depth, Reason, Unverified};
use crate::scan::Inventory;

pub use options::{CheckError, CheckOptions};
pub use risk::{AtRisk, DatabaseMark, Distrust, Selection, Sign, Stamp};
pub use scope::Scope;
pub use snapshots::SnapshotTask;
pub(crate) use stack::Answers;
pub use stack::{LayerSource, Layers, Lowers};

/// What will be read.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Plan {
    /// What the check is restricted to.
    pub scope: Scope,
    /// How far it goes.
    pub depth: Depth,
    /// Unpacked layers that are not read are no gap.
    pub accept_unread: bool,
    /// Snapshotters that keep their snapshots outside the root.
    pub elsewhere: BTreeSet<String>,
    /// Snapshots to look at, those with the largest layers first.
    pub snapshots: Vec<SnapshotTask>,
    /// Blobs to rehash with their size in bytes, the largest first. Layers that are read to be compared with a snapshot
    /// are not among them: nothing is read twice.
    pub blobs: Vec<(Digest, u64)>,
    /// What a crash put at risk, if the check is of that only.
    pub at_risk: Option<Selection>,
    /// What was left out for not being at risk.
    pub(crate) not_at_risk: Option<Unverified>,
}

impl Plan {
    /// A plan for all that `options` ask for.
    ///
    /// # Errors
    /// [`CheckError::NoSuch`] for a namespace or an image that is not in the store.
    pub fn new(inventory: &Inventory, options: &CheckOptions) -> Result<Plan, CheckError> {
        let scope = Scope::new(inventory, options)?;
        Ok(Plan::within(inventory, scope, options, None))
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
        Ok(Plan::within(inventory, scope, options, Some(subjects)))
    }

    fn within(
        inventory: &Inventory,
        scope: Scope,
        options: &CheckOptions,
        only: Option<&BTreeSet<Subject>>,
    ) -> Plan {
        let wanted = |subject: &Subject| only.is_none_or(|subjects| subjects.contains(subject));
        let depth = options.depth;
        let mut snapshots = snapshots::to_examine(inventory, &scope, depth);
        if only.is_some() {
            snapshots::retain_wanted(&mut snapshots, wanted);
        }
        // A second look is at the same things, however the times have moved on since the first.
        let at_risk = options.at_risk.as_ref().filter(|_| only.is_none());
        let at_risk = at_risk.map(|known| Selection::new(inventory, known));
        for task in &mut snapshots {
            let is_safe = at_risk.as_ref().is_some_and(|selection| !selection.has_snapshot(task));
            task.depth = if is_safe { Depth::Quick } else { depth };
        }
        let read = snapshots::blobs_read(&snapshots);
        let mut blobs = match depth {
            Depth::Quick => Vec::new(),
            _ => blobs::to_rehash(inventory, &scope, &read),
        };
        blobs.retain(|(digest, _)| wanted(&Subject::Blob { digest: digest.clone() }));
        let (accept_unread, elsewhere) = (options.accept_unread, options.elsewhere.clone());
        let mut plan =
            Plan { scope, depth, accept_unread, elsewhere, snapshots, blobs, at_risk, not_at_risk: None };
        plan.leave_out_safe_blobs(inventory);
        plan
    }

    /// Leaves out the blobs that are not at risk, and notes how much is left out in all.
    fn leave_out_safe_blobs(&mut self, inventory: &Inventory) {
        let Some(selection) = &self.at_risk else { return };
        let made = risk::blobs_made(inventory);
        let before = self.blobs.len();
        self.blobs.retain(|(digest, _)| selection.has_blob(&made, digest));
        let safe = self.snapshots.iter().filter(|task| task.depth < self.depth && !task.layers.is_empty());
        let (blobs, snapshots) = ((before - self.blobs.len()) as u64, safe.count() as u64);
        if blobs + snapshots > 0 {
            let reason = Reason::NotAtRisk { blobs, snapshots };
            self.not_at_risk = Some(Unverified { subject: Subject::Store, reason });
        }
    }

    /// The blobs still to be rehashed when the snapshots have been compared, which read the blobs `read`: the planned
    /// ones, and layers that could not be read for their snapshot's sake.
    pub(crate) fn blobs_left(&self, is_read: impl Fn(&Digest) -> bool) -> Vec<&Digest> {
        let read = snapshots::blobs_read(&self.snapshots).into_iter();
        let unread = read.filter(|digest| !is_read(digest));
        self.blobs.iter().map(|(digest, _)| digest).chain(unread).collect()
    }

    /// The bytes of content that will be read.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let layers = self.snapshots.iter().filter_map(SnapshotTask::layers_read).map(Layers::size_bytes);
        let blobs = self.blobs.iter().map(|(_, size_bytes)| *size_bytes);
        // Files may be as long as they like, and have nothing in them.
        layers.chain(blobs).fold(0, u64::saturating_add)
    }
}
