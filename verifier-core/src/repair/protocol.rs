//! The order in which a store is repaired.
//!
//! ```text
//! open    the state folder's lock, the root's own, then those of all databases; containerd holds them: then its API
//! plan    look, plan
//! apply   old runs go; damaged databases are made anew, their locks adopted, look and plan again; the rest; look: the proof
//! ```

use std::io;

use super::act::restore::RestoreOptions;
use super::apply::Steps;
use super::exclusive::{Exclusive, named};
use super::mounted::Mounted;
use super::plan::RepairPlan;
#[cfg(feature = "live")]
use super::plan::Verb;
use super::quarantine::disk::Disk;
use super::quarantine::purge::retain;
use super::quarantine::run::Run;
use super::repair_error::RepairError;
use super::repaired::{Look, Planned, Repaired};
use super::room::Room;
use super::rows::contract::NoRows;
use super::rows::locked::{LockError, LockedStore};
use super::rows::stopped::LockedRows;
use super::setup::Setup;
use super::source::{Available, Source};
use super::{toll, wanted};
use crate::Interrupt;
use crate::check::{Checked, look};
use crate::event::Observer;
use crate::layout::RUNS;
use crate::scan::Mode;
use crate::state::Doubt;
use crate::store::Store;

/// A repair of one store: nobody else changes the store meanwhile.
#[derive(Debug)]
pub struct Repair<'a> {
    store: &'a Store,
    disk: Disk<'a>,
    setup: &'a Setup,
    sources: Vec<Source>,
    locked: Option<LockedStore<'a>>,
    exclusive: Exclusive,
    doubt: Option<Doubt>,
}

impl<'a> Repair<'a> {
    /// Plans without any lock, and writes nothing: for a plan that is only to be shown.
    ///
    /// # Errors
    /// [`RepairError`]
    pub fn preview(
        store: &Store,
        setup: &Setup,
        sources: &mut [Source],
        observer: &dyn Observer,
        interrupt: &Interrupt,
    ) -> Result<Planned, RepairError> {
        let checked = look(store, &setup.check, setup.only.as_ref(), observer, interrupt)?;
        let mode = setup.options.mode.unwrap_or(checked.report.mode);
        planned(store, setup, sources, checked, mode)
    }

