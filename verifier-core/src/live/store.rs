//! The store of a running containerd, to be changed through its API only.

use std::time::Duration;

use super::{Act, Journal, Live, LiveError};

/// The store that a running containerd serves, one run of a repair on it, and the journal of that run.
///
/// [`LiveStore::hold`] leads to what deletes; [`LiveStore::wake`] deletes nothing. Each change is told to the journal first.
/// Killed at any step, a second run (of the same name or not) finishes: what is gone already is no error, and leases that
/// were left behind end by themselves.
pub struct LiveStore<'l> {
    pub(super) live: &'l Live,
    run: String,
    expiry: Duration,
    journal: &'l mut dyn Journal,
}

impl<'l> LiveStore<'l> {
    /// `run` names this run's leases: letters, digits, `-`, `.` and `_`.
    pub fn new(live: &'l Live, run: &str, journal: &'l mut dyn Journal) -> LiveStore<'l> {
        LiveStore { live, run: run.to_owned(), expiry: Duration::from_secs(24 * 3600), journal }
    }

    /// When leases of this run end by themselves, counted from their making: 24 hours unless set.
    #[must_use]
    pub fn expiry(mut self, expiry: Duration) -> Self {
        self.expiry = expiry;
        self
    }

    /// The connection.
    pub fn live(&self) -> &'l Live {
        self.live
    }

    pub(super) fn lease_expiry(&self) -> Duration {
        self.expiry
    }

    /// The id of this run's lease, or of one of its others.
    pub(super) fn lease(&self, suffix: &str) -> String {
        format!("{LEASE_PREFIX}{}{suffix}", self.run)
    }

    pub(super) fn before(&mut self, act: &Act) -> Result<(), LiveError> {
        self.journal.before(act).map_err(LiveError::Journal)
    }
}

impl std::fmt::Debug for LiveStore<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveStore").field("live", self.live).field("run", &self.run).finish_non_exhaustive()
    }
}

/// What the ids of our leases begin with.
pub const LEASE_PREFIX: &str = "containerd-fsck-";
