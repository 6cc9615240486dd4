//! What a repair came to: the verdict, computed from the findings, the gaps and the outcomes of all looks and actions.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use serde::Serialize;

use super::apply::Outcome;
use super::plan::{Action, ActionKind, RepairPlan};
use super::quarantine::Retained;
use super::rebuild::{Lost, LostKind};
use super::repair_error::RepairError;
use super::room::Room;
use super::toll::Toll;
use crate::check::Checked;
use crate::finding::{Finding, Named, Severity, Subject, Unverified};
use crate::report::Report;
use crate::scan::Mode;

/// What is to be done, with what it was planned by.
#[derive(Debug)]
#[non_exhaustive]
pub struct Planned {
    /// The look that it was planned by.
    pub checked: Checked,
    /// What is to be done, and what is left alone.
    pub plan: RepairPlan,
    /// Whether a containerd holds the store.
    pub mode: Mode,
    /// Whether there is room for it.
    pub room: Room,
    /// What goes with damaged databases.
    pub tolls: Vec<Toll>,
    /// What was looked at; everything when `None`.
    pub(super) only: Option<BTreeSet<Subject>>,
}

impl Planned {
    /// As the result of a repair that did nothing.
    #[must_use]
    pub fn into_repaired(self) -> Repaired {
        self.into_parts().0
    }

    pub(super) fn into_parts(self) -> (Repaired, Checked) {
        let Planned { checked, plan, mode, room, tolls, only } = self;
        let repaired = Repaired {
            root: checked.report.root.clone(),
            mode,
            plan,
            room,
            tolls,
            run: None,
            outcomes: Vec::new(),
            lost_rows: Vec::new(),
            looks: vec![Look { report: checked.report.clone(), only }],
            proof: None,
            retained: Retained::default(),
            trouble: None,
            doubt_error: None,
        };
        (repaired, checked)
    }
}

/// A look at a store.
#[derive(Debug)]
#[non_exhaustive]
pub struct Look {
    /// What it found.
    pub report: Report,
    /// Whose content was read; everything's when `None`.
    pub only: Option<BTreeSet<Subject>>,
}

impl Look {
    /// Whether it would have seen again what keeps `subject` from being looked at.
    fn covers(&self, subject: &Subject) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(subject))
    }
}

/// What a repair came to.
#[derive(Debug)]
#[non_exhaustive]
pub struct Repaired {
    /// The root, as it was named.
    pub root: PathBuf,
    /// Whether a containerd held the store.
    pub mode: Mode,
    /// What was to be done. Where databases were made anew, also what was planned by what they said then.
    pub plan: RepairPlan,
    /// Whether there was room for it.
    pub room: Room,
    /// What was going to go with damaged databases.
    pub tolls: Vec<Toll>,
    /// The run that was made, for an undo; `None` when nothing was changed.
    pub run: Option<String>,
    /// What came of each action, in the plan's order; empty when nothing was done.
    pub outcomes: Vec<Outcome>,
    /// What was lost with damaged databases.
    pub lost_rows: Vec<Lost>,
    /// The looks before something was done: one, and another once databases were made anew.
    pub looks: Vec<Look>,
    /// The look at what was touched, afterwards.
    pub proof: Option<Look>,
    /// The former runs that were deleted before it, for their age or their size.
    pub retained: Retained,
    /// What stopped it before its end.
    pub trouble: Option<RepairError>,
    /// Why the next sweep begins anew although all that was at risk was looked at.
    pub doubt_error: Option<io::Error>,
}

/// What a repair came to, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RepairOutcome {
    /// Nothing is wrong.
    Clean,
    /// There is something to do.
    Planned,
    /// All that was wrong is put right, and nothing is lost.
    Corrected,
    /// What was wrong is out of the way; something must be pulled again, or is lost.
    Healed,
    /// Something is left.
    Left,
}

/// An image that has to be pulled again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Pull {
    /// Its name.
    #[serde(flatten)]
    pub image: Named,
    /// Whether a registry is known to have it.
    pub is_pullable: bool,
}

impl Repaired {
    /// What was found before anything was done.
    #[must_use]
    pub fn before(&self) -> Option<&Report> {
        self.looks.first().map(|look| &look.report)
    }

    /// Whether the plan was carried out, or its carrying out begun.
    #[must_use]
    pub fn is_applied(&self) -> bool {
        self.run.is_some() || !self.outcomes.is_empty()
    }

