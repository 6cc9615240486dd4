//! Removing what the children lists of containerd's rows keep from being removed.
//!
//! The collector deletes a snapshot's row and leaves its key in its parent's `children` (issue 11908); from then on the parent
//! cannot be removed: `cannot remove snapshot with child`. There are two ways around it (both through core/metadata/snapshot.go):
//! make a snapshot of that key on that parent and remove it, which takes the key out of the list; or let nothing refer to the
//! parent any more and collect, since the collector does not ask for children. The second also removes a row whose parent has
//! none, which Remove calls not found.

use std::collections::BTreeMap;

use crate::metadata::SNAPSHOT_REFERENCE;

use super::hold::HOLD;
use super::{Act, Code, Held, LiveError, Namespace, SnapshotKind, SnapshotRow};

/// Our own label, on snapshots that were made only to be removed; its value is the lease of the run that made it.
const THROW_AWAY: &str = "containerd-fsck/throw-away";

impl Held<'_> {
    /// Takes keys without a row out of a parent's list of children. False: the snapshotter does not let us.
    pub(super) fn unhook(
        &mut self,
        namespace: &Namespace<'_>,
        snapshotter: &str,
        parent: &str,
        children: &[String],
    ) -> Result<bool, LiveError> {
        for key in children {
            match self.make_throw_away(namespace, snapshotter, key, parent) {
                Ok(()) => self.remove_throw_away(namespace, snapshotter, key, parent)?,
                Err(LiveError::Refused { .. }) => return Ok(false),
                Err(why) => return Err(why),
            }
        }
        Ok(!children.is_empty())
    }

    /// Drops every label that points at a snapshot, and collects. The labels come back with the next unpacking.
    pub(super) fn forget(
        &mut self,
        namespace: &Namespace<'_>,
        snapshotter: &str,
        keys: &[String],
    ) -> Result<(), LiveError> {
        let rows = if keys.is_empty() { Vec::new() } else { namespace.blobs()? };
        for row in rows {
            for (key, value) in &row.labels {
                if refers_to(key, snapshotter) && keys.contains(value) {
                    self.store.before(&Act::DropLabel {
                        namespace: namespace.name().to_owned(),
                        digest: row.digest.clone(),
                        key: key.clone(),
                        value: value.clone(),
                    })?;
                    namespace.label_blob(&row.digest, key, "")?;
                }
            }
        }
        self.store.collect(namespace)
    }

    pub(super) fn before_remove(
        &mut self,
        namespace: &Namespace<'_>,
        snapshotter: &str,
        key: &str,
        parent: &str,
    ) -> Result<(), LiveError> {
        self.store.before(&Act::RemoveSnapshot {
            namespace: namespace.name().to_owned(),
            snapshotter: snapshotter.to_owned(),
            key: key.to_owned(),
            parent: parent.to_owned(),
        })
    }

    /// Makes a snapshot only to remove it. Its label tells another run what it is; it is leased, because were it collected
    /// before it is removed, its key would stay in its parent's list.
    pub(super) fn make_throw_away(
        &mut self,
        namespace: &Namespace<'_>,
        snapshotter: &str,
        key: &str,
        parent: &str,
    ) -> Result<(), LiveError> {
        let lease = self.store.lease(HOLD);
        let labels = BTreeMap::from([(THROW_AWAY.to_owned(), lease.clone())]);
        let (key, parent) = (key.to_owned(), parent.to_owned());
        self.store.before(&Act::PrepareSnapshot {
            namespace: namespace.name().to_owned(),
            snapshotter: snapshotter.to_owned(),
            key: key.clone(),
            parent: parent.clone(),
        })?;
        let row = SnapshotRow { key, parent, kind: SnapshotKind::Active, labels };
        namespace.prepare_snapshot(snapshotter, &row, &lease)
    }

    pub(super) fn remove_throw_away(
        &mut self,
        namespace: &Namespace<'_>,
        snapshotter: &str,
        key: &str,
        parent: &str,
    ) -> Result<(), LiveError> {
        self.before_remove(namespace, snapshotter, key, parent)?;
        match namespace.remove_snapshot(snapshotter, key) {
            Err(why) if !why.is_not_found() => Err(why),
            _ => Ok(()),
        }
    }

    /// Removes what a run that was killed made only to remove it.
    pub(super) fn remove_throw_aways(
        &mut self,
        namespace: &Namespace<'_>,
        snapshotter: &str,
    ) -> Result<(), LiveError> {
        let rows = namespace.snapshots(snapshotter)?.into_iter();
        for row in rows.filter(|row| row.labels.contains_key(THROW_AWAY)) {
            self.remove_throw_away(namespace, snapshotter, &row.key, &row.parent)?;
        }
        Ok(())
    }
}

/// `…gc.ref.snapshot.NAME`, and `…gc.ref.snapshot.NAME/whatever`.
fn refers_to(label: &str, snapshotter: &str) -> bool {
    let rest = label.strip_prefix(SNAPSHOT_REFERENCE).and_then(|rest| rest.strip_prefix(snapshotter));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What came of asking for a snapshot's removal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Removal {
    Removed,
    Gone,
    /// containerd lists a child of it.
    HasChild,
    /// Its parent has no row, so that it cannot be removed by asking.
    ParentMissing,
}

/// Asks for a snapshot's removal and tells the answers apart.
pub(super) fn remove(namespace: &Namespace<'_>, snapshotter: &str, key: &str) -> Result<Removal, LiveError> {
    match namespace.remove_snapshot(snapshotter, key) {
        Ok(()) => Ok(Removal::Removed),
        Err(LiveError::Refused { code: Code::FailedPrecondition, .. }) => Ok(Removal::HasChild),
        // The same code for both, from 1.6 to 2.1: only the words differ.
        Err(LiveError::Refused { code: Code::NotFound, message, .. }) => {
            let parent = message.starts_with("parent snapshot ");
            Ok(if parent { Removal::ParentMissing } else { Removal::Gone })
        }
        Err(why) => Err(why),
    }
}

#[cfg(test)]
mod tests {
    use super::refers_to;

    #[test]
    fn a_reference_label_names_its_snapshotter() {
        assert!(refers_to("containerd.io/gc.ref.snapshot.overlayfs", "overlayfs"));
        assert!(refers_to("containerd.io/gc.ref.snapshot.overlayfs/2", "overlayfs"));
        assert!(!refers_to("containerd.io/gc.ref.snapshot.overlayfs2", "overlayfs"));
        assert!(!refers_to("containerd.io/gc.ref.snapshot.native", "overlayfs"));
        assert!(!refers_to("containerd.io/gc.ref.content.l.0", "overlayfs"));
    }
}
