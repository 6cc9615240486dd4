//! `repair`: check, plan, show, apply, prove.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use verifier_core::Interrupt;
use verifier_core::finding::Subject;
use verifier_core::live::Live;
use verifier_core::repair::apply::{
    Applied, ApplyError, LockedRows, NoRows, Progress as Steps, Rows, apply_in, finish,
};
use verifier_core::repair::disk::{Disk, StepGate};
use verifier_core::repair::locked::{LockError, LockedStore};
use verifier_core::repair::mounted::Mounted;
use verifier_core::repair::plan::{Action, RepairPlan, Verb};
use verifier_core::repair::rebuild::Lost;
use verifier_core::repair::source::{Available, Source};
use verifier_core::repair::{KeptRun, LiveRows, Retention, Run, retain, wanted};
use verifier_core::report::Report;
use verifier_core::scan::Mode;
use verifier_core::sweep::{Doubt, backups};
use verifier_core::{CheckOptions, Checked, Store, look};

use super::alone::Alone;
use super::check::{explain_check_error, explain_open_error, the_one_root};
use super::output::{Level, complain, print, remark};
use crate::args::{Color, Format, RepairArgs};
use crate::exit::Status;
use crate::render::repair::{Done, Outcome, Repaired, write_human, write_json};
use crate::render::{Progress, Style, escape, escape_path, journal, size};

/// Repairs what `args` say, and prints the plan and what came of it.
pub(super) fn run(args: &RepairArgs, color: Color) -> Status {
    let root = match args.root.clone().map_or_else(|| the_one_root(&args.machine), Ok) {
        Ok(root) => root,
        Err(status) => return status,
    };
    let store = match Store::open(&root) {
        Ok(store) => store,
        Err(error) => return explain_open_error(&root, &error),
    };
    let gate = StepGate::default();
    let disk = Disk::new(store.folder(), &gate);
    if args.runs || args.undo.is_some() || args.purge.is_some() {
        return super::runs::run(args, disk, &root);
    }
    let job = Job { args, store: &store, disk, interrupt: super::interrupt::on_signals() };
    match job.repair(&root, color) {
        Ok(status) | Err(status) => status,
    }
}

struct Job<'a> {
    args: &'a RepairArgs,
    store: &'a Store,
    disk: Disk<'a>,
    interrupt: Interrupt,
}

