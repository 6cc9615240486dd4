//! The store of a running containerd, to be changed through its API only.

use std::io;
use std::time::Duration;

use super::journal::Journal;
use crate::metadata::LEASE_PREFIX;

use super::{Act, Live, LiveError};

/// The store that a running containerd serves, one run of a repair on it, and the journal of that run.
///
/// [`LiveStore::hold`] leads to what deletes; [`LiveStore::wake`] deletes nothing. Each change is told to the journal first.
/// Killed at any step, a second run (of the same name or not) finishes: what is gone already is no error, and leases that
/// were left behind end by themselves.
pub struct LiveStore<'l> {
    pub(super) live: &'l Live,
    run: String,
    expiry: Duration,
    journal: Journal<'l>,
}

impl<'l> LiveStore<'l> {
    /// `run` names this run's leases: letters, digits, `-`, `.` and `_`. `journal` takes each [`Act`] before it is done; its error
    /// keeps the act from being done and ends what wanted it.
    pub fn new(live: &'l Live, run: &str, journal: impl FnMut(&Act) -> io::Result<()> + 'l) -> LiveStore<'l> {
        let journal = Box::new(journal);
        LiveStore { live, run: run.to_owned(), expiry: Duration::from_secs(24 * 3600), journal }
    }

    /// When the holding ends by itself if this run never does, counted from its making: 24 hours unless set.
    #[must_use]
    pub fn expiry(mut self, expiry: Duration) -> Self {
        self.expiry = expiry;
        self
    }

    /// The connection.
    pub fn live(&self) -> &'l Live {
        self.live
    }

    pub(super) fn hold_expiry(&self) -> Duration {
        self.expiry
    }

    /// The id of one of this run's leases.
    pub(super) fn lease(&self, suffix: &str) -> String {
        format!("{LEASE_PREFIX}{}{suffix}", self.run)
    }

    pub(super) fn before(&mut self, act: &Act) -> Result<(), LiveError> {
        (self.journal)(act).map_err(LiveError::Journal)
    }
}

impl std::fmt::Debug for LiveStore<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveStore").field("live", self.live).field("run", &self.run).finish_non_exhaustive()
    }
}
