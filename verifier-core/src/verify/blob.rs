//! Committed content: each blob's record, file and bytes.

use std::collections::BTreeSet;
use std::io;

use super::absent;
use super::candidate::{Examination, Witness, reason_for};
use super::references::References;
use super::rehash::{Rehash, Rehashed};
use crate::content::BlobFile;
use crate::digest::{Algorithm, Digest};
use crate::finding::{
    BlobDigestMismatch, BlobMissing, BlobNameInvalid, BlobNotRegular, BlobRecordSizeWrong, BlobSizeMismatch,
    BlobUnreadable, BlobUnreferenced, BlobUnreferencedCorrupt, Depth, Reason,
};
use crate::finding::{FindingKind, Subject, Unparsable};
use crate::io::{FileKind, NotRegular, errno, is_media_error};
use crate::metadata::BlobRecord;
use crate::plan::Plan;
use crate::scan::{DocumentState, Inventory};

/// Judges every blob that has a record or a file.
pub(super) fn examine(
    inventory: &Inventory,
    references: &References<'_>,
    plan: &Plan,
    rehashed: &Rehashed<'_>,
    into: &mut Examination,
) {
    let expected: BTreeSet<&Digest> = expected(inventory);
    for (digest, records, file) in each(inventory) {
        if plan.scope.has_blob(digest) {
            let held = expected.contains(digest);
            let blob = Blob { digest, records: &records, file, held, inventory, references };
            blob.examine(plan.depth, rehashed, into);
        }
    }
    if plan.scope.is_everything() {
        examine_foreign(inventory, into);
    }
}

/// Every blob that has a record or a file, in the digests' order, with the records of all namespaces.
fn each(inventory: &Inventory) -> impl Iterator<Item = (&Digest, Vec<&BlobRecord>, Option<&BlobFile>)> {
    let namespaces = inventory.metadata().namespaces.values();
    let mut records: Vec<(&Digest, &BlobRecord)> =
        namespaces.flat_map(|namespace| &namespace.blobs).collect();
    records.sort_by_key(|(digest, _)| *digest);
    let mut records = records.into_iter().peekable();
    let mut files = inventory.blobs.files.iter().peekable();
    std::iter::from_fn(move || {
        let of_record = records.peek().map(|(digest, _)| *digest);
        let of_file = files.peek().map(|(digest, _)| *digest);
        let digest = of_record.into_iter().chain(of_file).min()?;
        let own = std::iter::from_fn(|| records.next_if(|(other, _)| *other == digest));
        let own = own.map(|(_, record)| record).collect();
        Some((digest, own, files.next_if(|(other, _)| *other == digest).map(|(_, file)| file)))
    })
}

/// Blobs that a lease or an ingest names: the collector keeps them without a record.
fn expected(inventory: &Inventory) -> BTreeSet<&Digest> {
    let namespaces = inventory.metadata().namespaces.values();
    namespaces
        .flat_map(|records| {
            let leased = records.leases.values().flat_map(|lease| &lease.content);
            leased.chain(records.ingests.values().filter_map(|ingest| ingest.expected.as_ref()))
        })
        .collect()
}

fn examine_foreign(inventory: &Inventory, into: &mut Examination) {
    for name in &inventory.blobs.foreign {
        let subject = Subject::Path { path: name.path.clone() };
        into.find(BlobNameInvalid { found: name.kind }, subject, Default::default());
    }
    for (path, error) in &inventory.blobs.unreadable {
        into.unreadable(path, error);
    }
}

struct Blob<'a> {
    digest: &'a Digest,
    records: &'a [&'a BlobRecord],
    file: Option<&'a BlobFile>,
    held: bool,
    inventory: &'a Inventory,
    references: &'a References<'a>,
}

