//! Makes a damaged database anew, and says row by row what is lost.
//!
//! ```text
//! meta.db        a part unreadable    what is readable, and rows for what is on disk and has none     rewritten in place
//!                a backup is there    the backup's rows, reconciled with what is on disk              built in place
//!                nothing left         rows from every metadata.db and from verified blobs             built in place
//! metadata.db    a part unreadable    what is readable; records in meta.db of rows that are lost go   rewritten in place
//!                nothing left         no rows; all of its records in meta.db go                       built in place
//! ```
//!
//! What got a row again without a name is held by a lease that ends after a week: until then a pull by name finds every blob
//! and every snapshot in place. What lost its row is moved to the quarantine. Names of images are never invented.
//!
//! `meta_db` and `snapshotter` plan and are pure; `found` reads; `action` acts.

mod action;
mod base;
mod found;
mod labels;
mod lost;
mod meta_db;
mod salvage;
mod snapshotter;
#[cfg(test)]
mod tests;
mod write;

pub use action::{How, RebuildError, Rebuilt, rebuild};
pub use found::{Found, FoundBlob};
pub use lost::{Lost, LostKind};
pub(in crate::repair) use snapshotter::write_index;
pub(in crate::repair) use write::undo;