impl Job<'_> {
    fn repair(&self, root: &Path, color: Color) -> Result<Status, Status> {
        let mut sources = open_sources(&self.args.sources)?;
        let only = self.args.from.as_deref().map(super::from::subjects).transpose()?;
        let alone = self.args.yes.then(|| self.alone(root)).transpose()?;
        let mut locked = alone.as_ref().map(|alone| self.lock(alone)).transpose()?.flatten();
        let doubt = alone.as_ref().and_then(|alone| self.doubt(alone));
        let checked = self.look(only.as_ref())?;
        let mode = match (&locked, self.args.mode()) {
            (Some(_), _) => Mode::Stopped,
            (None, Some(mode)) => mode,
            (None, None) => checked.report.mode,
        };
        let mut plan = self.plan(&checked, mode, &mut sources)?;
        let done = match self.args.yes && !plan.actions.is_empty() {
            true => Some(self.carry_out(&mut plan, &checked, locked.as_mut(), &mut sources)?),
            false => None,
        };
        let repaired = Repaired { root, mode, before: &checked.report, plan: &plan, done: done.as_ref() };
        let status = self.status(&repaired);
        if let Some(Err(error)) = doubt.filter(|_| checked.report.is_complete()).map(Doubt::settle) {
            complain(format_args!("the next sweep begins anew: {error}"));
        }
        let style = Style::new(color, &io::stdout());
        Ok(print(status, |out| match self.args.format {
            Format::Human if journal::is_stdout() => journal::write_repair(out, &repaired),
            Format::Human => write_human(out, &repaired, style),
            Format::Json => write_json(out, &repaired),
        }))
    }

    fn status(&self, repaired: &Repaired<'_>) -> Status {
        let seen = repaired.done.map_or(repaired.before, |done| &done.after);
        if self.interrupt.is_raised() && !seen.is_complete() {
            return Status::CANCELLED;
        }
        let gaps = if seen.is_complete() { Status::CLEAN } else { Status::INCOMPLETE };
        gaps | match repaired.outcome() {
            Outcome::Clean => Status::CLEAN,
            Outcome::Corrected => Status::CORRECTED,
            Outcome::Planned | Outcome::Left => Status::DAMAGED,
        }
    }

    /// Keeps other repairs and sweeps out.
    fn alone(&self, root: &Path) -> Result<Alone, Status> {
        let what = if self.args.at_risk.at_risk { "repair --at-risk" } else { "repair" };
        Alone::take(self.disk, root, self.args.at_risk.state.of(root), what)
    }

    /// Until what a crash put at risk was looked at, what sweeps verified before it is worth nothing: whatever ends this
    /// run before its time, the next sweep begins anew.
    fn doubt<'a>(&self, alone: &'a Alone) -> Option<Doubt<'a>> {
        let (state, lock) = alone.state.as_ref().filter(|_| self.args.at_risk.at_risk)?;
        Doubt::cast(state, lock).ok()
    }

    /// The locks of a stopped store; `None` when containerd holds them.
    fn lock(&self, alone: &Alone) -> Result<Option<LockedStore<'_>>, Status> {
        if self.args.mode() == Some(Mode::Live) {
            return Ok(None);
        }
        match LockedStore::lock(self.disk, &alone.root) {
            Ok(locked) => Ok(Some(locked)),
            Err(LockError::Held(_)) if self.args.mode().is_none() => Ok(None),
            Err(error) => {
                complain(escape(error.to_string()));
                Err(Status::INCOMPLETE)
            }
        }
    }

    fn look(&self, only: Option<&BTreeSet<Subject>>) -> Result<Checked, Status> {
        let progress = Progress::new(!self.args.quiet && !self.args.no_progress);
        let options: CheckOptions = self.args.check_options(self.store.root());
        let looked = progress.during(|| look(self.store, &options, only, &progress, &self.interrupt));
        looked.map_err(|error| explain_check_error(&error))
    }

    fn plan(&self, checked: &Checked, mode: Mode, sources: &mut [Source]) -> Result<RepairPlan, Status> {
        let available = Available::find(sources, wanted(checked)).map_err(|error| {
            complain(escape(error.to_string()));
            Status::INCOMPLETE
        })?;
        let mounted = Mounted::find(self.store.folder(), checked);
        Ok(RepairPlan::new(checked, &available, &mounted, &self.args.options().mode(Some(mode))))
    }

    /// The newest copy of meta.db that a sweep kept and that can be read.
    fn backup(&self) -> Option<Vec<u8>> {
        let kept = backups::list(&self.args.at_risk.state.of(self.store.root()), "meta");
        kept.iter().find_map(|backup| backups::open(backup).ok())
    }

    /// containerd's API, where the plan needs it.
    fn connect(&self, plan: &RepairPlan) -> Result<Option<Live>, Status> {
        let needs = |action: &Action| matches!(action.kind.verb(), Verb::Evict | Verb::Replace);
        if !plan.actions.iter().any(needs) {
            return Ok(None);
        }
        Live::connect(&self.args.address).map(Some).map_err(|error| {
            let address = escape_path(&self.args.address);
            complain(format_args!(
                "{address}: {} (--address names another socket)",
                escape(error.to_string())
            ));
            Status::INCOMPLETE
        })
    }

    /// Deletes what of former runs is not kept any longer, and says so. What cannot be deleted keeps nobody from repairing.
    fn make_room(&self) -> Result<Vec<KeptRun>, Status> {
        let retained = retain(self.disk, Retention::default()).map_err(failed)?;
        for run in &retained.deleted {
            let (id, bytes) = (escape(&run.id), size(run.size_bytes));
            remark(Level::Info, format_args!("run {id} was deleted, for its age or its size: {bytes}"));
        }
        for (id, error) in &retained.failed {
            complain(format_args!("run {} could not be deleted: {}", escape(id), escape(error.to_string())));
        }
        Ok(retained.deleted)
    }

    /// Begins a run, whose journal tells which others are gone.
    fn begin(&self, deleted: &[KeptRun]) -> Result<Run<'_>, Status> {
        let mut run = Run::begin(self.disk).map_err(failed)?;
        if !deleted.is_empty() {
            run.note_deleted(deleted).map_err(failed)?;
        }
        Ok(run)
    }

    /// Does what the plan says, and checks again what was touched.
    fn carry_out(
        &self,
        plan: &mut RepairPlan,
        checked: &Checked,
        locked: Option<&mut LockedStore<'_>>,
        sources: &mut [Source],
    ) -> Result<Done, Status> {
        let deleted = self.make_room()?;
        let Work { applied, lost, between } = match locked {
            Some(locked) => self.stopped(plan, checked, locked, sources, &deleted)?,
            None => self.live(plan, checked, sources, &deleted)?.into(),
        };
        // A database that was made anew may show what could not be seen before.
        let subjects = plan.subjects();
        let only = plan.rebuilds().actions.is_empty().then_some(&subjects);
        let after = self.look(only)?.report;
        Ok(Done { applied, lost, between, after })
    }

    /// Under the locks of all databases. Those that are damaged are made anew first; what else is wrong is told by what they
    /// say then, and `plan` becomes all that was done.
    fn stopped(
        &self,
        plan: &mut RepairPlan,
        checked: &Checked,
        locked: &mut LockedStore<'_>,
        sources: &mut [Source],
        deleted: &[KeptRun],
    ) -> Result<Work, Status> {
        let rebuilds = plan.rebuilds();
        let mut run = self.begin(deleted)?;
        if rebuilds.actions.is_empty() {
            let mut rows = LockedRows::new(locked, checked);
            let outcomes = self.steps(&mut run, plan, checked, &mut rows, sources);
            return Ok(finish(run, outcomes).map_err(failed)?.into());
        }
        let mut lost = Vec::new();
        let mut rows = LockedRows::new(locked, checked).backup(self.backup());
        let mut outcomes = self.steps(&mut run, &rebuilds, checked, &mut rows, sources);
        for rebuilt in rows.into_rebuilt() {
            lost.extend(rebuilt.lost);
            if let Some(file) = rebuilt.lock {
                locked.adopt(rebuilt.database, file);
            }
        }
        let checked = self.look(None)?;
        let mut rest = self.plan(&checked, Mode::Stopped, sources)?;
        // What could not be made anew is not tried twice.
        rest.actions.retain(|action| !rebuilds.actions.iter().any(|done| done.kind == action.kind));
        let mut rows = LockedRows::new(locked, &checked);
        outcomes.extend(self.steps(&mut run, &rest, &checked, &mut rows, sources));
        plan.actions = rebuilds.actions;
        plan.actions.append(&mut rest.actions);
        plan.refusals = rest.refusals;
        let applied = finish(run, outcomes).map_err(failed)?;
        Ok(Work { applied, lost, between: Some(checked.report) })
    }

    /// Beside a running containerd, through its API where rows are concerned.
    fn live(
        &self,
        plan: &RepairPlan,
        checked: &Checked,
        sources: &[Source],
        deleted: &[KeptRun],
    ) -> Result<Applied, Status> {
        let live = self.connect(plan)?;
        let mut run = self.begin(deleted)?;
        let outcomes = match &live {
            Some(live) => {
                let mut rows = LiveRows::new(live, checked, plan);
                self.steps(&mut run, plan, checked, &mut rows, sources)
            }
            None => self.steps(&mut run, plan, checked, &mut NoRows, sources),
        };
        finish(run, outcomes).map_err(failed)
    }

    fn steps(
        &self,
        run: &mut Run<'_>,
        plan: &RepairPlan,
        checked: &Checked,
        rows: &mut dyn Rows,
        sources: &[Source],
    ) -> Vec<Result<(), ApplyError>> {
        let mut told = Told { quiet: self.args.quiet, of: plan.actions.len() };
        apply_in(run, plan, checked, rows, sources, &mut told, &self.interrupt)
    }
}

