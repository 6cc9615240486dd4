//! Puts right what a check found, with the fewest bytes, and loses nothing on the way.

mod act;
pub mod apply;
pub mod mounted;
pub mod plan;
mod quarantine;
mod rows;
pub mod source;
#[cfg(test)]
mod tests;

pub use act::{ReplaceError, rebuild, replace, restore};
pub use quarantine::disk;
pub use quarantine::{
    Change, JournalFault, KeptRun, Left, Put, Retained, Retention, Run, Stray, UndoError, Undone, purge,
    retain, runs, strays, undo,
};
#[cfg(feature = "live")]
pub use rows::LiveRows;
pub use rows::locked;

use std::collections::BTreeMap;

use crate::check::Checked;
use crate::digest::Digest;
use crate::finding::{Code, Subject};

/// The blobs that right bytes are looked for in the sources, with their sizes where these are known.
#[must_use]
pub fn wanted(checked: &Checked) -> BTreeMap<Digest, Option<u64>> {
    let codes = [
        Code::BlobMissing,
        Code::BlobDigestMismatch,
        Code::BlobSizeMismatch,
        Code::BlobNotRegular,
        Code::BlobUnreadable,
    ];
    let findings = checked.report.findings.iter().filter(|finding| codes.contains(&finding.code()));
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