    /// All that was found before something was done about it.
    pub fn found(&self) -> impl Iterator<Item = &Finding> {
        self.looks.iter().flat_map(|look| &look.report.findings)
    }

    /// Each action, with what came of it.
    pub fn actions(&self) -> impl Iterator<Item = (&Action, Option<&Outcome>)> {
        let outcomes = self.outcomes.iter().map(Some).chain(std::iter::repeat(None));
        self.plan.actions.iter().zip(outcomes)
    }

    /// Damage that is still there, of what was touched.
    pub fn left(&self) -> impl Iterator<Item = &Finding> {
        let proof = self.proof.iter().flat_map(|look| &look.report.findings);
        proof.filter(|finding| finding.severity() >= Severity::Error)
    }

    /// Damage that nothing is done about.
    #[must_use]
    pub fn refused_damage(&self) -> usize {
        self.plan.refusals.iter().filter(|refusal| refusal.code.severity() >= Severity::Error).count()
    }

    /// What could not be looked at: nobody knows whether that is well. What one look could not read is a gap until a later
    /// one reads the same.
    #[must_use]
    pub fn gaps(&self) -> Vec<&Unverified> {
        let mut gaps: Vec<&Unverified> = Vec::new();
        for look in self.looks.iter().chain(&self.proof) {
            gaps.retain(|gap| !look.covers(&gap.subject));
            for gap in look.report.coverage.gaps() {
                if !gaps.contains(&gap) {
                    gaps.push(gap);
                }
            }
        }
        gaps
    }

    /// The actions that were done, or, of a plan, will be.
    fn effective(&self) -> impl Iterator<Item = &Action> {
        let is_applied = self.is_applied();
        let counts = move |outcome: Option<&Outcome>| match outcome {
            Some(outcome) => outcome.is_ok(),
            None => !is_applied,
        };
        self.actions().filter(move |(_, outcome)| counts(*outcome)).map(|(action, _)| action)
    }

    /// What has to be pulled again.
    #[must_use]
    pub fn pulls(&self) -> Vec<Pull> {
        let mut pulls: BTreeMap<Named, bool> = BTreeMap::new();
        for action in self.effective() {
            for image in &action.pull {
                let is_pullable = !action.unpullable.contains(image);
                pulls.entry(image.clone()).and_modify(|known| *known &= is_pullable).or_insert(is_pullable);
            }
        }
        let named = |lost: &Lost| match (lost.what, lost.key.split_once(' ')) {
            (LostKind::Image, Some((namespace, name))) => {
                Some(Named { namespace: namespace.into(), name: name.into() })
            }
            _ => None,
        };
        for image in self.lost_rows.iter().filter_map(named) {
            pulls.entry(image).or_insert(true);
        }
        pulls.into_iter().map(|(image, is_pullable)| Pull { image, is_pullable }).collect()
    }

    /// What is lost; of a plan, what is known to go.
    #[must_use]
    pub fn lost(&self) -> Vec<Lost> {
        let sandboxes = self.effective().filter_map(|action| match &action.kind {
            ActionKind::ForgetSandbox { namespace, sandbox } => {
                Some(Lost { what: LostKind::Sandbox, key: format!("{namespace} {sandbox}") })
            }
            _ => None,
        });
        self.lost_rows.iter().cloned().chain(sandboxes).collect()
    }

    /// The verdict. Whether all could be looked at is [`Repaired::gaps`]' to say, beside it.
    #[must_use]
    pub fn outcome(&self) -> RepairOutcome {
        if !self.is_applied() {
            return match (self.plan.actions.is_empty(), self.refused_damage()) {
                (true, 0) => RepairOutcome::Clean,
                (true, _) => RepairOutcome::Left,
                (false, _) => RepairOutcome::Planned,
            };
        }
        let all_done =
            self.outcomes.len() == self.plan.actions.len() && self.outcomes.iter().all(Result::is_ok);
        let is_proved = self.trouble.is_none() && self.proof.is_some() && self.left().next().is_none();
        if !all_done || !is_proved || self.refused_damage() > 0 {
            RepairOutcome::Left
        } else if self.pulls().is_empty() && self.lost().is_empty() {
            RepairOutcome::Corrected
        } else {
            RepairOutcome::Healed
        }
    }
}
