//! Whether there is room for what a plan writes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;

use super::plan::{ActionKind, RepairPlan};
use crate::check::Checked;
use crate::io::Folder;
use crate::layout::META_DB;

/// Room on the file system of a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[non_exhaustive]
pub struct Room {
    /// Bytes that a plan takes, at most: what it writes, and a copy of each database that it changes.
    pub needed_bytes: u64,
    /// Bytes that are free; `None` where the system does not tell.
    pub free_bytes: Option<u64>,
    /// Whether nothing can be written at all.
    pub is_read_only: bool,
}

impl Room {
    /// For `plan` below `root`.
    pub(super) fn of(root: &Folder, checked: &Checked, plan: &RepairPlan) -> Room {
        let copies =
            changed(checked, plan).into_iter().map(|path| root.stat(path).map_or(0, |stat| stat.size_bytes));
        let needed_bytes = copies.fold(plan.write_bytes(), u64::saturating_add);
        match rustix::fs::fstatvfs(root.fd()) {
            Ok(told) => Room {
                needed_bytes,
                free_bytes: Some(told.f_bavail.saturating_mul(told.f_frsize)),
                is_read_only: told.f_flag.contains(StatVfsMountFlags::RDONLY),
            },
            Err(_) => Room { needed_bytes, free_bytes: None, is_read_only: false },
        }
    }

    /// Whether the plan may need more than there is.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.free_bytes.is_some_and(|free| free < self.needed_bytes)
    }
}

/// The databases whose rows are changed.
fn changed(checked: &Checked, plan: &RepairPlan) -> BTreeSet<PathBuf> {
    let mut databases = BTreeSet::new();
    for action in plan.actions.iter().filter(|action| action.kind.is_of_rows()) {
        match &action.kind {
            ActionKind::Rebuild { database }
            | ActionKind::SetSequence { database, .. }
            | ActionKind::IndexParents { database }
            | ActionKind::DropValue { database, .. } => drop(databases.insert(database.clone())),
            ActionKind::EvictSnapshots { snapshots, .. } => {
                let of =
                    |name: &str| Some(checked.inventory.snapshotters.get(name)?.path.join("metadata.db"));
                databases.extend(snapshots.iter().filter_map(|name| of(&name.snapshotter)));
                databases.insert(Path::new(META_DB).into());
            }
            _ => drop(databases.insert(META_DB.into())),
        }
    }
    databases
}
