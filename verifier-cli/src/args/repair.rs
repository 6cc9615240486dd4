//! `repair`'s options.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use verifier_core::CheckOptions;
use verifier_core::repair::plan::{Allow, RepairOptions, Verb};
use verifier_core::scan::Mode;

use super::{AtRiskArgs, Format, MachineArgs};

pub(super) const REPAIR_LONG: &str = "\
Check a containerd root, and put right what is wrong with the fewest bytes.

Without --yes nothing is changed: the plan is shown, with what each action touches, what it writes, what will have to be \
pulled again, and what is left alone and why. With --yes the plan is carried out, what was touched is checked again, and the \
exit status comes from that.

Nothing is deleted. What is taken out of the store, or replaced in it, goes to containerd-fsck/runs/ in the root, with a \
journal that --undo puts back from, until --purge or the retention removes it: the retention keeps 30 days and 10 GiB, the \
last run always, and says what it deletes. Killed at any moment, the store is no worse \
than before, and running it again finishes.

While containerd is stopped the locks of its databases are taken, so that it cannot start in between; while it runs, its \
records are changed through its own API (--address) only.";

pub(super) const REPAIR_AFTER: &str = "\
Actions, the least destructive first:
  rebuild   make a damaged database anew from what is readable, or from the snapshots and verified blobs
  clean     move out what nothing needs: foreign names, stale ingests, folders without rows
  replace   put right bytes from a --source in the place of a wrong or missing blob
  restore   put the differing paths of an unpacked snapshot right from its layer's blob; no network
  evict     take out exactly what has to be pulled or unpacked again

Exit status (fsck(8)'s; 1 and 8, 2 and 4, 8 combine):
   0  nothing is wrong
   1  all that was wrong is put right, and nothing is lost
   2  what was wrong is out of the way, but something must be pulled again, or is lost
   4  without --yes: there is something to do; with it: something is left
   8  something could not be looked at or done
  16  the command line is wrong
  32  stopped by Ctrl-C or SIGTERM; running it again goes on

Examples:
  containerd-fsck repair                            show what would be done
  containerd-fsck repair --yes                      do it
  containerd-fsck repair --yes --only restore       only what needs no network
  containerd-fsck repair --source images.tar --yes  with right bytes from an archive
  containerd-fsck repair --undo last                put back what the last run did";

#[derive(Debug, clap::Args)]
pub(crate) struct RepairArgs {
    /// The containerd root [default: the one on this machine; see 'containerd-fsck roots'].
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    /// containerd's socket, for a root that it holds [default: found as the root is; see 'containerd-fsck roots'].
    #[arg(long, value_name = "SOCKET")]
    pub(crate) address: Option<PathBuf>,
    /// Do it; without this, only the plan is shown.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Only actions of this kind (may be given several times).
    #[arg(long, value_enum, value_name = "ACTION")]
    pub(crate) only: Vec<VerbArg>,
    /// Where right bytes may be: an OCI layout, an archive of images, a containerd root (may be given several times).
    #[arg(long = "source", value_name = "PATH")]
    pub(crate) sources: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) at_risk: AtRiskArgs,
    /// A report of 'check --format json': only what it names is read and put right.
    #[arg(long, value_name = "REPORT")]
    pub(crate) from: Option<PathBuf>,
    /// Unpacked layers that cannot be read here (erofs, stargz, Docker's own store) do not make the look incomplete.
    #[arg(long)]
    pub(crate) accept_unread: bool,
    /// Do what is otherwise refused (may be given several times).
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) allow: Vec<AllowArg>,
    /// Whether containerd holds the root [default: found out].
    #[arg(long, value_enum, value_name = "MODE")]
    pub(crate) mode: Option<ModeArg>,
    /// Put back what a former run did, instead of repairing: its name, the beginning of it, or 'last'.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["yes", "only", "sources", "from", "purge", "runs"])]
    pub(crate) undo: Option<String>,
    /// Show what deleting a former run ('all': all of them) would free, instead of repairing; with --yes, delete it for good.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["only", "sources", "from", "runs"])]
    pub(crate) purge: Option<String>,
    /// List former runs and what they keep, instead of repairing.
    #[arg(long, conflicts_with_all = ["yes", "only", "sources", "from"])]
    pub(crate) runs: bool,
    /// The format of the plan and of what came of it.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
    /// Worker threads [default: one for each processor, 16 at most].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// No progress.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// No progress: neither a bar on a terminal nor a line for each action.
    #[arg(long)]
    pub(crate) no_progress: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerbArg {
    /// Databases made anew.
    Rebuild,
    /// What nothing needs moved out.
    Clean,
    /// Blobs replaced from a source.
    Replace,
    /// Snapshots restored from their layers.
    Restore,
    /// What must be pulled again taken out.
    Evict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AllowArg {
    /// Taking out what no registry is known to have.
    Unpullable,
    /// Taking out what is pinned.
    Pinned,
    /// Taking out what a lease holds.
    Leased,
    /// Taking out names of images that containers were made from.
    InUse,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeArg {
    /// It does not: take its locks.
    Stopped,
    /// It does: use its API.
    Live,
}

impl RepairArgs {
    /// What may be done.
    pub(crate) fn options(&self) -> RepairOptions {
        let only = self.only.iter().map(|verb| match verb {
            VerbArg::Rebuild => Verb::Rebuild,
            VerbArg::Clean => Verb::Clean,
            VerbArg::Replace => Verb::Replace,
            VerbArg::Restore => Verb::Restore,
            VerbArg::Evict => Verb::Evict,
        });
        let allow = self.allow.iter().map(|allow| match allow {
            AllowArg::Unpullable => Allow::Unpullable,
            AllowArg::Pinned => Allow::Pinned,
            AllowArg::Leased => Allow::Leased,
            AllowArg::InUse => Allow::InUse,
        });
        RepairOptions::default()
            .only(only.collect::<BTreeSet<_>>())
            .allow(allow.collect::<BTreeSet<_>>())
            .mode(self.mode())
    }

    /// Whether containerd holds the root, if that was said.
    pub(crate) fn mode(&self) -> Option<Mode> {
        self.mode.map(|mode| match mode {
            ModeArg::Stopped => Mode::Stopped,
            ModeArg::Live => Mode::Live,
        })
    }

    /// How to check `root` before and after. After, only what was touched is read, whether or not it was at risk.
    pub(crate) fn check_options(&self, root: &Path) -> CheckOptions {
        CheckOptions::default()
            .at_risk(self.at_risk.known(root))
            .accept_unread(self.accept_unread)
            .elsewhere(verifier_core::host::elsewhere(&self.machine.sysroot, root))
            .threads(self.threads.map_or(0, usize::from))
    }
}
