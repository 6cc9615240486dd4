//! A repair's plan and what came of it, for people and for scripts.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use verifier_core::finding::Unverified;
use verifier_core::finding::{Finding, Severity};
use verifier_core::repair::plan::{Action, Refusal};
use verifier_core::repair::rebuild::Lost;
use verifier_core::repair::{Pull, RepairOutcome, Repaired, Toll};
use verifier_core::report::Report;
use verifier_core::scan::Mode;

use super::{Paint, Style, count_of, escape_path, size, wrap};
use crate::words;

/// Reasons, images and the like that are shown of one action.
const SHOWN: usize = 5;

/// A repair, and what was asked for it.
pub(crate) struct Asked<'a> {
    pub(crate) repaired: &'a Repaired,
    /// containerd's socket.
    pub(crate) address: &'a Path,
}

/// Writes the plan, and, where it was carried out, what came of it.
pub(crate) fn write_human(out: &mut dyn Write, asked: &Asked<'_>, style: Style) -> io::Result<()> {
    let repaired = asked.repaired;
    let header = format!("{}: containerd {}", escape_path(&repaired.root), words::mode(repaired.mode));
    writeln!(out, "{}", style.paint(Paint::Strong, header))?;
    if repaired.before().is_some_and(Report::must_not_start) {
        let alarm = "DO NOT START CONTAINERD before this is repaired: it would destroy what is still there.";
        writeln!(out, "{}", style.paint(Paint::Critical, alarm))?;
    }
    if let Some(selection) = repaired.before().and_then(|report| report.at_risk.as_ref()) {
        writeln!(out, "{}", wrap("At risk: ", &words::at_risk(selection)))?;
    }
    for (at, (action, outcome)) in repaired.actions().enumerate() {
        write_action(out, at, action, repaired, style)?;
        match outcome {
            Some(Ok(())) => writeln!(out, "     {}", style.paint(Paint::Good, "done"))?,
            Some(Err(error)) => {
                let text = format!("NOT DONE: {}", words::failure(error, &repaired.room));
                writeln!(out, "{}", style.paint(Paint::Error, wrap("     ", &text)))?;
            }
            None => {}
        }
    }
    write_refusals(out, &repaired.plan.refusals, style)?;
    write_gaps(out, &repaired.gaps())?;
    write_tolls(out, repaired, style)?;
    write_pulls(out, asked, style)?;
    write_end(out, repaired, style)
}

fn write_action(
    out: &mut dyn Write,
    at: usize,
    action: &Action,
    repaired: &Repaired,
    style: Style,
) -> io::Result<()> {
    let number = format!("{:>3}. ", at + 1);
    let verb = style.paint(Paint::Strong, action.kind.verb().as_str());
    writeln!(out, "\n{number}{verb}")?;
    writeln!(out, "{}", wrap("     ", &words::action(&action.kind)))?;
    for because in action.because.iter().take(SHOWN) {
        let is_it = |finding: &&Finding| finding.code() == because.code && finding.subject == because.subject;
        let why = repaired.found().find(is_it).map(words::fault).unwrap_or_default();
        let text = format!("because of {}: {why}", because.code);
        writeln!(out, "{}", wrap("     ", &text))?;
    }
    if let Some(more) = action.because.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        writeln!(out, "     and {}", count_of(more, "more reason"))?;
    }
    for (what, names) in [("images", &action.blast.images), ("containers", &action.blast.containers)] {
        let shown: Vec<String> = names.iter().take(SHOWN).map(words::named).collect();
        if !shown.is_empty() {
            let more = if names.len() > SHOWN { ", …" } else { "" };
            writeln!(out, "{}", wrap(&format!("     {what}: "), &format!("{}{more}", shown.join(", "))))?;
        }
    }
    let costs = [("writes at most", action.write_bytes), ("pull needed:", action.pull_bytes)];
    for (what, bytes) in costs.into_iter().filter(|(_, bytes)| *bytes > 0) {
        writeln!(out, "     {what} {}", size(bytes))?;
    }
    Ok(())
}

/// What is lost, or will be.
fn write_tolls(out: &mut dyn Write, repaired: &Repaired, style: Style) -> io::Result<()> {
    let (tolls, lost) = (&repaired.tolls, repaired.lost());
    let is_ahead = !repaired.is_applied();
    if is_ahead && (!tolls.is_empty() || !lost.is_empty()) {
        writeln!(out, "\n{}", style.paint(Paint::Warning, "Will be lost"))?;
        for toll in tolls {
            writeln!(out, "{}", wrap("     ", &words::toll(toll)))?;
        }
    } else if !lost.is_empty() {
        writeln!(out, "\n{}", style.paint(Paint::Strong, "Lost with the damage"))?;
    }
    for one in &lost {
        writeln!(out, "{}", wrap("     ", &words::lost(one)))?;
    }
    Ok(())
}

/// The commands that bring back what was taken out: each a line of its own, to be copied.
fn write_pulls(out: &mut dyn Write, asked: &Asked<'_>, style: Style) -> io::Result<()> {
    let pulls = asked.repaired.pulls();
    if pulls.is_empty() {
        return Ok(());
    }
    let when = if asked.repaired.is_applied() { "Pull again" } else { "To be pulled again afterwards" };
    writeln!(out, "\n{}", style.paint(Paint::Strong, when))?;
    for pull in &pulls {
        writeln!(out, "     {}", words::pull(pull, asked.address))?;
    }
    Ok(())
}

fn write_refusals(out: &mut dyn Write, refusals: &[Refusal], style: Style) -> io::Result<()> {
    let told: Vec<&Refusal> =
        refusals.iter().filter(|refusal| refusal.code.severity() > Severity::Info).collect();
    if told.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", style.paint(Paint::Strong, "Left alone"))?;
    for refusal in told {
        writeln!(out, "{}", wrap("     ", &words::refusal(refusal)))?;
    }
    Ok(())
}

