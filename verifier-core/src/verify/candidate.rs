//! A finding that still has to stand.

use std::io;
use std::path::Path;

use crate::finding::{BlastRadius, Finding, FindingKind, PathUnreadable, Subject};
use crate::finding::{Coverage, Reason, Unverified};
use crate::io::{Time, errno, is_media_error};
use crate::time::Timestamp;

/// What ties a finding to one state of a live store: if it is the same before and after the look at the disk, the
/// thing was there all the time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Witness {
    /// Nothing comes and goes here.
    #[default]
    None,
    /// When the records concerned were made.
    Records(Vec<Option<Timestamp>>),
    /// The file concerned: its inode and when it was written.
    File(u64, Time),
}

/// A finding that still has to stand.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) finding: Finding,
    pub(crate) witness: Witness,
}

impl Candidate {
    /// Whether `other`, from a later look, is the same finding about the same thing.
    pub(crate) fn is_confirmed_by(&self, other: &Candidate) -> bool {
        let key = |candidate: &Candidate| (candidate.finding.code(), candidate.finding.subject.clone());
        key(self) == key(other) && self.witness == other.witness
    }
}

/// Candidates and coverage, as they come.
#[derive(Debug, Default)]
pub(crate) struct Examination {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) coverage: Coverage,
}

impl Examination {
    pub(crate) fn find(&mut self, kind: impl Into<FindingKind>, subject: Subject, blast: BlastRadius) {
        self.find_with(Witness::None, kind, subject, blast);
    }

    pub(crate) fn find_with(
        &mut self,
        witness: Witness,
        kind: impl Into<FindingKind>,
        subject: Subject,
        blast: BlastRadius,
    ) {
        let finding = Finding { kind: kind.into(), subject, path: None, blast };
        self.candidates.push(Candidate { finding, witness });
    }

    pub(crate) fn leave_out(&mut self, subject: Subject, reason: Reason) {
        self.coverage.unverified.push(Unverified { subject, reason });
    }

    /// A part of the store that could not be looked at: damage if the medium says so, else a gap.
    pub(crate) fn unreadable(&mut self, path: &Path, error: &io::Error) {
        let subject = Subject::Path { path: path.to_path_buf() };
        if is_media_error(errno(error)) {
            self.find(PathUnreadable { errno: errno(error) }, subject, BlastRadius::default());
        } else {
            self.leave_out(subject, reason_for(error));
        }
    }
}

/// Why something could not be verified after `error`.
pub(crate) fn reason_for(error: &io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Reason::PermissionDenied,
        io::ErrorKind::NotFound | io::ErrorKind::Interrupted => Reason::KeptChanging,
        _ => Reason::System { errno: errno(error) },
    }
}
