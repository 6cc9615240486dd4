//! Puts right what a check found, with the fewest bytes, and loses nothing on the way.

pub mod apply;
mod correct;
pub mod disk;
mod evict;
mod journal;
#[cfg(feature = "live")]
mod keep;
#[cfg(feature = "live")]
mod live_rows;
pub mod locked;
pub mod mounted;
pub mod plan;
mod purge;
pub mod rebuild;
mod replace;
pub mod restore;
mod rows;
mod run;
pub mod source;
#[cfg(test)]
mod tests;
mod undo;

#[cfg(feature = "live")]
pub use live_rows::LiveRows;
pub use purge::{KeptRun, Retention, purge, retain, runs};
pub use replace::{ReplaceError, replace};
pub use run::{Change, Put, Run};
pub use undo::{Left, UndoError, Undone, undo};

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
