//! The operator's words: the one place where a finding becomes a sentence.

mod advice;
mod at_risk;
mod cross;
mod database;
mod difference;
mod evidence;
mod host;
mod message;
mod own_files;
mod page;
mod reason;
mod repair;

pub(crate) use advice::advice;
pub(crate) use at_risk::at_risk;
pub(crate) use database::database;
pub(crate) use difference::differences;
pub(crate) use evidence::{actual, expected, place};
pub(crate) use host::host;
pub(crate) use message::{fault, heading, message, named, subject};
pub(crate) use page::{nearest, page, title};
pub(crate) use reason::reason;
pub(crate) use repair::{action, lost, refusal};

use verifier_core::finding::Depth;
use verifier_core::finding::Severity;
use verifier_core::report::Outcome;
use verifier_core::scan::Mode;

/// A severity's name.
pub(crate) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
        Severity::Critical => "critical",
    }
}

/// A depth's name.
pub(crate) fn depth(depth: Depth) -> &'static str {
    match depth {
        Depth::Quick => "quick",
        Depth::Blobs => "blobs",
        Depth::Full => "full",
    }
}

/// A mode's name.
pub(crate) fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Stopped => "stopped",
        Mode::Live => "live",
    }
}

/// An outcome's name.
pub(crate) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Clean => "clean",
        Outcome::Damaged => "damaged",
        Outcome::Incomplete => "incomplete",
    }
}
