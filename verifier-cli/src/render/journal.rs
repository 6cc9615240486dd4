//! Lines for the journal: one fact each, with its level in front (sd-daemon(3): `<3>` is an error).

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use verifier_core::finding::Severity;
use verifier_core::repair::RepairOutcome;
use verifier_core::report::Report;

use super::repair::Asked;
use super::{count_of, escape_path, size};
use crate::words;

/// Whether stdout goes to the journal: `$JOURNAL_STREAM` names its device and inode (systemd.exec(5)).
pub(crate) fn is_stdout() -> bool {
    is_stream("/proc/self/fd/1")
}

/// Whether stderr does.
pub(crate) fn is_stderr() -> bool {
    is_stream("/proc/self/fd/2")
}

fn is_stream(path: &str) -> bool {
    let Some(stream) = std::env::var("JOURNAL_STREAM").ok() else { return false };
    let stat = Path::new(path).metadata();
    stat.is_ok_and(|stat| stream == format!("{}:{}", stat.dev(), stat.ino()))
}

/// The level of a finding.
fn level(severity: Severity) -> u8 {
    match severity {
        Severity::Critical => 2,
        Severity::Error => 3,
        Severity::Warning => 4,
        Severity::Info => 6,
    }
}

/// Writes a line for each finding, for each thing that could not be looked at, and for the outcome.
pub(crate) fn write(out: &mut dyn Write, report: &Report, strict: bool) -> io::Result<()> {
    for finding in &report.findings {
        writeln!(out, "<{}>{}: {}", level(finding.severity()), finding.code(), words::message(finding))?;
    }
    for gap in report.coverage.unverified.iter().filter(|gap| gap.reason.is_failure()) {
        writeln!(out, "<4>not checked: {}: {}", words::subject(&gap.subject), words::reason(&gap.reason))?;
    }
    for advice in report.advice.iter().filter(|one| !report.findings.is_empty() || one.stands_alone()) {
        writeln!(out, "<5>host: {}", words::host(advice))?;
    }
    let outcome = report.outcome(strict);
    let last = match (report.must_not_start(), report.is_damaged(strict)) {
        (true, _) => 2,
        (false, true) => 3,
        (false, false) => 6,
    };
    let bytes = report.coverage.blobs.bytes.saturating_add(report.coverage.snapshots.bytes);
    let (root, outcome) = (escape_path(&report.root), words::outcome(outcome));
    writeln!(out, "<{last}>{root}: {outcome}; {} findings, {} verified", report.findings.len(), size(bytes))
}

/// Writes a line for what was at risk, for each action and what came of it, for all that is left, and for the outcome.
pub(crate) fn write_repair(out: &mut dyn Write, asked: &Asked<'_>) -> io::Result<()> {
    let repaired = asked.repaired;
    let root = escape_path(&repaired.root);
    if repaired.before().is_some_and(Report::must_not_start) {
        writeln!(out, "<2>{root}: starting containerd before this is repaired destroys what is still there")?;
    }
    if let Some(selection) = repaired.before().and_then(|report| report.at_risk.as_ref()) {
        writeln!(out, "<6>{root}: At risk: {}", words::at_risk(selection))?;
    }
    for (action, outcome) in repaired.actions() {
        let what = format!("{}: {}", action.kind.verb().as_str(), words::action(&action.kind));
        match outcome {
            Some(Ok(())) => writeln!(out, "<5>{what}: done")?,
            Some(Err(error)) => {
                writeln!(out, "<3>{what}: not done: {}", words::failure(error, &repaired.room))?;
            }
            None => writeln!(out, "<4>{what}: to be done")?,
        }
    }
    write_leftovers(out, asked)?;
    let actions = count_of(repaired.plan.actions.len(), "action");
    let (level, text) = match repaired.outcome() {
        RepairOutcome::Clean => (6, "clean: there is nothing to do".into()),
        RepairOutcome::Planned => (4, format!("{actions} to be done; --yes does it")),
        RepairOutcome::Corrected => (5, format!("corrected: all that was wrong is put right; {actions}")),
        RepairOutcome::Healed => (4, format!("healed, but {}; {actions}", words::healed(repaired))),
        _ => (3, "damage is left".into()),
    };
    let but = if repaired.gaps().is_empty() { "" } else { "; not everything could be checked" };
    writeln!(out, "<{}>{root}: {text}{but}", if but.is_empty() { level } else { level.min(4) })
}

fn write_leftovers(out: &mut dyn Write, asked: &Asked<'_>) -> io::Result<()> {
    let repaired = asked.repaired;
    for toll in repaired.tolls.iter().filter(|_| !repaired.is_applied()) {
        writeln!(out, "<4>{}", words::toll(toll))?;
    }
    for lost in repaired.lost() {
        writeln!(out, "<4>lost: {}", words::lost(&lost))?;
    }
    for pull in repaired.pulls() {
        writeln!(out, "<4>pull: {}", words::pull(&pull, asked.address))?;
    }
    for refusal in repaired.plan.refusals.iter().filter(|one| one.code.severity() > Severity::Info) {
        writeln!(out, "<{}>left alone: {}", level(refusal.code.severity()), words::refusal(refusal))?;
    }
    for finding in repaired.left() {
        writeln!(out, "<{}>still wrong: {}", level(finding.severity()), words::message(finding))?;
    }
    if let Some(error) = &repaired.trouble {
        writeln!(out, "<3>not done: {}", words::trouble(error))?;
    }
    for gap in repaired.gaps() {
        writeln!(out, "<4>not checked: {}: {}", words::subject(&gap.subject), words::reason(&gap.reason))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use verifier_core::finding::Code;

    #[test]
    fn every_line_has_a_level_and_is_one() {
        let findings = Code::ALL.iter().map(|code| sample::finding(*code)).collect();
        let mut bytes = Vec::new();
        write(&mut bytes, &sample::report(findings), false).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.lines().count(), Code::ALL.len() + 1);
        for line in text.lines() {
            let level = line.strip_prefix('<').and_then(|rest| rest.split_once('>')).unwrap().0;
            assert!(["2", "3", "4", "6"].contains(&level), "{line}");
        }
    }

    #[test]
    fn a_stream_that_is_not_the_journal_is_none() {
        assert!(!is_stdout() && !is_stderr());
    }
}