    /// Takes the locks of `store`: of its databases too, unless a containerd holds them.
    ///
    /// # Errors
    /// [`RepairError::Busy`] and [`RepairError::Lock`]; nothing was changed.
    pub fn open(store: &'a Store, setup: &'a Setup, sources: Vec<Source>) -> Result<Repair<'a>, RepairError> {
        let disk = Disk::new(store.folder(), &setup.gate);
        let at_risk = setup.check.at_risk.is_some();
        let what = if at_risk { "repair --at-risk" } else { "repair" };
        let exclusive = Exclusive::take(disk, store.root(), setup.state.as_ref(), what)?;
        let locked =
            lock(disk, &exclusive, setup.options.mode).map_err(|error| named(store.root(), error))?;
        // Until what a crash put at risk was looked at, what sweeps verified before it is worth nothing: whatever ends this
        // run before its time, the next sweep begins anew.
        let state = exclusive.state().filter(|_| at_risk);
        let doubt = state.and_then(|(state, lock)| Doubt::cast(state, lock).ok());
        Ok(Repair { store, disk, setup, sources, locked, exclusive, doubt })
    }

    /// The locks, and what could not be had of them.
    #[must_use]
    pub fn exclusive(&self) -> &Exclusive {
        &self.exclusive
    }

    /// Looks at the store, and says what is to be done.
    ///
    /// # Errors
    /// [`RepairError`]; nothing was changed.
    pub fn plan(&mut self, observer: &dyn Observer, interrupt: &Interrupt) -> Result<Planned, RepairError> {
        let checked = look(self.store, &self.setup.check, self.setup.only.as_ref(), observer, interrupt)?;
        let mode = match &self.locked {
            Some(_) => Mode::Stopped,
            None => self.setup.options.mode.unwrap_or(checked.report.mode),
        };
        planned(self.store, self.setup, &mut self.sources, checked, mode)
    }

    /// Does what `planned` says, and proves it: what was touched is looked at again. Whatever stops it is told beside what came
    /// of it.
    pub fn apply(mut self, planned: Planned, observer: &dyn Observer, interrupt: &Interrupt) -> Repaired {
        let (mut repaired, checked) = planned.into_parts();
        if !repaired.plan.actions.is_empty()
            && let Err(error) = self.carry_out(&mut repaired, &checked, (observer, interrupt))
        {
            repaired.trouble = Some(error);
        }
        if repaired.gaps().is_empty()
            && let Some(Err(error)) = self.doubt.take().map(Doubt::settle)
        {
            repaired.doubt_error = Some(error);
        }
        repaired
    }

    fn carry_out(
        &mut self,
        repaired: &mut Repaired,
        checked: &Checked,
        (observer, interrupt): (&dyn Observer, &Interrupt),
    ) -> Result<(), RepairError> {
        repaired.retained = retain(self.disk, self.setup.retention).map_err(of_run(self.store))?;
        let seen = (observer, interrupt);
        match self.locked.take() {
            Some(mut locked) => {
                let done = self.stopped(repaired, checked, &mut locked, seen);
                self.locked = Some(locked);
                done?;
            }
            None => self.live(repaired, checked, seen)?,
        }
        // A database that was made anew may show what could not be seen before.
        let subjects = repaired.plan.subjects();
        let only = repaired.plan.rebuilds().actions.is_empty().then_some(subjects);
        let after = look(self.store, &self.setup.check, only.as_ref(), observer, interrupt)?;
        repaired.proof = Some(Look { report: after.report, only });
        Ok(())
    }

    /// Under the locks of all databases. Those that are damaged are made anew first; what else is wrong is told by what they
    /// say then, and the plan becomes all that was done.
    fn stopped(
        &mut self,
        repaired: &mut Repaired,
        checked: &Checked,
        locked: &mut LockedStore<'a>,
        (observer, interrupt): (&dyn Observer, &Interrupt),
    ) -> Result<(), RepairError> {
        let fail = of_run(self.store);
        let rebuilds = repaired.plan.rebuilds();
        let mut run = begin(self.disk, repaired).map_err(&fail)?;
        let steps = Steps {
            checked,
            sources: &self.sources,
            restoring: &RestoreOptions::default(),
            observer,
            interrupt,
        };
        if rebuilds.actions.is_empty() {
            let mut rows = LockedRows::new(locked, checked, observer);
            repaired.outcomes = steps.apply(&mut run, &repaired.plan, &mut rows);
            return end(run, repaired).map_err(fail);
        }
        self.rebuild(repaired, steps, locked, (&mut run, &rebuilds));
        // What was made anew stands, whatever comes next.
        repaired.plan.actions.retain(|action| rebuilds.actions.contains(action));
        let rest = self.rest(repaired, locked, &mut run, &rebuilds, (observer, interrupt));
        end(run, repaired).map_err(fail)?;
        rest
    }

    fn rebuild(
        &self,
        repaired: &mut Repaired,
        steps: Steps<'_>,
        locked: &mut LockedStore<'a>,
        (run, rebuilds): (&mut Run<'_>, &RepairPlan),
    ) {
        let backup = toll::newest_backup(self.setup.state.as_ref()).map(|(_, bytes)| bytes);
        let mut rows = LockedRows::new(locked, steps.checked, steps.observer).backup(backup);
        repaired.outcomes = steps.apply(run, rebuilds, &mut rows);
        for rebuilt in rows.into_rebuilt() {
            repaired.lost_rows.extend(rebuilt.lost);
            if let Some(file) = rebuilt.lock {
                locked.adopt(rebuilt.database, file);
            }
        }
    }

    /// What else is wrong, by what the databases say now.
    fn rest(
        &mut self,
        repaired: &mut Repaired,
        locked: &LockedStore<'a>,
        run: &mut Run<'_>,
        rebuilds: &RepairPlan,
        (observer, interrupt): (&dyn Observer, &Interrupt),
    ) -> Result<(), RepairError> {
        let again = look(self.store, &self.setup.check, None, observer, interrupt)?;
        let mut rest = plan(self.store, self.setup, &mut self.sources, &again, Mode::Stopped)?;
        // What could not be made anew is not tried twice.
        rest.actions.retain(|action| !rebuilds.actions.iter().any(|done| done.kind == action.kind));
        let steps = Steps {
            checked: &again,
            sources: &self.sources,
            restoring: &RestoreOptions::default(),
            observer,
            interrupt,
        };
        let mut rows = LockedRows::new(locked, &again, observer);
        repaired.outcomes.extend(steps.apply(run, &rest, &mut rows));
        repaired.plan.actions.append(&mut rest.actions);
        repaired.plan.refusals = rest.refusals;
        repaired.looks.push(Look { report: again.report, only: None });
        Ok(())
    }

    /// Beside a running containerd, through its API where rows are concerned.
    fn live(
        &mut self,
        repaired: &mut Repaired,
        checked: &Checked,
        (observer, interrupt): (&dyn Observer, &Interrupt),
    ) -> Result<(), RepairError> {
        let fail = of_run(self.store);
        let steps = Steps {
            checked,
            sources: &self.sources,
            restoring: &RestoreOptions::default(),
            observer,
            interrupt,
        };
        #[cfg(feature = "live")]
        if repaired
            .plan
            .actions
            .iter()
            .any(|action| matches!(action.kind.verb(), Verb::Evict | Verb::Replace))
        {
            let live = crate::live::Live::connect(&self.setup.socket)?;
            let mut run = begin(self.disk, repaired).map_err(&fail)?;
            let mut rows = super::rows::LiveRows::new(&live, checked);
            repaired.outcomes = steps.apply(&mut run, &repaired.plan, &mut rows);
            return end(run, repaired).map_err(fail);
        }
        let mut run = begin(self.disk, repaired).map_err(&fail)?;
        repaired.outcomes = steps.apply(&mut run, &repaired.plan, &mut NoRows);
        end(run, repaired).map_err(fail)
    }
}

