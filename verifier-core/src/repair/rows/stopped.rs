//! The databases of a stopped store, changed under their locks.

use std::io;
use std::path::Path;

use super::contract::Rows;
use super::locked::LockedStore;
use crate::Interrupt;
use crate::check::Checked;
use crate::event::Observer;
use crate::io::ReadAt;
use crate::repair::act::correct;
use crate::repair::act::evict::{self, EvictError};
use crate::repair::act::rebuild::{Found, Rebuilt, rebuild};
use crate::repair::apply::{ApplyError, Outcome, note};
use crate::repair::plan::{Action, ActionKind};
use crate::repair::quarantine::run::Run;

/// The databases of a stopped store.
pub struct LockedRows<'a> {
    locked: &'a LockedStore<'a>,
    checked: &'a Checked,
    observer: &'a dyn Observer,
    backup: Option<Vec<u8>>,
    /// What is on disk, verified: read when the first database is rebuilt.
    found: Option<Found>,
    rebuilt: Vec<Rebuilt>,
}

impl<'a> LockedRows<'a> {
    /// The databases of `locked`, as `checked` found them.
    #[must_use]
    pub fn new(locked: &'a LockedStore<'a>, checked: &'a Checked, observer: &'a dyn Observer) -> Self {
        LockedRows { locked, checked, observer, backup: None, found: None, rebuilt: Vec::new() }
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

    fn one(&mut self, run: &mut Run<'_>, kind: &ActionKind, interrupt: &Interrupt) -> Outcome {
        let inventory = &self.checked.inventory;
        match kind {
            ActionKind::Rebuild { database } => self.rebuild(run, database, interrupt),
            ActionKind::EvictBlob { digest, .. } => {
                Ok(evict::evict_blob(run, self.locked, inventory, digest)?)
            }
            ActionKind::EvictSnapshots { snapshots, blobs } => {
                Ok(evict::evict_snapshots(run, self.locked, inventory, snapshots, blobs)?)
            }
            ActionKind::ForgetImage { namespace, name } => {
                Ok(evict::forget_image(run, self.locked, inventory, namespace, name)?)
            }
            kind => {
                let correction = correct::edits(inventory, kind);
                let (database, edits) =
                    correction.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
                Ok(run.rows(self.locked, &database, &edits).map_err(EvictError::from)?)
            }
        }
    }

    fn rebuild(&mut self, run: &mut Run<'_>, database: &Path, interrupt: &Interrupt) -> Outcome {
        let (inventory, observer) = (&self.checked.inventory, self.observer);
        let read = || Found::read(run.disk().root(), inventory, 0, observer, interrupt);
        let found = self.found.get_or_insert_with(read);
        let backup = self.backup.as_ref().map(|bytes| bytes as &dyn ReadAt);
        self.rebuilt.push(rebuild(run, self.locked, inventory, found, database, backup)?);
        Ok(())
    }
}

impl Rows for LockedRows<'_> {
    fn change(&mut self, run: &mut Run<'_>, actions: &[&Action], interrupt: &Interrupt) -> Vec<Outcome> {
        let mut outcome = |action: &&Action| {
            // Nobody is there to be told.
            if matches!(action.kind, ActionKind::Replace { .. }) {
                return Ok(());
            }
            if interrupt.is_raised() {
                return Err(ApplyError::Interrupted);
            }
            note(run, action)?;
            self.one(run, &action.kind, interrupt)
        };
        actions.iter().map(&mut outcome).collect()
    }
}
