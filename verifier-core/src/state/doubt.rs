//! Whether what sweeps verified still counts.
//!
//! A sweep may verify a snapshot from the page cache seconds before a crash empties its files. A look at what the crash put
//! at risk finds that; where such a look does not come to its end (its time is up, the machine goes down again), the file
//! `doubt` stays, and the next sweep begins anew.

use std::io;

use super::state_dir::{Lock, StateDir};

const NAME: &str = "doubt";

/// A doubt that was cast, and can be settled.
#[derive(Debug)]
pub struct Doubt {
    state: StateDir,
    /// There was one before, about another crash.
    is_old: bool,
}

impl Doubt {
    /// Casts doubt on all that was verified before. `lock` proves that no sweep is under way.
    ///
    /// # Errors
    /// What the system says.
    pub fn cast(state: &StateDir, lock: &Lock) -> io::Result<Doubt> {
        let _ = lock;
        let is_old = Doubt::is_cast(state);
        if !is_old {
            state.write(NAME, b"")?;
        }
        Ok(Doubt { state: state.clone(), is_old })
    }

    /// All that was at risk was looked at: what was verified before counts again, unless there was another doubt.
    ///
    /// # Errors
    /// What the system says: the next sweep begins anew, no more.
    pub fn settle(self) -> io::Result<()> {
        if self.is_old { Ok(()) } else { self.state.remove(NAME) }
    }

    /// Whether there is one.
    pub(crate) fn is_cast(state: &StateDir) -> bool {
        !matches!(state.read(NAME), Ok(None))
    }

    /// The ledger is empty: there is nothing left to be doubted.
    pub(crate) fn forget(state: &StateDir) -> io::Result<()> {
        state.remove(NAME)
    }
}
