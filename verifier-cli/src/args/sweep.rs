//! `sweep`'s, `status`', `stamp`'s, `guard`'s and `install-units`' arguments.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, value_parser};
use verifier_core::sweep::{PaceOptions, SweepOptions};

use super::at_risk::StateArgs;
use super::units::{duration, rate};
use super::{Format, MachineArgs};

/// Which root, and where runs leave word about it.
#[derive(Debug, clap::Args)]
pub(crate) struct PlaceArgs {
    /// The containerd root [default: the one on this machine; see 'containerd-fsck roots'].
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

/// For who watches over many machines.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct MonitorArgs {
    /// Write the outcome to FILE in Prometheus' text format, as a whole, for node_exporter's textfile collector.
    #[arg(long, value_name = "FILE")]
    pub(crate) metrics_file: Option<PathBuf>,
    /// Answer as a plugin of node-problem-detector: one line, and exit status 0 (well), 1 (a problem) or 2 (not known).
    #[arg(long)]
    pub(crate) npd: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SweepArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Begin nothing more after this long [default: go on until all is verified].
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) time_budget: Option<Duration>,
    /// Read no more than this in a second, over all threads; 0: no limit.
    #[arg(long, value_name = "RATE", value_parser = rate, default_value = "100MiB/s")]
    pub(crate) max_rate: u64,
    /// Leave out what was verified within this time.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "7d")]
    pub(crate) every: Duration,
    /// Read what is in the page cache from the disk all the same.
    #[arg(long)]
    pub(crate) from_disk: bool,
    /// Do not pause while other processes wait for the disk.
    #[arg(long)]
    pub(crate) ignore_pressure: bool,
    /// Worker threads.
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=1024), default_value_t = 1)]
    pub(crate) threads: u16,
    /// Bytes of blobs between two words to the ledger.
    #[arg(long, value_name = "BYTES", value_parser = rate, hide = true, default_value = "1GiB")]
    pub(crate) batch: u64,
    /// The report's format.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
    /// Count warnings (unreferenced, stale) as damage.
    #[arg(long)]
    pub(crate) strict: bool,
    /// One line instead of a report, and none if all is well.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) monitor: MonitorArgs,
}

impl SweepArgs {
    pub(crate) fn options(&self) -> SweepOptions {
        let mut options = SweepOptions::default();
        options.time_budget = self.time_budget;
        options.every = self.every;
        options.threads = usize::from(self.threads);
        options.batch_bytes = self.batch;
        options
    }

    pub(crate) fn pace(&self) -> PaceOptions {
        let mut options = PaceOptions::default();
        options.bytes_per_second = self.max_rate;
        options.yield_to_pressure = !self.ignore_pressure;
        options.from_disk = self.from_disk;
        options
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct StampArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Only write down that this boot has begun.
    #[arg(long)]
    pub(crate) begin: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// What was verified longer ago does not count.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "7d")]
    pub(crate) every: Duration,
    /// The answer's format.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) monitor: MonitorArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct InstallUnitsArgs {
    /// The containerd root [default: the one on this machine; see 'containerd-fsck roots'].
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    /// Where units are put.
    #[arg(long, value_name = "DIR", default_value = "/etc/systemd/system")]
    pub(crate) dest: PathBuf,
    /// The program that they run [default: this one].
    #[arg(long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
    /// Make containerd wait for the operator where starting it would destroy data.
    #[arg(long, action = ArgAction::SetTrue)]
    pub(crate) guard: bool,
}
