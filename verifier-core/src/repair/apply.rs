//! Carries out a plan, action by action: one that fails stops itself alone.

use std::io;
use std::path::{Path, PathBuf};

use super::plan::{Action, ActionKind, RepairPlan, SnapshotName};
use super::source::Source;
use crate::Interrupt;
use crate::check::Checked;
use crate::digest::Digest;
use crate::event::Unobserved;
use crate::io::ReadAt;
use crate::repair::act::correct;
use crate::repair::act::evict;
use crate::repair::act::evict::EvictError;
use crate::repair::act::folder;
use crate::repair::act::rebuild::{Found, RebuildError, Rebuilt, rebuild};
use crate::repair::act::replace::{ReplaceError, replace};
use crate::repair::act::restore::{RestoreError, RestoreOptions, restore};
use crate::repair::quarantine::disk::Disk;
use crate::repair::quarantine::run::Run;
use crate::repair::rows::locked::LockedStore;

/// What came of a plan.
#[derive(Debug)]
#[non_exhaustive]
pub struct Applied {
    /// The run that was made; `None` when there was nothing to do.
    pub run: Option<String>,
    /// What came of each action, in the plan's order.
    pub outcomes: Vec<Result<(), ApplyError>>,
}

impl Applied {
    /// Whether every action was carried out.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.outcomes.iter().all(Result::is_ok)
    }
}

/// Why an action was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// A blob could not be replaced.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    /// A snapshot could not be restored.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// Something could not be taken out.
    #[error(transparent)]
    Evict(#[from] EvictError),
    /// A database could not be rebuilt.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// containerd's API refused, or could not be reached.
    #[cfg(feature = "live")]
    #[error(transparent)]
    Api(#[from] crate::live::LiveError),
    /// It is in use, or not what it should be: what and why.
    #[error("{0}")]
    Live(String),
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The source that the plan names was not given.
    #[error("no such source: {0}")]
    NoSource(String),
    /// Not done while containerd holds the store.
    #[error("containerd must be stopped for it")]
    MustBeStopped,
    /// The run was asked to stop before.
    #[error("stopped before it")]
    Interrupted,
}

/// Changes what containerd's metadata says. There are two ways: the databases themselves, locked; and containerd's API. What a
/// way cannot do is refused.
#[expect(unused_variables, reason = "a refusal looks at nothing; the names are for those who implement it")]
pub trait Rows {
    /// Takes out a blob's records in all namespaces, and its file.
    ///
    /// # Errors
    /// [`ApplyError`]
    fn evict_blob(&mut self, run: &mut Run<'_>, digest: &Digest) -> Result<(), ApplyError> {
        Err(ApplyError::MustBeStopped)
    }

    /// Takes out snapshots, the topmost first; `blobs` are what they will be unpacked from.
    ///
    /// # Errors
    /// [`ApplyError`]
    fn evict_snapshots(
        &mut self,
        run: &mut Run<'_>,
        snapshots: &[SnapshotName],
        blobs: &[Digest],
    ) -> Result<(), ApplyError> {
        Err(ApplyError::MustBeStopped)
    }

    /// Takes out the name of an image and keeps what it led to.
    ///
    /// # Errors
    /// [`ApplyError`]
    fn forget_image(&mut self, run: &mut Run<'_>, namespace: &str, name: &str) -> Result<(), ApplyError> {
        Err(ApplyError::MustBeStopped)
    }

    /// Puts a row right.
    ///
    /// # Errors
    /// [`ApplyError`]
    fn correct(&mut self, run: &mut Run<'_>, kind: &ActionKind) -> Result<(), ApplyError> {
        Err(ApplyError::MustBeStopped)
    }

    /// Makes a damaged database anew.
    ///
    /// # Errors
    /// [`ApplyError`]
    fn rebuild(&mut self, run: &mut Run<'_>, database: &Path) -> Result<(), ApplyError> {
        Err(ApplyError::MustBeStopped)
    }

    /// All actions are done.
    ///
    /// # Errors
    /// [`ApplyError`]
    fn finish(&mut self, run: &mut Run<'_>) -> Result<(), ApplyError> {
        Ok(())
    }
}

/// The databases of a stopped store.
#[derive(Debug)]
pub struct LockedRows<'a> {
    locked: &'a LockedStore<'a>,
    checked: &'a Checked,
    backup: Option<Vec<u8>>,
    /// What is on disk, verified: read when the first database is rebuilt.
    found: Option<Found>,
    rebuilt: Vec<Rebuilt>,
}

impl<'a> LockedRows<'a> {
    /// The databases of `locked`, as `checked` found them.
    #[must_use]
    pub fn new(locked: &'a LockedStore<'a>, checked: &'a Checked) -> Self {
        LockedRows { locked, checked, backup: None, found: None, rebuilt: Vec::new() }
    }

    /// With a consistent copy of meta.db from an earlier time, for when nothing is left of it.
    #[must_use]
    pub fn backup(mut self, backup: Option<Vec<u8>>) -> Self {
        self.backup = backup;
        self
    }

    /// The databases that were rebuilt, and what is lost with each. Their locks are for [`LockedStore::adopt`].
    #[must_use]
    pub fn into_rebuilt(self) -> Vec<Rebuilt> {
        self.rebuilt
    }
}

