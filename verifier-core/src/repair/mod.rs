//! Puts right what a check found, with the fewest bytes, and loses nothing on the way.

mod act;
pub mod apply;
mod error;
mod exclusive;
pub mod mounted;
pub mod plan;
mod protocol;
mod quarantine;
mod repair_error;
mod repaired;
mod room;
mod rows;
mod setup;
pub mod source;
#[cfg(test)]
mod tests;
mod toll;

pub use act::{ReplaceError, rebuild, replace, restore};
pub use quarantine::disk;
pub use quarantine::{
    Change, JournalFault, KeptRun, Left, Put, Retained, Retention, Run, Stray, UndoError, Undone, purge,
    retain, runs, strays, undo,
};
#[cfg(feature = "live")]
pub use rows::LiveRows;
pub use rows::locked;
pub use rows::{LockedRows, NoRows, Rows};

pub use exclusive::Exclusive;
pub use protocol::Repair;
pub use repair_error::RepairError;
pub use repaired::{Look, Planned, Pull, RepairOutcome, Repaired};
pub use room::Room;
pub use setup::Setup;
pub use toll::{Toll, TollKind};

use std::collections::BTreeMap;

use crate::check::Checked;
use crate::digest::Digest;
use crate::finding::{Cure, Finding, Subject};

/// The blobs that right bytes are looked for in the sources, with their sizes where these are known.
#[must_use]
pub fn wanted(checked: &Checked) -> BTreeMap<Digest, Option<u64>> {
    let is_wanted =
        |finding: &&Finding| matches!(finding.code().cure(), Cure::Replace | Cure::ReplaceOrEvict);
    let findings = checked.report.findings.iter().filter(is_wanted);
    let digests = findings.filter_map(|finding| match &finding.subject {
        Subject::Blob { digest } => Some(digest.clone()),
        _ => None,
    });
    let size = |digest: &Digest| {
        let mut records = checked.inventory.metadata().namespaces.values();
        records.find_map(|namespace| namespace.blobs.get(digest)?.size_bytes)
    };
    digests.map(|digest| (digest.clone(), size(&digest))).collect()
}
