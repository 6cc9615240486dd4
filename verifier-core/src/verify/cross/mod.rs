//! Do meta.db, the snapshotters' databases and the folders tell the same story?
//!
//! ```text
//! meta.db      v1/<ns>/snapshots/<snapshotter>/<key> ─ name ──► row        join.rs       parents: parents.rs
//! metadata.db  v1/snapshots/<ns>/<sequence>/<key>    ─ id ────► folder     rows.rs       folders.rs
//! meta.db      containers, sandboxes, leases         ─────────► records    owners.rs     leases.rs
//! meta.db      containers of CRI             ─────────► folder     cri.rs        metadata.db ─► layer.erofs  erofs.rs
//! labels       gc.root, leases without an end: what nothing else keeps            kept.rs
//! labels       gc.ref.*, uncompressed, snapshot.ref  ─────────► records    labels.rs
//! ```
//!
//! What is healthy although it looks odd was measured on containerd 1.6, 1.7 and 2.1, and read in core/metadata/snapshot.go,
//! core/metadata/gc.go and core/snapshots/storage/bolt.go of containerd:
//!
//! - A removed snapshot's record goes at once, its row and its folder at the next collection. A row without a record is
//!   therefore no damage; and on a live store nothing is said of it before the databases have been at rest for a while.
//! - The lists of children in meta.db are not kept up to date, so nothing here reads them.
//! - A snapshotter that shares its snapshots between namespaces gives a record the row of another namespace.
//! - An image's record may be gone while its containers live, a snapshot that a config's label names may have been removed
//!   by hand, and an index names what other platforms need.
//!
//! Each database is read in one consistent view, so what disagrees within one was never right. What disagrees between two
//! may have changed between the two reads: the second look settles that.

mod cri;
mod erofs;
mod folders;
mod join;
mod kept;
mod key;
mod labels;
mod leases;
mod owners;
mod parents;
mod rows;
mod sequences;

use super::candidate::Examination;
use super::references::References;
use crate::plan::Scope;
use crate::scan::Inventory;

/// Judges what the databases and the folders say of each other.
pub(super) fn examine(
    inventory: &Inventory,
    references: &References<'_>,
    scope: &Scope,
    into: &mut Examination,
) {
    let cross = Cross { inventory, references, scope };
    cross.examine_rows(into);
    cross.examine_erofs(into);
    // A record that is not seen proves nothing when some may have been on a page that is lost.
    if inventory.has_all_records() {
        cross.examine_join(into);
        cross.examine_parents(into);
        cross.examine_sequences(into);
        cross.examine_folders(into);
        cross.examine_labels(into);
        cross.examine_owners(into);
        cross.examine_leases(into);
        cross.examine_cri(into);
        cross.examine_kept(into);
    }
}

/// What the checks look at.
struct Cross<'a> {
    inventory: &'a Inventory,
    references: &'a References<'a>,
    scope: &'a Scope,
}
