//! What every way of changing containerd's metadata does.

use crate::Interrupt;
use crate::repair::apply::{ApplyError, Outcome};
use crate::repair::plan::Action;
use crate::repair::quarantine::run::Run;

/// Changes what containerd's metadata says. There are two ways: the databases themselves, locked; and containerd's API.
pub trait Rows {
    /// Does these actions, in their order: all that are of rows ([`ActionKind::is_of_rows`]) and come one after the other, or
    /// all [`ActionKind::Replace`] whose bytes are in their places, for containerd to learn of. One outcome for each.
    ///
    /// [`ActionKind::is_of_rows`]: crate::repair::plan::ActionKind::is_of_rows
    /// [`ActionKind::Replace`]: crate::repair::plan::ActionKind::Replace
    fn change(&mut self, run: &mut Run<'_>, actions: &[&Action], interrupt: &Interrupt) -> Vec<Outcome>;
}

/// Changes no metadata: for plans that need none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRows;

impl Rows for NoRows {
    fn change(&mut self, _run: &mut Run<'_>, actions: &[&Action], _interrupt: &Interrupt) -> Vec<Outcome> {
        let outcome = |action: &&Action| match action.kind.is_of_rows() {
            true => Err(ApplyError::MustBeStopped),
            false => Ok(()),
        };
        actions.iter().map(outcome).collect()
    }
}
