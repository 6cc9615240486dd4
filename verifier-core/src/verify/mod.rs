//! The checks: one file per kind.
//!
//! Each looks at the inventory, and at what was read of the content, and leaves candidates: findings that still have to
//! stand. On a stopped store they stand. On a live one the whole look is repeated with a fresh view, and only what is
//! found both times about the same thing does (see [`crate::check()`]).

mod absent;
mod below;
mod blob;
mod candidate;
mod cross;
mod image;
mod ingest;
mod metadata;
mod own_files;
mod platform;
mod references;
mod rehash;
mod snapshot;
mod standing;
mod work;

use crate::Interrupt;
use crate::event::Observer;
use crate::plan::Plan;
use crate::scan::Inventory;
use crate::store::Store;

pub(crate) use below::{FolderCache, LayersBelow};
pub(crate) use candidate::{Confirmed, Examination};
pub(crate) use rehash::{Rehash, rehash};

/// Carries out `plan`.
pub(crate) fn examine(
    store: &Store,
    inventory: &Inventory,
    plan: &Plan,
    threads: usize,
    observer: &dyn Observer,
    interrupt: &Interrupt,
) -> Examination {
    let mut examination = Examination::default();
    let root = store.folder();
    let rootless = root.stat("").is_ok_and(|stat| stat.uid != 0);
    let max_differences = snapshot::max_differences(plan.snapshots.len());
    let folders = FolderCache::default();
    let eye =
        snapshot::Eye { root, threads, max_differences, rootless, folders: &folders, observer, interrupt };
    let looked = eye.look_at(plan);
    let mut rehashed = snapshot::digests(plan, &looked);
    let blobs = plan.blobs_left(|digest| rehashed.contains_key(digest));
    rehashed.extend(rehash::rehash(root, &blobs, threads, observer, interrupt));
    let references = references::References::new(inventory);
    metadata::examine(inventory, &mut examination);
    if plan.scope.is_everything() {
        own_files::examine(inventory, &mut examination);
    }
    // A snapshot that is recorded proves that there must be one, whatever else is lost.
    absent::examine(inventory, &references, plan, &mut examination);
    cross::examine(inventory, &references, &plan.scope, &mut examination);
    for (path, error) in &inventory.unreadable {
        examination.unreadable(path, error);
    }
    // Without meta.db nothing can be said of what it should name: every blob would seem unreferenced.
    if inventory.meta_db.records().is_some() {
        blob::examine(inventory, &references, plan, &rehashed, &mut examination);
        image::examine(inventory, &references, &plan.scope, &mut examination);
        platform::examine(inventory, &references, &plan.scope, &mut examination);
        snapshot::examine_unknown(inventory, plan, &mut examination);
        snapshot::examine(plan, &looked, &references, &rehashed, &mut examination);
        if plan.scope.is_everything() && inventory.has_all_records() {
            ingest::examine(inventory, &mut examination);
        }
    }
    examination
}