impl Rows for LockedRows<'_> {
    fn evict_blob(&mut self, run: &mut Run<'_>, digest: &Digest) -> Result<(), ApplyError> {
        Ok(evict::evict_blob(run, self.locked, &self.checked.inventory, digest)?)
    }

    fn evict_snapshots(
        &mut self,
        run: &mut Run<'_>,
        snapshots: &[SnapshotName],
        blobs: &[Digest],
    ) -> Result<(), ApplyError> {
        Ok(evict::evict_snapshots(run, self.locked, &self.checked.inventory, snapshots, blobs)?)
    }

    fn forget_image(&mut self, run: &mut Run<'_>, namespace: &str, name: &str) -> Result<(), ApplyError> {
        Ok(evict::forget_image(run, self.locked, &self.checked.inventory, namespace, name)?)
    }

    fn correct(&mut self, run: &mut Run<'_>, kind: &ActionKind) -> Result<(), ApplyError> {
        let correction = correct::edits(&self.checked.inventory, kind);
        let (database, edits) = correction.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(run.rows(self.locked, &database, &edits).map_err(EvictError::from)?)
    }

    fn rebuild(&mut self, run: &mut Run<'_>, database: &Path) -> Result<(), ApplyError> {
        let inventory = &self.checked.inventory;
        let read = || Found::read(run.disk().root(), inventory, 0, &Unobserved, &Interrupt::default());
        let found = self.found.get_or_insert_with(read);
        let backup = self.backup.as_ref().map(|bytes| bytes as &dyn ReadAt);
        self.rebuilt.push(rebuild(run, self.locked, inventory, found, database, backup)?);
        Ok(())
    }
}

/// Changes no metadata: for plans that need none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRows;

impl Rows for NoRows {}

/// Told before each action, and what came of it.
pub trait Progress {
    /// The action at `at` of the plan begins.
    fn began(&mut self, at: usize, action: &Action);
    /// It ended.
    fn ended(&mut self, at: usize, action: &Action, outcome: &Result<(), ApplyError>);
}

/// Does what `plan` says, in a run of its own.
///
/// # Errors
/// The run itself could not be begun or ended: the medium is full, or read-only.
pub fn apply(
    plan: &RepairPlan,
    checked: &Checked,
    disk: Disk<'_>,
    rows: &mut dyn Rows,
    sources: &[Source],
    progress: &mut dyn Progress,
    interrupt: &Interrupt,
) -> io::Result<Applied> {
    if plan.actions.is_empty() {
        return Ok(Applied { run: None, outcomes: Vec::new() });
    }
    let mut run = Run::begin(disk)?;
    let outcomes = apply_in(&mut run, plan, checked, rows, sources, progress, interrupt);
    finish(run, outcomes)
}

/// Does what `plan` says as a part of `run`; what came of each action, in the plan's order.
pub fn apply_in(
    run: &mut Run<'_>,
    plan: &RepairPlan,
    checked: &Checked,
    rows: &mut dyn Rows,
    sources: &[Source],
    progress: &mut dyn Progress,
    interrupt: &Interrupt,
) -> Vec<Result<(), ApplyError>> {
    let mut outcomes = Vec::with_capacity(plan.actions.len());
    for (at, action) in plan.actions.iter().enumerate() {
        progress.began(at, action);
        let outcome = match interrupt.is_raised() {
            true => Err(ApplyError::Interrupted),
            false => carry_out(&action.kind, checked, run, rows, sources, interrupt),
        };
        progress.ended(at, action, &outcome);
        outcomes.push(outcome);
    }
    if let Err(error) = rows.finish(run) {
        outcomes.push(Err(error));
    }
    outcomes
}

/// Ends a run: all that it did is on the medium.
///
/// # Errors
/// What the system reports.
pub fn finish(run: Run<'_>, outcomes: Vec<Result<(), ApplyError>>) -> io::Result<Applied> {
    let applied = Applied { run: Some(run.id().to_owned()), outcomes };
    run.end(if applied.is_complete() { "done" } else { "incomplete" })?;
    Ok(applied)
}

fn carry_out(
    kind: &ActionKind,
    checked: &Checked,
    run: &mut Run<'_>,
    rows: &mut dyn Rows,
    sources: &[Source],
    interrupt: &Interrupt,
) -> Result<(), ApplyError> {
    let text = serde_json::to_string(kind).map_err(io::Error::other)?;
    run.begin_action(&text)?;
    match kind {
        ActionKind::Rebuild { database } => rows.rebuild(run, database),
        ActionKind::SetBlobSize { .. }
        | ActionKind::SetSequence { .. }
        | ActionKind::IndexParents { .. }
        | ActionKind::DropValue { .. }
        | ActionKind::ForgetSandbox { .. } => rows.correct(run, kind),
        ActionKind::TakeOut { path } => {
            run.take_all(&[PathBuf::clone(path)])?;
            Ok(())
        }
        ActionKind::MakeFolder { path } => Ok(folder::make(run, path)?),
        ActionKind::Replace { digest, source } => {
            let found = sources.iter().find(|one| one.name() == *source);
            let found = found.ok_or_else(|| ApplyError::NoSource(source.clone()))?;
            Ok(replace(run, found, digest)?)
        }
        ActionKind::Restore { snapshotter, backend_key, .. } => {
            let tasks = &checked.plan.snapshots;
            let task = tasks
                .iter()
                .find(|task| task.snapshotter == *snapshotter && task.backend_key == *backend_key)
                .ok_or(RestoreError::NoLayer)?;
            let rootless = run.disk().root().stat("")?.uid != 0;
            let options = RestoreOptions::default().rootless(rootless);
            restore(run, task, &options, interrupt, &|_| {})?;
            Ok(())
        }
        ActionKind::EvictSnapshots { snapshots, blobs } => rows.evict_snapshots(run, snapshots, blobs),
        ActionKind::EvictBlob { digest, .. } => rows.evict_blob(run, digest),
        ActionKind::ForgetImage { namespace, name } => rows.forget_image(run, namespace, name),
    }
}