impl Blob<'_> {
    fn examine(&self, depth: Depth, rehashed: &Rehashed<'_>, into: &mut Examination) {
        let Some(file) = self.file else { return self.examine_absence(into) };
        if file.kind != FileKind::File {
            let role = self.role();
            return self.find(BlobNotRegular { role, found: file.kind }, into);
        }
        if self.records.is_empty() && !self.can_judge_records() {
            // The record may have been on a page that is lost.
            into.coverage.blobs.skipped += 1;
            return;
        }
        match self.bytes_seen(rehashed) {
            Seen::Digest(actual, size_bytes) => {
                into.coverage.blobs.checked += 1;
                into.coverage.blobs.bytes += size_bytes;
                self.examine_bytes(&actual, size_bytes, into);
            }
            Seen::Error(error) => self.examine_error(&error, into),
            Seen::Stopped => self.skip(Reason::Interrupted, into),
            Seen::Nothing => {
                self.examine_size(file.size_bytes, into);
                if depth == Depth::Quick {
                    into.coverage.blobs.checked += 1;
                } else if matches!(self.digest.algorithm(), Algorithm::Other(_)) {
                    self.skip(Reason::UnknownAlgorithm, into);
                } else {
                    into.coverage.blobs.skipped += 1;
                }
            }
        }
    }

    /// A record whose file is not in the listing.
    fn examine_absence(&self, into: &mut Examination) {
        let path = BlobFile::path(self.digest);
        let unreadable = &self.inventory.blobs.unreadable;
        // What could not be listed is not missing.
        if unreadable.iter().any(|(unlisted, _)| path.starts_with(unlisted)) {
            into.coverage.blobs.skipped += 1;
            return;
        }
        // Said once, of the content store.
        if absent::is_content_missing(self.inventory) {
            into.coverage.blobs.skipped += 1;
            return;
        }
        let size_bytes = self.records.iter().find_map(|record| record.size_bytes);
        self.find(BlobMissing { role: self.role(), size_bytes }, into);
    }

    fn examine_bytes(&self, actual: &Digest, size_bytes: u64, into: &mut Examination) {
        let wrong_size = self.recorded_size_but(size_bytes);
        match (actual == self.digest, self.records.is_empty()) {
            (true, true) if !self.held => self.find(BlobUnreferenced { size_bytes }, into),
            (true, _) => {
                if let Some(recorded_size_bytes) = wrong_size {
                    self.find(BlobRecordSizeWrong { recorded_size_bytes, size_bytes }, into);
                }
            }
            (false, true) => {
                self.find(BlobUnreferencedCorrupt { actual: actual.clone(), size_bytes }, into);
            }
            (false, false) => {
                let (role, actual) = (self.role(), actual.clone());
                let recorded_size_bytes = self.recorded_size();
                self.find(BlobDigestMismatch { role, actual, size_bytes, recorded_size_bytes }, into);
            }
        }
    }

    /// Without the bytes, the length alone must do.
    fn examine_size(&self, size_bytes: u64, into: &mut Examination) {
        match self.recorded_size_but(size_bytes) {
            Some(recorded_size_bytes) => {
                let role = self.role();
                self.find(BlobSizeMismatch { role, recorded_size_bytes, size_bytes }, into);
            }
            None if self.records.is_empty() && !self.held => {
                self.find(BlobUnreferenced { size_bytes }, into);
            }
            _ => {}
        }
    }

    fn examine_error(&self, error: &io::Error, into: &mut Examination) {
        match NotRegular::of(error) {
            Some(found) => self.find(BlobNotRegular { role: self.role(), found }, into),
            None if is_media_error(errno(error)) => {
                self.find(BlobUnreadable { role: self.role(), errno: errno(error) }, into);
            }
            None => self.skip(reason_for(error), into),
        }
    }

    fn bytes_seen(&self, rehashed: &Rehashed<'_>) -> Seen {
        let document = self.inventory.documents.facts.get(self.digest).map(|fact| &fact.state);
        // An error that did not come again stands all the same: what the document names was not looked at.
        if let Some(DocumentState::Unreadable(error)) = document {
            return Seen::Error(copy(error));
        }
        match rehashed.get(self.digest) {
            Some(Rehash::Right { size_bytes }) => return Seen::Digest(self.digest.clone(), *size_bytes),
            Some(Rehash::Wrong { actual, size_bytes }) => {
                return Seen::Digest(actual.as_ref().clone(), *size_bytes);
            }
            Some(Rehash::Stopped) => return Seen::Stopped,
            Some(Rehash::Failed(error)) => return Seen::Error(copy(error)),
            None => {}
        }
        let size_bytes = self.file.map_or(0, |file| file.size_bytes);
        let computable = !matches!(self.digest.algorithm(), Algorithm::Other(_));
        match document {
            Some(
                DocumentState::Parsed(_)
                | DocumentState::GivenUp { .. }
                | DocumentState::Unparsable(Unparsable::Json { .. }),
            ) if computable => Seen::Digest(self.digest.clone(), size_bytes),
            Some(DocumentState::WrongDigest { actual, size_bytes, .. }) => {
                Seen::Digest(actual.clone(), *size_bytes)
            }
            _ => Seen::Nothing,
        }
    }

    /// With pages of meta.db lost, a missing record proves nothing.
    fn can_judge_records(&self) -> bool {
        self.inventory.has_all_records()
    }

    fn recorded_size(&self) -> Option<u64> {
        self.records.iter().find_map(|record| record.size_bytes)
    }

    /// The size that some namespace's record gives, if it is another than `size_bytes`.
    fn recorded_size_but(&self, size_bytes: u64) -> Option<u64> {
        self.records.iter().filter_map(|record| record.size_bytes).find(|recorded| *recorded != size_bytes)
    }

    fn role(&self) -> Option<crate::finding::Role> {
        self.references.role(self.digest)
    }

    fn subject(&self) -> Subject {
        Subject::Blob { digest: self.digest.clone() }
    }

    fn find(&self, kind: impl Into<FindingKind>, into: &mut Examination) {
        let witness = match self.file {
            Some(file) if self.records.is_empty() => Witness::File(file.ino, file.mtime),
            _ => Witness::Records(self.records.iter().map(|record| record.created).collect()),
        };
        into.find_with(witness, kind, self.subject(), self.references.of_blob(self.digest));
    }

    fn skip(&self, reason: Reason, into: &mut Examination) {
        into.coverage.blobs.skipped += 1;
        into.leave_out(self.subject(), reason);
    }
}

enum Seen {
    Digest(Digest, u64),
    Error(io::Error),
    Stopped,
    Nothing,
}

/// The same error once more: `io::Error` cannot be cloned.
fn copy(error: &io::Error) -> io::Error {
    match (NotRegular::of(error), error.raw_os_error()) {
        (Some(kind), _) => io::Error::new(io::ErrorKind::InvalidInput, NotRegular(kind)),
        (None, Some(errno)) => io::Error::from_raw_os_error(errno),
        (None, None) => io::Error::from(error.kind()),
    }
}
