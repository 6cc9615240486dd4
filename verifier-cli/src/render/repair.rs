//! A repair's plan and what came of it, for people and for scripts.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use verifier_core::finding::Unverified;
use verifier_core::finding::{Finding, Severity};
use verifier_core::repair::apply::Applied;
use verifier_core::repair::plan::{Action, Refusal, RepairPlan};
use verifier_core::repair::rebuild::Lost;
use verifier_core::report::Report;
use verifier_core::scan::Mode;

use super::{Paint, Style, count_of, escape_path, size, wrap};
use crate::words;

/// Reasons, images and the like that are shown of one action.
const SHOWN: usize = 5;

/// All that there is to say of a repair.
pub(crate) struct Repaired<'a> {
    pub(crate) root: &'a Path,
    pub(crate) mode: Mode,
    /// What was found before anything was done.
    pub(crate) before: &'a Report,
    pub(crate) plan: &'a RepairPlan,
    /// `None` when the plan was only to be shown.
    pub(crate) done: Option<&'a Done>,
}

/// What was done.
pub(crate) struct Done {
    pub(crate) applied: Applied,
    /// What was lost with damaged databases.
    pub(crate) lost: Vec<Lost>,
    /// What was found once these were made anew.
    pub(crate) between: Option<Report>,
    /// What is found now of what was touched.
    pub(crate) after: Report,
}

impl Repaired<'_> {
    /// Damage that nothing is done about.
    pub(crate) fn refused_damage(&self) -> usize {
        self.plan.refusals.iter().filter(|refusal| refusal.code.severity() >= Severity::Error).count()
    }

    /// All that was found before something was done about it.
    fn found(&self) -> impl Iterator<Item = &Finding> {
        let between = self.done.and_then(|done| done.between.as_ref());
        self.before.findings.iter().chain(between.into_iter().flat_map(|report| &report.findings))
    }

    pub(super) fn lost(&self) -> &[Lost] {
        self.done.map(|done| done.lost.as_slice()).unwrap_or_default()
    }

    /// Damage that is still there, of what was touched.
    pub(super) fn left(&self) -> Vec<&Finding> {
        let after = self.done.map(|done| &done.after.findings);
        let damage = |finding: &&Finding| finding.severity() >= Severity::Error;
        after.into_iter().flatten().filter(damage).collect()
    }

    /// What could not be looked at, in the last look: nobody knows whether that is well.
    pub(crate) fn gaps(&self) -> Vec<&Unverified> {
        let seen = self.done.map_or(self.before, |done| &done.after);
        seen.coverage.unverified.iter().filter(|gap| gap.reason.is_failure()).collect()
    }

    /// What the repair came to.
    pub(crate) fn outcome(&self) -> Outcome {
        match self.done {
            None if self.plan.actions.is_empty() && self.refused_damage() == 0 => Outcome::Clean,
            None if self.plan.actions.is_empty() => Outcome::Left,
            None => Outcome::Planned,
            Some(done) => {
                let all = done.applied.is_complete() && self.left().is_empty() && self.refused_damage() == 0;
                if all { Outcome::Corrected } else { Outcome::Left }
            }
        }
    }
}

/// What a repair came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// Nothing is wrong.
    Clean,
    /// There is something to do.
    Planned,
    /// All that was wrong is put right.
    Corrected,
    /// Something is left.
    Left,
}

/// Writes the plan, and, where it was carried out, what came of it.
pub(crate) fn write_human(out: &mut dyn Write, repaired: &Repaired<'_>, style: Style) -> io::Result<()> {
    let header = format!("{}: containerd {}", escape_path(repaired.root), words::mode(repaired.mode));
    writeln!(out, "{}", style.paint(Paint::Strong, header))?;
    if repaired.before.must_not_start() {
        let alarm = "DO NOT START CONTAINERD before this is repaired: it would destroy what is still there.";
        writeln!(out, "{}", style.paint(Paint::Critical, alarm))?;
    }
    if let Some(selection) = &repaired.before.at_risk {
        writeln!(out, "{}", wrap("At risk: ", &words::at_risk(selection)))?;
    }
    let plan = repaired.plan;
    for (at, action) in plan.actions.iter().enumerate() {
        write_action(out, at, action, repaired, style)?;
        if let Some(done) = repaired.done {
            match done.applied.outcomes.get(at) {
                Some(Ok(())) => writeln!(out, "     {}", style.paint(Paint::Good, "done"))?,
                Some(Err(error)) => {
                    let text = format!("NOT DONE: {}", super::escape(error.to_string()));
                    writeln!(out, "{}", style.paint(Paint::Error, wrap("     ", &text)))?;
                }
                None => {}
            }
        }
    }
    write_lost(out, repaired.lost(), style)?;
    write_refusals(out, &plan.refusals, style)?;
    write_gaps(out, &repaired.gaps())?;
    write_end(out, repaired, style)
}

