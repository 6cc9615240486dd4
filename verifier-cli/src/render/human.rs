//! The report for an operator: grouped by image, worst first, in plain words.

mod group;
mod totals;

use std::collections::BTreeSet;
use std::io::{self, Write};

use verifier_core::finding::{Finding, FindingKind, Severity};
use verifier_core::report::{Outcome, Report};

pub(crate) use self::totals::found;

use self::group::{Class, Group, groups};
use super::{Paint, Style, escape, escape_path, thousands, wrap};
use crate::words;

/// How many findings of one kind are shown for the same images.
const FINDINGS_SHOWN: usize = 10;
/// How many images or containers are named of what is wrong in the same way.
const NAMES_SHOWN: usize = 50;
/// How many paths of one snapshot are shown.
const PATHS_SHOWN: usize = 5;

/// Writes all of `report`; warnings are damage if `strict`.
pub(crate) fn write(out: &mut dyn Write, report: &Report, strict: bool, style: Style) -> io::Result<()> {
    let header = format!(
        "{}: containerd {}, depth {}",
        escape_path(&report.root),
        words::mode(report.mode),
        words::depth(report.depth)
    );
    writeln!(out, "{}", style.paint(Paint::Strong, header))?;
    if let Some(selection) = &report.at_risk {
        writeln!(out, "{}", wrap("At risk: ", &words::at_risk(selection)))?;
    }
    if report.must_not_start() {
        alarm(out, style)?;
    }
    let mut advised = BTreeSet::new();
    for group in &groups(&report.findings) {
        write_heading(out, group, style)?;
        for class in &group.classes {
            write_class(out, class, style)?;
            let advice = if advised.insert(&class.advice) { &class.advice } else { "As above." };
            writeln!(out, "{}", style.paint(Paint::Faint, wrap("    -> ", advice)))?;
        }
    }
    writeln!(out)?;
    if let Some(device) = report.device.as_ref().filter(|_| report.is_medium_failing()) {
        let (source, mount_point) = (escape(&device.source), escape(&device.mount_point));
        let text = format!("Read errors from {source} ({}, mounted on {mount_point}).", device.file_system);
        writeln!(out, "{}", style.paint(Paint::Error, text))?;
    }
    // Of a store that is sound, the host's ways are nobody's concern.
    for advice in report.advice.iter().filter(|one| !report.findings.is_empty() || one.stands_alone()) {
        writeln!(out, "{}", wrap("Host: ", &words::host(advice)))?;
    }
    totals::write(out, report)?;
    write_verdict(out, report, strict, style)
}

/// Writes one line, or nothing when there is nothing to say.
pub(crate) fn write_line(out: &mut dyn Write, report: &Report, strict: bool, style: Style) -> io::Result<()> {
    if report.outcome(strict) == Outcome::Clean {
        return Ok(());
    }
    let paint = if report.must_not_start() { Paint::Critical } else { Paint::Error };
    let alarm = if report.must_not_start() { "; DO NOT START CONTAINERD" } else { "" };
    let (root, outcome) = (escape_path(&report.root), words::outcome(report.outcome(strict)));
    let gaps = match (report.is_damaged(strict), report.is_complete()) {
        (true, false) => " and not checked to the end",
        _ => "",
    };
    let found = totals::found(&report.findings);
    writeln!(out, "{root}: {}", style.paint(paint, format!("{outcome}{gaps}: {found}{alarm}")))
}

/// What must be seen before anything else.
fn alarm(out: &mut dyn Write, style: Style) -> io::Result<()> {
    let lines =
        ["DO NOT START CONTAINERD", "Starting it on this root destroys the data that is still there."];
    writeln!(out)?;
    for line in lines {
        writeln!(out, "{}", style.paint(Paint::Critical, format!("  !!  {line:65}  !!  ")))?;
    }
    Ok(())
}

