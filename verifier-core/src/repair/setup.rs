//! How a repair is to go.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::plan::RepairOptions;
use super::quarantine::disk::StepGate;
use super::quarantine::purge::Retention;
use crate::finding::Subject;
use crate::plan::CheckOptions;
use crate::state::StateDir;

/// How a repair is to go.
#[derive(Debug)]
#[non_exhaustive]
pub struct Setup {
    /// How to look at the store.
    pub check: CheckOptions,
    /// What may be done.
    pub options: RepairOptions,
    /// Only these are looked at, and put right; all when `None`.
    pub only: Option<BTreeSet<Subject>>,
    /// What is kept between runs: a lock that sweeps take, and copies of the databases.
    pub state: Option<StateDir>,
    /// containerd's socket.
    pub socket: PathBuf,
    /// Which former runs are kept.
    pub retention: Retention,
    /// Asked before every change; only tests ask for more than the default.
    pub gate: StepGate,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            check: CheckOptions::default(),
            options: RepairOptions::default(),
            only: None,
            state: None,
            socket: Path::new("/run/containerd/containerd.sock").into(),
            retention: Retention::default(),
            gate: StepGate::default(),
        }
    }
}

impl Setup {
    /// How to look at the store.
    #[must_use]
    pub fn check(mut self, check: CheckOptions) -> Self {
        self.check = check;
        self
    }

    /// What may be done.
    #[must_use]
    pub fn options(mut self, options: RepairOptions) -> Self {
        self.options = options;
        self
    }

    /// Only these are looked at, and put right.
    #[must_use]
    pub fn only(mut self, only: Option<BTreeSet<Subject>>) -> Self {
        self.only = only;
        self
    }

    /// What is kept between runs.
    #[must_use]
    pub fn state(mut self, state: Option<StateDir>) -> Self {
        self.state = state;
        self
    }

    /// containerd's socket.
    #[must_use]
    pub fn socket(mut self, socket: PathBuf) -> Self {
        self.socket = socket;
        self
    }

    /// Asked before every change.
    #[must_use]
    pub fn gate(mut self, gate: StepGate) -> Self {
        self.gate = gate;
        self
    }
}