fn write_action(
    out: &mut dyn Write,
    at: usize,
    action: &Action,
    repaired: &Repaired<'_>,
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

fn write_lost(out: &mut dyn Write, lost: &[Lost], style: Style) -> io::Result<()> {
    if !lost.is_empty() {
        writeln!(out, "\n{}", style.paint(Paint::Strong, "Lost with the damage"))?;
    }
    for one in lost {
        writeln!(out, "{}", wrap("     ", &words::lost(one)))?;
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

fn write_end(out: &mut dyn Write, repaired: &Repaired<'_>, style: Style) -> io::Result<()> {
    writeln!(out)?;
    let plan = repaired.plan;
    for finding in repaired.left() {
        writeln!(out, "{}", wrap("  still wrong: ", &words::message(finding)))?;
    }
    let is_complete = repaired.gaps().is_empty();
    let (paint, text) = match repaired.outcome() {
        Outcome::Clean if !is_complete => (
            Paint::Warning,
            "INCOMPLETE: nothing to do is known, but not everything could be checked.".to_owned(),
        ),
        Outcome::Clean => (Paint::Good, "CLEAN: there is nothing to do.".to_owned()),
        Outcome::Planned => {
            let count = count_of(plan.actions.len(), "action");
            let (write, pull) = (size(plan.write_bytes()), size(plan.pull_bytes()));
            let costs = format!("writes at most {write}; to be pulled afterwards: {pull}");
            (Paint::Warning, format!("PLAN: {count}, {costs}. Nothing was changed; --yes does it."))
        }
        Outcome::Corrected if !is_complete => {
            let text = "CORRECTED: all that was found is put right, but not everything could be checked.";
            (Paint::Warning, text.to_owned())
        }
        Outcome::Corrected => (Paint::Good, "CORRECTED: all that was wrong is put right.".to_owned()),
        Outcome::Left => (Paint::Error, "DAMAGE IS LEFT.".to_owned()),
    };
    writeln!(out, "{}", style.paint(paint, text))?;
    if let Some(run) = repaired.done.and_then(|done| done.applied.run.as_ref()) {
        writeln!(out, "What was taken out is kept; 'containerd-fsck repair --undo {run}' puts it back.")?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    root: String,
    mode: Mode,
    outcome: Outcome,
    actions: Vec<Item<'a>>,
    refusals: &'a [Refusal],
    write_bytes: u64,
    pull_bytes: u64,
    run: Option<&'a str>,
    lost: &'a [Lost],
    left: Vec<String>,
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

/// Writes one JSON document, described by `schema/repair-1.json`, and a line break.
pub(crate) fn write_json(out: &mut dyn Write, repaired: &Repaired<'_>) -> io::Result<()> {
    let outcomes = repaired.done.map(|done| &done.applied.outcomes);
    let actions = repaired.plan.actions.iter().enumerate().map(|(at, action)| {
        let outcome = outcomes.and_then(|outcomes| outcomes.get(at));
        Item {
            verb: action.kind.verb().as_str(),
            message: words::action(&action.kind),
            action,
            done: outcome.map(Result::is_ok),
            error: outcome.and_then(|outcome| outcome.as_ref().err()).map(ToString::to_string),
        }
    });
    let document = Document {
        schema: 1,
        root: repaired.root.to_string_lossy().into_owned(),
        mode: repaired.mode,
        outcome: repaired.outcome(),
        actions: actions.collect(),
        refusals: &repaired.plan.refusals,
        write_bytes: repaired.plan.write_bytes(),
        pull_bytes: repaired.plan.pull_bytes(),
        run: repaired.done.and_then(|done| done.applied.run.as_deref()),
        lost: repaired.lost(),
        left: repaired.left().into_iter().map(words::message).collect(),
    };
    super::write_json(out, &document)
}