fn write_gaps(out: &mut dyn Write, gaps: &[&Unverified]) -> io::Result<()> {
    if !gaps.is_empty() {
        writeln!(out)?;
    }
    for gap in gaps.iter().take(SHOWN) {
        let text = format!("{}: {}", words::subject(&gap.subject), words::reason(&gap.reason));
        writeln!(out, "{}", wrap("Not checked: ", &text))?;
    }
    if let Some(more) = gaps.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        writeln!(out, "Not checked: {more} more ('check' lists them).")?;
    }
    Ok(())
}

fn write_end(out: &mut dyn Write, repaired: &Repaired, style: Style) -> io::Result<()> {
    writeln!(out)?;
    for finding in repaired.left() {
        writeln!(out, "{}", wrap("  still wrong: ", &words::message(finding)))?;
    }
    if let Some(error) = &repaired.trouble {
        let text = format!("NOT DONE: {}", words::trouble(error));
        writeln!(out, "{}", style.paint(Paint::Error, wrap("", &text)))?;
    }
    let is_complete = repaired.gaps().is_empty();
    let but = if is_complete { "" } else { " Not everything could be checked." };
    let (paint, text) = match repaired.outcome() {
        RepairOutcome::Clean if !is_complete => (
            Paint::Warning,
            "INCOMPLETE: no repairs needed so far, but some items could not be checked.".to_owned(),
        ),
        RepairOutcome::Clean => (Paint::Good, "CLEAN: there is nothing to do.".to_owned()),
        RepairOutcome::Planned => (Paint::Warning, planned(repaired)),
        RepairOutcome::Corrected if !is_complete => {
            let text = "CORRECTED: all that was found is put right, but not everything could be checked.";
            (Paint::Warning, text.to_owned())
        }
        RepairOutcome::Corrected => (Paint::Good, "CORRECTED: all that was wrong is put right.".to_owned()),
        RepairOutcome::Healed => {
            let text = format!("HEALED, BUT {}.{but}", words::healed(repaired).to_uppercase());
            (Paint::Warning, text)
        }
        _ => (Paint::Error, format!("DAMAGE IS LEFT.{but}")),
    };
    writeln!(out, "{}", style.paint(paint, text))?;
    if let Some(run) = &repaired.run {
        writeln!(out, "What was taken out is kept; 'containerd-fsck repair --undo {run}' puts it back.")?;
    }
    Ok(())
}

fn planned(repaired: &Repaired) -> String {
    let (plan, room) = (&repaired.plan, &repaired.room);
    let count = count_of(plan.actions.len(), "action");
    let short = if room.is_read_only {
        " The file system is read-only."
    } else if room.is_short() {
        " There may be too little room: 'containerd-fsck repair --purge all' frees what former runs kept."
    } else {
        ""
    };
    let (needs, pull) = (words::needs(room), size(plan.pull_bytes()));
    format!(
        "PLAN: {count}; {needs}; to be pulled afterwards: {pull}.{short} Nothing was changed; --yes does it."
    )
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    root: String,
    mode: Mode,
    outcome: RepairOutcome,
    complete: bool,
    actions: Vec<Item<'a>>,
    refusals: &'a [Refusal],
    write_bytes: u64,
    needed_bytes: u64,
    free_bytes: Option<u64>,
    read_only: bool,
    pull_bytes: u64,
    pull: Vec<PullItem>,
    run: Option<&'a str>,
    tolls: &'a [Toll],
    lost: Vec<Lost>,
    left: Vec<String>,
    gaps: Vec<&'a Unverified>,
    trouble: Option<String>,
}

#[derive(Serialize)]
struct Item<'a> {
    verb: &'static str,
    message: String,
    #[serde(flatten)]
    action: &'a Action,
    /// `null` when the plan was only to be shown.
    done: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct PullItem {
    #[serde(flatten)]
    pull: Pull,
    command: String,
}

/// Writes one JSON document, described by `schema/repair-1.json`, and a line break.
pub(crate) fn write_json(out: &mut dyn Write, asked: &Asked<'_>) -> io::Result<()> {
    let Asked { repaired, address } = asked;
    let actions = repaired.actions().map(|(action, outcome)| Item {
        verb: action.kind.verb().as_str(),
        message: words::action(&action.kind),
        action,
        done: outcome.map(Result::is_ok),
        error: outcome
            .and_then(|outcome| outcome.as_ref().err())
            .map(|error| words::failure(error, &repaired.room)),
    });
    let pulls = repaired.pulls().into_iter();
    let document = Document {
        schema: 1,
        root: repaired.root.to_string_lossy().into_owned(),
        mode: repaired.mode,
        outcome: repaired.outcome(),
        complete: repaired.gaps().is_empty(),
        actions: actions.collect(),
        refusals: &repaired.plan.refusals,
        write_bytes: repaired.plan.write_bytes(),
        needed_bytes: repaired.room.needed_bytes,
        free_bytes: repaired.room.free_bytes,
        read_only: repaired.room.is_read_only,
        pull_bytes: repaired.plan.pull_bytes(),
        pull: pulls.map(|pull| PullItem { command: words::pull(&pull, address), pull }).collect(),
        run: repaired.run.as_deref(),
        tolls: &repaired.tolls,
        lost: repaired.lost(),
        left: repaired.left().map(words::message).collect(),
        gaps: repaired.gaps(),
        trouble: repaired.trouble.as_ref().map(words::trouble),
    };
    super::write_json(out, &document)
}
