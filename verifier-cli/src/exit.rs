//! The one mapping from what happened to an exit status: fsck(8)'s.

use std::ops::BitOr;
use std::process::ExitCode;

use verifier_core::repair::{RepairError, RepairOutcome, Repaired};
use verifier_core::report::Report;
use verifier_core::{CheckError, OpenError};

/// An exit status; those below 16 combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status(u8);

impl Status {
    /// All that was asked for was done, and nothing is wrong.
    pub(crate) const CLEAN: Status = Status(0);
    /// All that was wrong is put right, and nothing is lost.
    pub(crate) const CORRECTED: Status = Status(1);
    /// What was wrong is out of the way, but something must be pulled again, or is lost.
    pub(crate) const HEALED: Status = Status(2);
    /// There is damage.
    pub(crate) const DAMAGED: Status = Status(4);
    /// Something could not be looked at, or the report could not be written.
    pub(crate) const INCOMPLETE: Status = Status(8);
    /// The command line asks for what there is not.
    pub(crate) const USAGE: Status = Status(16);
    /// Stopped by a signal.
    pub(crate) const CANCELLED: Status = Status(32);

    /// node-problem-detector's: a problem. Its number is fsck(8)'s for what was put right, as is that of the next.
    pub(crate) const NPD_PROBLEM: Status = Status(1);
    /// node-problem-detector's: it is not known.
    pub(crate) const NPD_UNKNOWN: Status = Status(2);

    /// Whether it says (among others) what `other` says.
    pub(crate) fn has(self, other: Status) -> bool {
        self.0 & other.0 == other.0
    }

    /// The status as the system takes it.
    pub(crate) fn number(self) -> u8 {
        self.0
    }

    /// What a report comes to. A run that was stopped says only that: its findings are in the report.
    pub(crate) fn of_report(report: &Report, strict: bool, was_interrupted: bool) -> Status {
        if was_interrupted && !report.is_complete() {
            return Status::CANCELLED;
        }
        let damage = if report.is_damaged(strict) { Status::DAMAGED } else { Status::CLEAN };
        let gaps = if report.is_complete() { Status::CLEAN } else { Status::INCOMPLETE };
        damage | gaps
    }

    /// What a repair comes to: what is left and what could not be looked at combine, as with a check.
    pub(crate) fn of_repaired(repaired: &Repaired, was_interrupted: bool) -> Status {
        let is_complete = repaired.gaps().is_empty();
        if was_interrupted && !is_complete {
            return Status::CANCELLED;
        }
        let gaps = if is_complete && repaired.trouble.is_none() { Status::CLEAN } else { Status::INCOMPLETE };
        gaps | match repaired.outcome() {
            RepairOutcome::Clean => Status::CLEAN,
            RepairOutcome::Corrected => Status::CORRECTED,
            RepairOutcome::Healed => Status::HEALED,
            _ => Status::DAMAGED | Status::healed(repaired),
        }
    }

    /// Beside damage that is left: whether something that was done must be followed by a pull.
    fn healed(repaired: &Repaired) -> Status {
        let is_due = !repaired.pulls().is_empty() || !repaired.lost().is_empty();
        if repaired.is_applied() && is_due { Status::HEALED } else { Status::CLEAN }
    }

    /// Why nothing was repaired.
    pub(crate) fn of_repair_error(error: &RepairError) -> Status {
        match error {
            RepairError::Check(error) => Status::of_check_error(error),
            _ => Status::INCOMPLETE,
        }
    }

    /// Why a root could not be opened: a wrong name is the caller's mistake, a refusal of the system is not.
    pub(crate) fn of_open_error(error: &OpenError) -> Status {
        match error {
            OpenError::NotFound(_) | OpenError::NotAFolder(_) | OpenError::NotARoot(_) => Status::USAGE,
            _ => Status::INCOMPLETE,
        }
    }

    /// Why nothing could be checked.
    pub(crate) fn of_check_error(error: &CheckError) -> Status {
        match error {
            CheckError::NoSuch { .. } => Status::USAGE,
            _ => Status::INCOMPLETE,
        }
    }
}

impl BitOr for Status {
    type Output = Status;

    fn bitor(self, other: Status) -> Status {
        Status(self.0 | other.0)
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        ExitCode::from(status.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use verifier_core::finding::Code;
    use verifier_core::finding::Reason;

    #[test]
    fn the_table() {
        let damaged = || sample::report(vec![sample::finding(Code::BlobMissing)]);
        let wasteful = sample::report(vec![sample::finding(Code::IngestStale)]);
        let clean = sample::report(Vec::new());
        let cut_short = |mut report: Report| {
            report.coverage.unverified = vec![sample::unverified(Reason::PermissionDenied)];
            report
        };
        for (report, strict, was_interrupted, status) in [
            (clean.clone(), false, false, 0),
            (clean.clone(), false, true, 0),
            (damaged(), false, false, 4),
            (wasteful.clone(), false, false, 0),
            (wasteful, true, false, 4),
            (cut_short(clean.clone()), false, false, 8),
            (cut_short(damaged()), false, false, 12),
            (cut_short(clean), false, true, 32),
            (cut_short(damaged()), true, true, 32),
        ] {
            assert_eq!(Status::of_report(&report, strict, was_interrupted).number(), status);
        }
    }

    #[test]
    fn a_wrong_root_is_a_mistake_and_a_refusal_is_a_gap() {
        let path = || "/nowhere".into();
        for (error, status) in [
            (OpenError::NotFound(path()), Status::USAGE),
            (OpenError::NotAFolder(path()), Status::USAGE),
            (OpenError::NotARoot(path()), Status::USAGE),
            (OpenError::PermissionDenied(path()), Status::INCOMPLETE),
            (
                OpenError::System { path: path(), error: std::io::Error::from_raw_os_error(5) },
                Status::INCOMPLETE,
            ),
        ] {
            assert_eq!(Status::of_open_error(&error), status);
        }
        let nothing = CheckError::NoSuch { what: "image", name: "x".into() };
        assert_eq!(Status::of_check_error(&nothing), Status::USAGE);
    }
}
