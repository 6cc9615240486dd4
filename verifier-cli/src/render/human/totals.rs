//! What was found and what was looked at, in numbers. All of them are counted here, from the report.

use std::collections::BTreeMap;
use std::io::{self, Write};

use verifier_core::finding::{Finding, Reason, Severity, Subject, Tally};
use verifier_core::report::Report;

use super::group::of_all;
use crate::render::{count, count_of, escape_path, rate, size, span, thousands, wrap};
use crate::words;

/// How many things that could not be looked at are named one by one.
const GAPS_SHOWN: usize = 10;

/// How to look at unpacked layers that are not read, and how to do without.
const UNREAD: &str = "Whether these layers are whole is not known. To see it, start a container from the image, or remove and \
    pull the image again; of Docker's own store, 'docker save IMAGE' reads every file. With --accept-unread this does not count.";

/// Writes what was found, what was checked and what was not.
pub(super) fn write(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    if !report.findings.is_empty() {
        writeln!(out, "{}", wrap("Found ", &format!("{}.", found(&report.findings))))?;
    }
    let coverage = &report.coverage;
    let bytes = coverage.blobs.bytes.saturating_add(coverage.snapshots.bytes);
    // A rate says something about the disk only when there was something to read.
    let speed = rate(bytes, report.elapsed).filter(|_| bytes >> 20 > 0).map(|rate| format!(" ({rate})"));
    writeln!(
        out,
        "Checked {} and {}, {} in {}{}.",
        count(coverage.blobs.checked, "blob"),
        tallied(coverage.snapshots),
        size(bytes),
        span(report.elapsed),
        speed.unwrap_or_default()
    )?;
    for database in &report.databases {
        if let Some(text) = words::database(database) {
            let path = escape_path(&database.path);
            writeln!(out, "{}", wrap("Database ", &format!("{path}: {text}.")))?;
        }
    }
    write_left_out(out, report)?;
    write_gaps(out, report)
}

/// `7 snapshots`, or `0 of 7 snapshots` where some were not looked at.
fn tallied(tally: Tally) -> String {
    match tally.skipped {
        0 => count(tally.checked, "snapshot"),
        skipped => {
            let all = tally.checked.saturating_add(skipped);
            format!("{} of {}", thousands(tally.checked), count(all, "snapshot"))
        }
    }
}

/// `2 errors, 1 warning; they reach 3 images and 1 container`.
pub(crate) fn found(findings: &[Finding]) -> String {
    let of = |severity| findings.iter().filter(|finding| finding.severity() == severity).count();
    let severities = [
        (Severity::Critical, "critical finding"),
        (Severity::Error, "error"),
        (Severity::Warning, "warning"),
        (Severity::Info, "note"),
    ];
    let counts: Vec<String> = severities
        .into_iter()
        .filter(|(severity, _)| of(*severity) > 0)
        .map(|(severity, word)| count_of(of(severity), word))
        .collect();
    if counts.is_empty() {
        return "nothing wrong".into();
    }
    let images = of_all(findings, |finding| &finding.blast.images).count();
    let named = of_all(findings, |finding| &finding.blast.containers).count() as u64;
    // Where not all are named, nobody knows which of two findings' others are the same.
    let reached = findings
        .iter()
        .filter(|finding| finding.blast.containers_left_out > 0)
        .map(|finding| finding.blast.containers.len() as u64 + finding.blast.containers_left_out)
        .max();
    let containers = match reached {
        None => count(named, "container"),
        Some(reached) => format!("at least {}", count(reached.max(named), "container")),
    };
    format!("{}; reached: {}, {containers}", counts.join(", "), count_of(images, "image"))
}

/// What stores are like: snapshots without a layer and so on, counted by reason.
fn write_left_out(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let mut reasons: BTreeMap<(&str, String), u64> = BTreeMap::new();
    for unverified in report.coverage.unverified.iter().filter(|one| !one.reason.is_failure()) {
        *reasons.entry((kind(&unverified.subject), words::reason(&unverified.reason))).or_default() += 1;
    }
    // Of the store as a whole: what was left out on purpose, with numbers of its own.
    for ((_, reason), _) in reasons.extract_if(.., |(kind, _), _| *kind == "store") {
        writeln!(out, "{}", wrap("Not read: ", &format!("{reason}.")))?;
    }
    for ((kind, reason), number) in reasons {
        writeln!(out, "{}", wrap("Not verifiable: ", &format!("{}: {reason}.", count(number, kind))))?;
    }
    Ok(())
}

/// What should have been looked at and could not.
fn write_gaps(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let gaps: Vec<_> = report.coverage.unverified.iter().filter(|one| one.reason.is_failure()).collect();
    for gap in gaps.iter().take(GAPS_SHOWN) {
        writeln!(out, "Not checked: {}: {}.", words::subject(&gap.subject), words::reason(&gap.reason))?;
    }
    let is_unread =
        |reason: &Reason| matches!(reason, Reason::UnknownSnapshotter { .. } | Reason::GraphDriver { .. });
    if gaps.iter().any(|gap| is_unread(&gap.reason)) {
        writeln!(out, "{}", wrap("", UNREAD))?;
    }
    match gaps.len().checked_sub(GAPS_SHOWN) {
        Some(more @ 1..) => {
            writeln!(out, "Not checked: {} more (--format json lists all).", thousands(more as u64))
        }
        _ => Ok(()),
    }
}

fn kind(subject: &Subject) -> &'static str {
    match subject {
        Subject::Blob { .. } => "blob",
        Subject::Image { .. } => "image",
        Subject::Ingest { .. } => "ingest",
        Subject::Snapshot { .. } => "snapshot",
        Subject::Database { .. } => "database",
        Subject::Record { .. } => "record",
        Subject::Store => "store",
        _ => "path",
    }
}