/// Begins a run, whose journal tells which others are gone.
fn begin<'a>(disk: Disk<'a>, repaired: &Repaired) -> io::Result<Run<'a>> {
    let mut run = Run::begin(disk)?;
    if !repaired.retained.deleted.is_empty() {
        run.note_deleted(&repaired.retained.deleted)?;
    }
    Ok(run)
}

/// Ends the run: all that it did is on the medium.
fn end(run: Run<'_>, repaired: &mut Repaired) -> io::Result<()> {
    repaired.run = Some(run.id().to_owned());
    run.end(if repaired.outcomes.iter().all(Result::is_ok) { "done" } else { "incomplete" })
}

/// The run's folder could not be written.
fn of_run(store: &Store) -> impl Fn(io::Error) -> RepairError {
    let path = store.root().join(RUNS);
    move |error| RepairError::Run { path: path.clone(), error }
}

/// The locks of a stopped store; `None` when containerd holds them.
fn lock<'a>(
    disk: Disk<'a>,
    exclusive: &Exclusive,
    mode: Option<Mode>,
) -> Result<Option<LockedStore<'a>>, LockError> {
    if mode == Some(Mode::Live) {
        return Ok(None);
    }
    match LockedStore::lock(disk, exclusive.alone()) {
        Ok(locked) => Ok(Some(locked)),
        Err(LockError::Held(_)) if mode.is_none() => Ok(None),
        Err(error) => Err(error),
    }
}

fn plan(
    store: &Store,
    setup: &Setup,
    sources: &mut [Source],
    checked: &Checked,
    mode: Mode,
) -> Result<RepairPlan, RepairError> {
    let available = Available::find(sources, wanted(checked))?;
    let mounted = Mounted::find(store.folder(), checked);
    let options = setup.options.clone().mode(Some(mode));
    Ok(RepairPlan::new(checked, &available, &mounted, &options))
}

fn planned(
    store: &Store,
    setup: &Setup,
    sources: &mut [Source],
    checked: Checked,
    mode: Mode,
) -> Result<Planned, RepairError> {
    let plan = plan(store, setup, sources, &checked, mode)?;
    let room = Room::of(store.folder(), &checked, &plan);
    let tolls = toll::of(&plan, setup.state.as_ref());
    Ok(Planned { checked, plan, mode, room, tolls, only: setup.only.clone() })
}
