//! The mark of a clean shutdown: what the databases were when containerd had stopped and all was on the disk.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::scan::Mode;
use crate::scan::{DatabaseFacts, Inventory};
use crate::time::Timestamp;

/// Written after containerd stopped and the file system was synced. It holds for as long as no database has seen another
/// transaction: whatever containerd unpacks, it commits to its databases before and after, and those are synced at each
/// commit. So a stamp that was left over by accident never vouches for what came later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The boot in which it was written (`/proc/sys/kernel/random/boot_id`).
    pub boot_id: String,
    /// When, in seconds since 1970.
    pub written_seconds: i64,
    /// The databases, by their path below the root.
    pub databases: BTreeMap<String, DatabaseMark>,
}

/// One state of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseMark {
    /// Its last transaction.
    pub txid: u64,
    /// When the file was last written: seconds since 1970, and nanoseconds.
    pub modified: (i64, u32),
}

impl Stamp {
    /// A stamp for `inventory`; `None` while a containerd holds the store, or where a database cannot be read: then
    /// there is nothing to vouch for.
    #[must_use]
    pub fn of(inventory: &Inventory, boot_id: &str) -> Option<Stamp> {
        let databases = marks(inventory).filter(|_| inventory.mode == Mode::Stopped)?;
        let written_seconds = Timestamp::now().seconds;
        Some(Stamp { boot_id: boot_id.to_owned(), written_seconds, databases })
    }

    /// Whether every database is still as it was, and there is no other one.
    #[must_use]
    pub fn holds(&self, inventory: &Inventory) -> bool {
        marks(inventory).as_ref() == Some(&self.databases)
    }
}

fn marks(inventory: &Inventory) -> Option<BTreeMap<String, DatabaseMark>> {
    let mut marks = BTreeMap::from([mark(&inventory.meta_db)?]);
    for database in inventory.snapshotters.values().filter_map(|snapshotter| snapshotter.database.as_ref()) {
        marks.extend([mark(database)?]);
    }
    Some(marks)
}

fn mark<T>(database: &DatabaseFacts<T>) -> Option<(String, DatabaseMark)> {
    let (txid, modified) = (database.txid()?, database.modified?);
    let mark = DatabaseMark { txid, modified: (modified.seconds, modified.nanoseconds) };
    Some((database.path.to_string_lossy().into_owned(), mark))
}
