//! What a running containerd is about to be asked to delete, kept so that it can be put back once containerd is stopped: its rows
//! in the run's journal, the folders of its snapshots among the run's items.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::Path;

use crate::bolt::{Edit, Edits, Visitor, consistent};
use crate::layout::META_DB;
use crate::live::Act;
use crate::repair::act::evict::take;
use crate::repair::plan::SnapshotName;
use crate::repair::quarantine::journal::{Line, RawPath};
use crate::repair::quarantine::run::{Put, Run};
use crate::scan::Inventory;
use crate::snapshot::Driver;

/// Views to try of a database that is written to.
const VIEWS: u32 = 20;

/// Takes notes of each change before containerd is asked for it.
#[derive(Debug)]
pub(in crate::repair) struct Keeper<'a> {
    inventory: &'a Inventory,
    /// Snapshots that are to go, with their folders.
    to_go: Vec<(&'a SnapshotName, &'a Path)>,
    /// Those whose folders were taken, and the items that these are.
    taken: Vec<(&'a SnapshotName, &'a Path, OsString)>,
}

impl<'a> Keeper<'a> {
    pub(in crate::repair) fn new(
        inventory: &'a Inventory,
        snapshots: impl Iterator<Item = &'a SnapshotName>,
    ) -> Self {
        let with_folder = |name: &'a SnapshotName| Some((name, name.folder.as_deref()?));
        let to_go = snapshots.filter(|name| is_kept(name)).filter_map(with_folder).collect();
        Keeper { inventory, to_go, taken: Vec::new() }
    }

    /// Notes an act in the run's journal. The folder of a snapshot is moved out before the snapshot is removed: containerd does
    /// not mind that it has nothing to delete.
    pub(in crate::repair) fn before(&mut self, run: &mut Run<'_>, act: &Act) -> io::Result<()> {
        match act {
            Act::RemoveSnapshot { namespace, snapshotter, key, .. } => {
                let is_it = |name: &SnapshotName| {
                    (&name.namespace, &name.snapshotter, name.key.as_ref())
                        == (namespace, snapshotter, Some(key))
                };
                for (name, folder) in self.to_go.iter().filter(|(name, _)| is_it(name)) {
                    self.taken.extend(take(run, folder)?.map(|item| (*name, *folder, item)));
                }
            }
            Act::DropLabel { namespace, digest, key, value } => {
                let mut back = Edits::new();
                back.put(["v1", namespace, "content", "blob", digest, "labels"], key, value);
                note_rows(run, META_DB.as_ref(), 0, back)?;
            }
            Act::CreateLease { namespace, lease, .. } => {
                let mut back = Edits::new();
                back.delete_bucket(["v1", namespace, "leases", lease]);
                note_rows(run, META_DB.as_ref(), 0, back)?;
            }
            _ => {}
        }
        let act = serde_json::to_value(act).map_err(io::Error::other)?;
        run.log(&[Line::Live { act }])
    }

    /// Puts back the folders of snapshots that still have a row: containerd kept them, or could not be asked.
    pub(in crate::repair) fn give_back(self, run: &mut Run<'_>) -> io::Result<()> {
        let mut puts = Vec::new();
        for (name, folder, item) in self.taken {
            let database =
                self.inventory.snapshotters.get(&name.snapshotter).and_then(|one| one.database.as_ref());
            let Some(database) = database else { continue };
            let mut row = Edits::new();
            row.delete_bucket(["v1", "snapshots", &name.backend_key]);
            let (_, row) = removed_by(run, &database.path, &row)?;
            if !row.is_empty() {
                puts.push(Put { item, path: folder.into() });
            }
        }
        run.put_all(&puts)
    }
}

/// Whether a snapshot's folder is kept before containerd removes it.
pub(in crate::repair) fn is_kept(name: &SnapshotName) -> bool {
    Driver::of(&name.snapshotter).is_some_and(Driver::keeps_folder)
}

/// Notes how to put back what `removals` remove from the database at `path`, below the root.
pub(in crate::repair) fn keep_rows(run: &mut Run<'_>, path: &Path, removals: &Edits) -> io::Result<()> {
    if removals.is_empty() {
        return Ok(());
    }
    let (txid, inverse) = removed_by(run, path, removals)?;
    note_rows(run, path, txid, inverse)
}

/// What puts back what `removals` would remove from the database now; and its transaction.
fn removed_by(run: &Run<'_>, path: &Path, removals: &Edits) -> io::Result<(u64, Edits)> {
    let file = run.disk().root().file(path)?;
    let seen = consistent(&file, VIEWS, |database| {
        let mut removed = Removed::by(removals);
        database.walk(&mut removed);
        (database.meta().txid, removed.inverse)
    });
    seen.map_err(io::Error::other)
}

fn note_rows(run: &mut Run<'_>, database: &Path, txid: u64, inverse: Edits) -> io::Result<()> {
    run.log(&[Line::Rows { database: RawPath(database.into()), txid, inverse }])
}

/// What is there of what removals name, as the edits that put it back.
struct Removed<'e> {
    buckets: BTreeSet<&'e [Vec<u8>]>,
    keys: BTreeSet<(&'e [Vec<u8>], &'e [u8])>,
    inverse: Edits,
}

impl<'e> Removed<'e> {
    fn by(removals: &'e Edits) -> Removed<'e> {
        let mut removed = Removed { buckets: BTreeSet::new(), keys: BTreeSet::new(), inverse: Edits::new() };
        for edit in &removals.0 {
            match edit {
                Edit::DeleteBucket { path } => drop(removed.buckets.insert(path)),
                Edit::Delete { path, key } => drop(removed.keys.insert((path, key))),
                Edit::Put { .. } | Edit::CreateBucket { .. } | Edit::SetSequence { .. } => {}
            }
        }
        removed
    }

    fn is_in_one(&self, path: &[Vec<u8>]) -> bool {
        (1..=path.len()).filter_map(|length| path.get(..length)).any(|outer| self.buckets.contains(outer))
    }
}

impl Visitor for Removed<'_> {
    fn enter(&mut self, path: &[Vec<u8>], sequence: u64) {
        if self.is_in_one(path) {
            self.inverse.create_bucket(path);
            if sequence != 0 {
                self.inverse.set_sequence(path, sequence);
            }
        }
    }

    fn value(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) {
        if self.keys.contains(&(path, key)) || self.is_in_one(path) {
            self.inverse.put(path, key, value);
        }
    }
}
