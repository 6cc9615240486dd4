//! A finding that still has to stand.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use crate::finding::{BlastRadius, Code, Finding, FindingKind, PathUnreadable, Subject};
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

/// What a later look found, by what it is about.
pub(crate) struct Confirmed<'a>(HashMap<(Code, &'a Subject), Vec<&'a Witness>>);

impl<'a> Confirmed<'a> {
    pub(crate) fn by(examination: &'a Examination) -> Self {
        let mut found: HashMap<_, Vec<_>> = HashMap::new();
        for Candidate { finding, witness } in &examination.candidates {
            let witnesses = found.entry((finding.code(), &finding.subject)).or_default();
            if !witnesses.contains(&witness) {
                witnesses.push(witness);
            }
        }
        Confirmed(found)
    }

    /// Whether the same was found about the same thing.
    pub(crate) fn has(&self, candidate: &Candidate) -> bool {
        let witnesses = self.0.get(&(candidate.finding.code(), &candidate.finding.subject));
        witnesses.is_some_and(|witnesses| witnesses.contains(&&candidate.witness))
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
