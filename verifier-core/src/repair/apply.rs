//! Carries out a plan, action by action: one that fails stops itself alone.

use std::io;
use std::path::{Path, PathBuf};

use super::plan::{Action, ActionKind, RepairPlan};
use super::source::Source;
use crate::Interrupt;
use crate::check::Checked;
use crate::content::BlobFile;
use crate::event::{Event, Observer, Phase};
use crate::finding::Subject;
use crate::layout::{self, META_DB};
use crate::repair::act::folder;
use crate::repair::act::replace::replace;
use crate::repair::act::restore::{RestoreError, RestoreOptions, restore};
use crate::repair::quarantine::run::Run;
use crate::repair::rows::contract::Rows;

pub use super::error::ApplyError;

/// What came of an action.
pub type Outcome = Result<(), ApplyError>;

/// All that actions are carried out with.
#[derive(Clone, Copy)]
pub(super) struct Steps<'a> {
    /// The look that the plan was made from.
    pub(super) checked: &'a Checked,
    pub(super) sources: &'a [Source],
    /// One for all: what is read of a layer for one snapshot need not be read for the next.
    pub(super) restoring: &'a RestoreOptions,
    pub(super) observer: &'a dyn Observer,
    pub(super) interrupt: &'a Interrupt,
}

impl Steps<'_> {
    /// Does what `plan` says as a part of `run`; what came of each action, in the plan's order.
    pub(super) fn apply(self, run: &mut Run<'_>, plan: &RepairPlan, rows: &mut dyn Rows) -> Vec<Outcome> {
        let actions: Vec<(usize, &Action)> = plan.actions.iter().enumerate().collect();
        self.observer.event(Event::Began { phase: Phase::Repair, bytes_total: 0 });
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(actions.len());
        let both_are_rows =
            |a: &(usize, &Action), b: &(usize, &Action)| a.1.kind.is_of_rows() && b.1.kind.is_of_rows();
        for batch in actions.chunk_by(both_are_rows) {
            for (at, action) in batch {
                self.began(*at, actions.len(), action);
            }
            let done = match batch {
                [(_, one)] if !one.kind.is_of_rows() => vec![self.one(run, one)],
                rows_alone => change(rows, run, rows_alone, self.interrupt),
            };
            for (outcome, (at, action)) in done.into_iter().zip(batch) {
                let outcome = self.locate(outcome, action);
                // Of a blob that is in its place containerd has yet to learn.
                if outcome.is_err() || !matches!(action.kind, ActionKind::Replace { .. }) {
                    self.ended(*at, &outcome);
                }
                outcomes.push(outcome);
            }
        }
        self.announce(run, &actions, rows, &mut outcomes);
        outcomes
    }

    /// containerd learns of the blobs that were replaced. Only now: what else an image needs is in its place.
    fn announce(
        self,
        run: &mut Run<'_>,
        actions: &[(usize, &Action)],
        rows: &mut dyn Rows,
        outcomes: &mut [Outcome],
    ) {
        let is_replaced = |(at, action): &&(usize, &Action)| {
            matches!(action.kind, ActionKind::Replace { .. }) && matches!(outcomes.get(*at), Some(Ok(())))
        };
        let replaced: Vec<(usize, &Action)> = actions.iter().filter(is_replaced).copied().collect();
        if replaced.is_empty() {
            return;
        }
        for (outcome, (at, action)) in change(rows, run, &replaced, self.interrupt).into_iter().zip(&replaced)
        {
            if let Some(before) = outcomes.get_mut(*at) {
                *before = self.locate(outcome, action);
                self.ended(*at, before);
            }
        }
    }

    fn began(self, at: usize, of: usize, action: &Action) {
        let subject = action.because.first().map_or(Subject::Store, |because| because.subject.clone());
        self.observer.event(Event::ActionBegan { at, of, verb: action.kind.verb().as_str(), subject });
    }

    fn ended(self, at: usize, outcome: &Outcome) {
        let error = outcome.as_ref().err().map(ToString::to_string);
        self.observer.event(Event::ActionEnded { at, error });
    }

    /// An action on files.
    fn one(self, run: &mut Run<'_>, action: &Action) -> Outcome {
        if self.interrupt.is_raised() {
            return Err(ApplyError::Interrupted);
        }
        note(run, action)?;
        match &action.kind {
            ActionKind::TakeOut { path } => {
                run.take_all(&[PathBuf::clone(path)])?;
                Ok(())
            }
            ActionKind::MakeFolder { path } => Ok(folder::make(run, path)?),
            ActionKind::Replace { digest, source } => {
                let found = self.sources.iter().find(|one| one.name() == *source);
                let found = found.ok_or_else(|| ApplyError::NoSource(source.clone()))?;
                Ok(replace(run, found, digest)?)
            }
            ActionKind::Restore { snapshotter, backend_key, .. } => {
                let task = self
                    .checked
                    .plan
                    .snapshots
                    .iter()
                    .find(|task| task.snapshotter == *snapshotter && task.backend_key == *backend_key)
                    .ok_or(RestoreError::NoLayer)?;
                let rootless = run.disk().root().stat("")?.uid != 0;
                let options = self.restoring.clone().rootless(rootless);
                restore(run, task, &options, self.interrupt, self.observer)?;
                Ok(())
            }
            _ => Err(ApplyError::MustBeStopped),
        }
    }

    /// An error that names no path of its own gets the one that the action is about.
    fn locate(self, outcome: Outcome, action: &Action) -> Outcome {
        outcome.map_err(|error| error.at(self.checked.report.root.join(path_of(&action.kind))))
    }
}

/// Notes in the journal which action the next steps belong to.
pub(super) fn note(run: &mut Run<'_>, action: &Action) -> io::Result<()> {
    run.begin_action(&serde_json::to_string(&action.kind).map_err(io::Error::other)?)
}

/// One outcome for each action, whatever `rows` answers: an answer that is missing is no success.
fn change(
    rows: &mut dyn Rows,
    run: &mut Run<'_>,
    batch: &[(usize, &Action)],
    interrupt: &Interrupt,
) -> Vec<Outcome> {
    let actions: Vec<&Action> = batch.iter().map(|(_, action)| *action).collect();
    let mut outcomes = rows.change(run, &actions, interrupt);
    outcomes.truncate(actions.len());
    outcomes.resize_with(actions.len(), || Err(ApplyError::Together));
    outcomes
}

/// What an action is about, below the root.
fn path_of(kind: &ActionKind) -> PathBuf {
    match kind {
        ActionKind::Rebuild { database }
        | ActionKind::SetSequence { database, .. }
        | ActionKind::IndexParents { database }
        | ActionKind::DropValue { database, .. } => database.clone(),
        ActionKind::SetBlobSize { .. }
        | ActionKind::ForgetSandbox { .. }
        | ActionKind::ForgetImage { .. } => META_DB.into(),
        ActionKind::TakeOut { path } | ActionKind::MakeFolder { path } => path.clone(),
        ActionKind::Replace { digest, .. } | ActionKind::EvictBlob { digest, .. } => BlobFile::path(digest),
        ActionKind::Restore { snapshotter, .. } => layout::snapshotter(snapshotter),
        ActionKind::EvictSnapshots { snapshots, .. } => snapshots
            .first()
            .map_or_else(|| Path::new("").into(), |name| layout::snapshotter(&name.snapshotter)),
    }
}