/// What was done, not yet proved.
struct Work {
    applied: Applied,
    lost: Vec<Lost>,
    between: Option<Report>,
}

impl From<Applied> for Work {
    fn from(applied: Applied) -> Work {
        Work { applied, lost: Vec::new(), between: None }
    }
}

fn failed(error: io::Error) -> Status {
    complain(format_args!("the repair could not go on: {}", escape(error.to_string())));
    Status::DAMAGED | Status::INCOMPLETE
}

fn open_sources(paths: &[std::path::PathBuf]) -> Result<Vec<Source>, Status> {
    let opened = paths.iter().map(|path| {
        Source::open(path).map_err(|error| {
            complain(escape(error.to_string()));
            Status::USAGE
        })
    });
    opened.collect()
}

/// Says on stderr what is being done.
struct Told {
    quiet: bool,
    of: usize,
}

impl Steps for Told {
    fn began(&mut self, at: usize, action: &Action) {
        if !self.quiet {
            let (at, of, verb) = (at + 1, self.of, action.kind.verb().as_str());
            let what = crate::words::action(&action.kind);
            remark(Level::Info, format_args!("{verb} ({at} of {of}): {what}"));
        }
    }

    fn ended(&mut self, _at: usize, _action: &Action, outcome: &Result<(), ApplyError>) {
        if let Err(error) = outcome {
            complain(format_args!("not done: {}", escape(error.to_string())));
        }
    }
}
