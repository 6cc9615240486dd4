//! What to do about a report: pure, facts in, actions out.
//!
//! Every finding that is damage or waste becomes an [`Action`], the least destructive that heals it, or a [`Refusal`] that
//! says why nothing is done. Actions come in the order in which they are carried out.

mod action;
mod blobs;
mod held;
mod options;
mod refusal;
mod rows;
mod snapshots;
mod waste;

use std::collections::BTreeSet;

use crate::check::Checked;
use crate::finding::{Cure, Finding, Named, Severity, Subject};
use crate::scan::Mode;

pub use action::{Action, ActionKind, Because, SnapshotName, Verb};
pub use options::{Allow, RepairOptions};
pub use refusal::{Refusal, Why};

use super::mounted::Mounted;
use super::source::Available;
use held::Held;

/// What to do, in which order, and what is left alone.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RepairPlan {
    /// What will be done.
    pub actions: Vec<Action>,
    /// What will not, and why.
    pub refusals: Vec<Refusal>,
}

impl RepairPlan {
    /// A plan against all that `checked` found. `available` is what the sources have of the blobs that are damaged, `mounted`
    /// what of the damaged trees is in use.
    #[must_use]
    pub fn new(
        checked: &Checked,
        available: &Available,
        mounted: &Mounted,
        options: &RepairOptions,
    ) -> RepairPlan {
        let planner = Planner {
            checked,
            available,
            mounted,
            options,
            held: Held::new(&checked.inventory),
            mode: options.mode.unwrap_or(checked.report.mode),
        };
        let mut draft = Draft::default();
        for finding in &checked.report.findings {
            match planner.decide(finding, &mut draft) {
                Ok(()) => {}
                Err(_) if finding.severity() == Severity::Info => {}
                Err(why) => draft.refuse(finding, why),
            }
        }
        draft.finish(options)
    }

    /// The part that makes damaged databases anew: what else is to be done is told by what can be read then.
    #[must_use]
    pub fn rebuilds(&self) -> RepairPlan {
        let is_rebuild = |action: &&Action| matches!(action.kind, ActionKind::Rebuild { .. });
        let actions = self.actions.iter().filter(is_rebuild).cloned().collect();
        RepairPlan { actions, refusals: Vec::new() }
    }

    /// Bytes that will be written to the store.
    #[must_use]
    pub fn write_bytes(&self) -> u64 {
        self.actions.iter().map(|action| action.write_bytes).sum()
    }

    /// Bytes that containerd will have to pull.
    #[must_use]
    pub fn pull_bytes(&self) -> u64 {
        self.actions.iter().map(|action| action.pull_bytes).sum()
    }

    /// What the actions are about: what has to be looked at again when they are done.
    #[must_use]
    pub fn subjects(&self) -> BTreeSet<Subject> {
        self.actions
            .iter()
            .flat_map(|action| &action.because)
            .map(|because| because.subject.clone())
            .collect()
    }
}

/// Actions as they come together: several findings may lead to the same one.
#[derive(Debug, Default)]
struct Draft {
    actions: Vec<Action>,
    refusals: Vec<Refusal>,
}

impl Draft {
    fn act(&mut self, finding: &Finding, kind: ActionKind, write_bytes: u64, pull_bytes: u64) {
        let because = Because { code: finding.code(), subject: finding.subject.clone() };
        match self.actions.iter_mut().find(|action| action.kind == kind) {
            Some(action) => action.add(because, &finding.blast),
            None => {
                let blast = finding.blast.clone();
                let (pull, unpullable) = Default::default();
                let because = vec![because];
                self.actions.push(Action { kind, because, blast, write_bytes, pull_bytes, pull, unpullable });
            }
        }
    }

    /// Once `kind` is done, `images` have to be pulled again.
    fn pull(&mut self, kind: &ActionKind, images: impl Iterator<Item = (Named, bool)>) {
        let Some(action) = self.actions.iter_mut().find(|action| action.kind == *kind) else { return };
        for (image, is_pullable) in images {
            if !is_pullable {
                action.unpullable.insert(image.clone());
            }
            action.pull.insert(image);
        }
    }

    fn refuse(&mut self, finding: &Finding, why: Why) {
        let (code, subject) = (finding.code(), finding.subject.clone());
        self.refusals.push(Refusal { code, subject, why });
    }

    fn finish(self, options: &RepairOptions) -> RepairPlan {
        let (mut actions, others): (Vec<_>, Vec<_>) =
            self.actions.into_iter().partition(|action| options.wants(action.kind.verb()));
        actions.sort_by_cached_key(|action| (action.kind.verb(), action.kind.clone()));
        let mut refusals = self.refusals;
        for action in others {
            let verb = action.kind.verb();
            let left = action.because.into_iter();
            refusals.extend(left.map(|Because { code, subject }| Refusal {
                code,
                subject,
                why: Why::NotAsked { verb },
            }));
        }
        RepairPlan { actions, refusals }
    }
}

struct Planner<'a> {
    checked: &'a Checked,
    available: &'a Available,
    mounted: &'a Mounted,
    options: &'a RepairOptions,
    held: Held<'a>,
    mode: Mode,
}

impl Planner<'_> {
    /// An action after which `images` have to be pulled again.
    fn act_and_pull(
        &self,
        finding: &Finding,
        kind: ActionKind,
        pull_bytes: u64,
        images: &BTreeSet<Named>,
        draft: &mut Draft,
    ) {
        draft.act(finding, kind.clone(), 0, pull_bytes);
        draft.pull(&kind, images.iter().map(|image| (image.clone(), self.held.is_pullable(image))));
    }

    /// The cure of the finding says what is tried; what stands in its way is the plan's.
    fn decide(&self, finding: &Finding, draft: &mut Draft) -> Result<(), Why> {
        match finding.kind.cure() {
            Cure::Replace => self.replace_blob(finding, draft),
            Cure::ReplaceOrEvict => self.replace_or_evict_blob(finding, draft),
            Cure::ForgetImages => self.document(finding, draft),
            Cure::RestoreOrEvict => self.tree(finding, draft),
            Cure::EvictSnapshots => self.evict_snapshot(finding, draft),
            Cure::TakeOut => self.waste(finding, draft),
            Cure::MakeFolder => self.folder(finding, draft),
            Cure::Rebuild => self.rebuild(finding, draft),
            Cure::DropValue => self.value(finding, draft),
            Cure::SetBlobSize | Cure::SetSequence | Cure::IndexParents | Cure::ForgetSandbox => {
                self.row(finding, draft)
            }
            Cure::None(why) => Err(why.into()),
        }
    }
}
