//! What a crash put at risk: `check`'s and `repair`'s arguments alike.

use std::path::{Path, PathBuf};
use std::time::Duration;

use verifier_core::plan::AtRisk;
use verifier_core::sweep::{Moment, StateDir, last_shutdown, window};

use super::units::duration;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct AtRiskArgs {
    /// Read only what the last crash put at risk: what was made in the two minutes before it. After a clean stop nothing is
    /// read; where the times cannot be trusted, everything. Records, names and sizes are checked in any case.
    #[arg(long)]
    pub(crate) at_risk: bool,
    /// How long before a crash something must have been made to be safe [default: twice what the kernel's settings of
    /// writeback come to, 120s at least].
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "at_risk")]
    pub(crate) at_risk_window: Option<Duration>,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct StateArgs {
    /// Where runs leave word for each other.
    #[arg(long, value_name = "DIR", default_value = StateDir::DEFAULT)]
    pub(crate) state_dir: PathBuf,
}

impl StateArgs {
    /// What is kept of `root` there.
    pub(crate) fn of(&self, root: &Path) -> StateDir {
        StateDir::new(&self.state_dir, root)
    }
}

impl AtRiskArgs {
    /// What is known of the last shutdown, if only what it put at risk is to be read.
    pub(crate) fn known(&self, root: &Path) -> Option<AtRisk> {
        if !self.at_risk {
            return None;
        }
        let window = self.at_risk_window.unwrap_or_else(window);
        // Without /proc nothing is known of any boot: the newest record is the last sign of life then.
        let known = Moment::now().map(|now| last_shutdown(&self.state.of(root), &now, window));
        Some(known.unwrap_or_else(|_| AtRisk { window, ..AtRisk::default() }))
    }
}