fn write_heading(out: &mut dyn Write, group: &Group<'_>, style: Style) -> io::Result<()> {
    writeln!(out)?;
    if group.images.is_empty() {
        writeln!(out, "{}", style.paint(Paint::Strong, "In no image"))?;
    }
    for (at, image) in group.images.iter().take(NAMES_SHOWN).enumerate() {
        let word = match (at, group.images.len()) {
            (0, 1) => "Image ",
            (0, _) => "Images",
            _ => "      ",
        };
        writeln!(out, "{}", style.paint(Paint::Strong, format!("{word} {}", words::named(image))))?;
    }
    match group.images.len().checked_sub(NAMES_SHOWN) {
        Some(more @ 1..) => writeln!(out, "       and {} more", thousands(more as u64)),
        _ => Ok(()),
    }
}

/// Writes what is wrong in the same way.
fn write_class(out: &mut dyn Write, class: &Class<'_>, style: Style) -> io::Result<()> {
    let severity = class.code.severity();
    let paint = match severity {
        Severity::Critical => Paint::Critical,
        Severity::Error => Paint::Error,
        Severity::Warning => Paint::Warning,
        Severity::Info => Paint::Faint,
    };
    let word = words::severity(severity).to_uppercase();
    writeln!(out, "  {} {}", style.paint(paint, word), style.paint(Paint::Strong, class.code))?;
    for finding in class.findings.iter().take(FINDINGS_SHOWN) {
        writeln!(out, "    {}", finding.heading())?;
        writeln!(out, "{}", wrap("      ", &words::fault(finding)))?;
        write_paths(out, finding)?;
    }
    if let Some(more) = class.findings.len().checked_sub(FINDINGS_SHOWN).filter(|more| *more > 0) {
        writeln!(out, "    and {} more of these (--format json lists all)", thousands(more as u64))?;
    }
    write_names(out, "containers", &class.containers, class.containers_left_out)?;
    if class.findings.iter().all(|finding| finding.blast.images.is_empty()) {
        write_names(out, "namespaces", &class.namespaces, 0)?;
    }
    Ok(())
}

fn write_paths(out: &mut dyn Write, finding: &Finding) -> io::Result<()> {
    let damage = match &finding.kind {
        FindingKind::SnapshotDiffers(damage) => damage,
        FindingKind::SnapshotParentsBare(bare) => &bare.0,
        _ => return Ok(()),
    };
    let (paths, beyond) = words::differences(damage, PATHS_SHOWN);
    for path in paths {
        writeln!(out, "        {path}")?;
    }
    if beyond > 0 {
        let listed = damage.differences.len();
        let all = if damage.left_out == 0 {
            "lists them".into()
        } else {
            format!("lists {}", thousands(listed as u64))
        };
        writeln!(out, "        and {} more (--format json {all})", thousands(beyond))?;
    }
    Ok(())
}

fn write_names(out: &mut dyn Write, what: &str, names: &[String], left_out: u64) -> io::Result<()> {
    let (shown, others) = names.split_at(names.len().min(NAMES_SHOWN));
    if shown.is_empty() {
        return Ok(());
    }
    let more = match others.len() as u64 + left_out {
        0 => String::new(),
        // Not all of each finding are named, so that more of them may be the same.
        more if left_out > 0 => format!(" and at least {} more", thousands(more)),
        more => format!(" and {} more", thousands(more)),
    };
    writeln!(out, "{}{more}", wrap(&format!("    {what}: "), &shown.join(", ")))
}

fn write_verdict(out: &mut dyn Write, report: &Report, strict: bool, style: Style) -> io::Result<()> {
    let (paint, text) = match (report.outcome(strict), report.is_complete()) {
        (Outcome::Clean, _) if report.findings.is_empty() => (Paint::Good, "CLEAN: nothing is wrong."),
        (Outcome::Clean, _) => (Paint::Good, "CLEAN: no damage (warnings count with --strict only)."),
        (Outcome::Damaged, true) => (Paint::Error, "DAMAGED."),
        (Outcome::Damaged, false) => (Paint::Error, "DAMAGED, and not everything could be checked."),
        (Outcome::Incomplete, _) => (Paint::Warning, "INCOMPLETE: not everything could be checked."),
    };
    writeln!(out, "{}", style.paint(paint, text))
}

#[cfg(test)]
mod tests;
