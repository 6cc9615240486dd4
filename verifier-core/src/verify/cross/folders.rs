//! Folders that no row names (F9).
//!
//! overlayfs, native: `snapshots/<id>`, made as `new-*` and renamed; native renames to `rm-<id>` what it removes.
//! btrfs: `active/<id>`, `view/<id>`, `snapshots/<id>`, each `rm-<id>` while it is removed.
//! Other names are not theirs, and nothing is said of them. (plugins/snapshots/{overlay,native,btrfs})

use super::Cross;
use crate::finding::{BlastRadius, LeftOver, SnapshotFolderUnreferenced, Subject};
use crate::metadata::{Kind, Snapshots};
use crate::scan::Snapshotter;
use crate::snapshot::Driver;
use crate::verify::candidate::Examination;

impl Cross<'_> {
    pub(super) fn examine_folders(&self, into: &mut Examination) {
        if !self.scope.is_everything() {
            return;
        }
        for (name, snapshotter) in &self.inventory.snapshotters {
            let (Some(driver), Some(rows)) = (Driver::of(name), snapshotter.all_rows()) else { continue };
            // Where rows were lost, their folders are what they can be made again from.
            let lost = self.id_ahead(name, rows).is_some()
                || self.names(name).any(|key| !rows.by_key.contains_key(key));
            if !lost {
                self.examine_holders(snapshotter, driver, rows, into);
            }
        }
    }

    fn examine_holders(
        &self,
        snapshotter: &Snapshotter,
        driver: Driver,
        rows: &Snapshots,
        into: &mut Examination,
    ) {
        // A folder goes after its row, and comes before it.
        let modified = snapshotter.database.as_ref().and_then(|database| database.modified);
        let mut named: Vec<(u64, Kind)> = rows.by_key.values().map(|row| (row.id, row.kind)).collect();
        named.sort_unstable();
        for holder in &snapshotter.holders {
            let settled = [modified, holder.modified].into_iter().all(|time| self.inventory.is_settled(time));
            for name in holder.names.iter().filter(|_| settled) {
                let Some(why) = left_over(name) else { continue };
                let path = holder.path.join(name);
                let rows = with_id(&named, name).iter();
                let mut named = rows.map(|(id, kind)| snapshotter.path.join(driver.folder(*kind, *id)));
                if !named.any(|folder| folder == path) {
                    let kind = SnapshotFolderUnreferenced { why };
                    into.find(kind, Subject::Path { path }, BlastRadius::default());
                }
            }
        }
    }
}

/// Those of the rows, sorted, whose id is a folder's name.
fn with_id<'r>(rows: &'r [(u64, Kind)], name: &str) -> &'r [(u64, Kind)] {
    let Some(id) = id_of(name) else { return &[] };
    let from = rows.partition_point(|row| row.0 < id);
    let to = rows.partition_point(|row| row.0 <= id);
    rows.get(from..to).unwrap_or_default()
}

/// Why a folder of that name is left over, if no row names it.
fn left_over(name: &str) -> Option<LeftOver> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if name.strip_prefix("new-").is_some_and(is_number) {
        Some(LeftOver::BeingMade)
    } else if name.strip_prefix("rm-").is_some_and(is_number) {
        Some(LeftOver::BeingRemoved)
    } else {
        id_of(name).map(|_| LeftOver::NoRow)
    }
}

/// The id that is a folder's name, as Go writes it.
pub(super) fn id_of(name: &str) -> Option<u64> {
    name.parse().ok().filter(|id: &u64| id.to_string() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_snapshotters_own_names_are_left_over() {
        assert_eq!(left_over("17"), Some(LeftOver::NoRow));
        assert_eq!(left_over("new-3051687220"), Some(LeftOver::BeingMade));
        assert_eq!(left_over("rm-17"), Some(LeftOver::BeingRemoved));
        for name in [
            "",
            "lost+found",
            "new-",
            "rm-x",
            "17.bak",
            ".17",
            "-17",
            "+17",
            "017",
            "１７",
            "99999999999999999999",
        ] {
            assert_eq!(left_over(name), None, "{name}");
        }
    }
}
