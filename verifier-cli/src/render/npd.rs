//! node-problem-detector's protocol for plugins: one line on stdout, of which 80 characters are kept, and an exit status of
//! 0 (well), 1 (a problem) or 2 (not known) (node-problem-detector docs/custom_plugin_monitor.md).

use std::io::{self, Write};

use verifier_core::report::Report;

use super::human::found;
use crate::exit::Status;
use crate::words;

/// What the detector takes of a message (`max_output_length`'s default).
pub(crate) const WIDTH: usize = 79;

/// The exit status that the detector knows for `status`: damage is a problem, and what could not be looked at is not known.
pub(crate) fn exit(status: Status) -> Status {
    if status.has(Status::DAMAGED) {
        Status::NPD_PROBLEM
    } else if status == Status::CLEAN || status == Status::CORRECTED {
        Status::CLEAN
    } else {
        Status::NPD_UNKNOWN
    }
}

/// Writes the line.
pub(crate) fn write(out: &mut dyn Write, report: &Report, strict: bool) -> io::Result<()> {
    let alarm = if report.must_not_start() { "DO NOT START CONTAINERD: " } else { "" };
    let outcome = words::outcome(report.outcome(strict));
    line(out, &format!("{alarm}containerd store {outcome}: {}", found(&report.findings)))
}

/// One line, cut to what is kept.
pub(crate) fn line(out: &mut dyn Write, text: &str) -> io::Result<()> {
    let text: String = text.chars().take(WIDTH).collect();
    writeln!(out, "{text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use verifier_core::finding::Code;

    #[test]
    fn statuses() {
        for (status, number) in [
            (Status::CLEAN, 0),
            (Status::DAMAGED, 1),
            (Status::DAMAGED | Status::INCOMPLETE, 1),
            (Status::INCOMPLETE, 2),
            (Status::USAGE, 2),
            (Status::CANCELLED, 2),
        ] {
            assert_eq!(exit(status).number(), number);
        }
    }

    #[test]
    fn one_short_line() {
        for findings in [Vec::new(), Code::ALL.iter().map(|code| sample::finding(*code)).collect()] {
            let mut bytes = Vec::new();
            write(&mut bytes, &sample::report(findings), false).unwrap();
            let text = String::from_utf8(bytes).unwrap();
            assert!(
                text.ends_with('\n') && text.lines().count() == 1 && text.chars().count() <= 80,
                "{text}"
            );
        }
    }
}
