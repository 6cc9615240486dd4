//! The operator's words for what is no finding: hosts, databases, modes. What a finding says of itself is the library's.

mod at_risk;
mod database;
mod difference;
mod host;
mod nearest;
mod repair;

pub(crate) use at_risk::at_risk;
pub(crate) use database::database;
pub(crate) use difference::differences;
pub(crate) use host::host;
pub(crate) use nearest::nearest;
pub(crate) use repair::{failure, healed, lost, needs, pull, toll, trouble};

use verifier_core::finding::{Depth, Finding, Named, Reason, Severity, Subject};
use verifier_core::repair::plan::{ActionKind, Refusal};
use verifier_core::report::Outcome;
use verifier_core::scan::Mode;

/// What is wrong and with what, in one line that names the subject first.
pub(crate) fn message(finding: &Finding) -> String {
    finding.to_string()
}

/// What is wrong with the subject.
pub(crate) fn fault(finding: &Finding) -> String {
    finding.kind.to_string()
}

/// What it is about.
pub(crate) fn subject(subject: &Subject) -> String {
    subject.to_string()
}

/// An image or a container with its namespace.
pub(crate) fn named(named: &Named) -> String {
    named.to_string()
}

/// Why something was not verified.
pub(crate) fn reason(reason: &Reason) -> String {
    reason.to_string()
}

/// What an action does, in one line.
pub(crate) fn action(kind: &ActionKind) -> String {
    kind.to_string()
}

/// What is left alone and why, in one line.
pub(crate) fn refusal(refusal: &Refusal) -> String {
    refusal.to_string()
}

/// A severity's name.
pub(crate) fn severity(severity: Severity) -> &'static str {
    severity.as_str()
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
