//! The command line, and what it comes to.

mod at_risk;
mod repair;
mod sweep;
mod units;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand, ValueEnum};
use verifier_core::CheckOptions;
use verifier_core::finding::Depth;

pub(crate) use at_risk::AtRiskArgs;
pub(crate) use repair::RepairArgs;
pub(crate) use sweep::{InstallUnitsArgs, MonitorArgs, PlaceArgs, StampArgs, StatusArgs, SweepArgs};

const ABOUT: &str = "\
Finds what a crash did to a containerd root, and proves it.

After a power cut, containerd's metadata can call an image complete while every file of its unpacked \
snapshots is empty; pulling again changes nothing. This command reads a containerd root the way containerd \
does, rehashes every blob, compares every unpacked snapshot with the layer that made it, and says which \
images and containers each fault touches. 'check' only reads: it writes nothing below the root, takes no lock that \
containerd could wait for, and works while containerd runs. 'repair' puts right what is wrong.";

const AFTER: &str = "\
Exit status (fsck(8)'s; 4 and 8 combine to 12):
   0  all that was asked for was looked at, and nothing is wrong
   4  there is damage (an error, or with --strict also a warning)
   8  something could not be looked at, or the report could not be written
  16  the command line is wrong: an option, a root or a name that there is not
  32  stopped by Ctrl-C or SIGTERM; the report says what was found until then
  The output format never changes the exit status.

Environment:
  NO_COLOR   when set and not empty, no colour unless --color=always
  TERM       'dumb' means no colour and no progress bar
  TMPDIR     where 'demo' unpacks its sample store

Examples:
  containerd-fsck demo                          see what a power cut does, on an embedded store
  containerd-fsck check                         the one root on this machine, everything
  containerd-fsck check --depth quick           seconds: records, sizes, no content
  containerd-fsck check --root /mnt/var/lib/containerd --format json > report.json
  containerd-fsck check --namespace k8s.io --image registry.example/web:1.27
  containerd-fsck explain snapshot-differs      what that means and what to do";

/// `containerd-fsck`'s command line.
#[derive(Debug, Parser)]
#[command(
    name = "containerd-fsck",
    version,
    about = "Finds what a crash did to a containerd root, and proves it",
    long_about = ABOUT,
    after_help = "Exit status: 0 clean, 4 damage, 8 could not finish (4 and 8 combine), 16 usage, 32 cancelled.\n\
                  'containerd-fsck --help' says more.",
    after_long_help = AFTER,
    max_term_width = 100
)]
pub(crate) struct Cli {
    /// When to colour: auto means when the stream is a terminal and NO_COLOR is not set.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub(crate) color: Color,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check a containerd root and report what is wrong with it.
    #[command(
        long_about = "Check a containerd root and report what is wrong with it.\n\n\
            Works while containerd runs: what changes during the run is looked at again before it is reported. \
            Reading a root takes the rights of its owner, usually root.",
        after_long_help = AFTER
    )]
    Check(CheckArgs),
    /// Put right what is wrong, with the fewest bytes; nothing is changed without --yes.
    #[command(visible_alias = "gc", long_about = repair::REPAIR_LONG, after_long_help = repair::REPAIR_AFTER)]
    Repair(Box<RepairArgs>),
    /// Tell what a finding means, how it comes about, and what to do.
    Explain {
        /// The finding's code, as reports show it; without one, all codes are listed.
        code: Option<String>,
    },
    /// List the containerd roots of this machine, their sockets, and whether a containerd holds them.
    Roots(RootsArgs),
    /// Verify everything in turn, a part at each run, without being felt.
    #[command(long_about = "Verify everything in turn, a part at each run, without being felt.\n\n\
            What waits longest is verified first, by the same checks as 'check' makes, and noted in the state folder: a \
            run that ends early, or is killed, goes on where it was. What was found damaged is verified by every run until \
            it is sound. The last consistent copies of containerd's databases are kept there too. Reads no faster than \
            --max-rate, pauses while other processes wait for the disk, and leaves the page cache as it was. Run it \
            by the units that 'install-units' writes, or under 'ionice -c 3'.")]
    Sweep(SweepArgs),
    /// Tell how far sweeps have come, and what they found.
    Status(StatusArgs),
    /// Write systemd units that repair after a crash, before containerd starts, and sweep at night.
    #[command(name = "install-units")]
    InstallUnits(InstallUnitsArgs),
    /// Leave the mark of a clean shutdown: run by a unit when containerd has stopped.
    #[command(hide = true)]
    Stamp(StampArgs),
    /// Fail if starting containerd would destroy data: run by a unit before containerd starts.
    #[command(hide = true)]
    Guard(PlaceArgs),
    /// Unpack an embedded sample store, damage it as a power cut would, and check it.
    #[command(
        long_about = "Unpack an embedded sample store, damage it as a power cut would, and check it.\n\n\
            The store was made by a real containerd. It is unpacked into a temporary folder, which is deleted at \
            the end. Needs neither containerd nor root nor a network. The exit status is 0 if exactly the damage \
            that was done was found, 4 otherwise."
    )]
    Demo(DemoArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The containerd root [default: the one on this machine; see 'containerd-fsck roots'].
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    /// How far to go.
    #[arg(long, value_enum, default_value_t = DepthArg::Full)]
    pub(crate) depth: DepthArg,
    #[command(flatten)]
    pub(crate) at_risk: AtRiskArgs,
    /// Only this namespace (may be given several times).
    #[arg(long = "namespace", short = 'n', value_name = "NS")]
    pub(crate) namespaces: Vec<String>,
    /// Only the image of this name, in any namespace that is checked (may be given several times).
    #[arg(long = "image", value_name = "REF")]
    pub(crate) images: Vec<String>,
    /// The report's format; JSON is one document, described by schema/report-1.json.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
    /// Worker threads [default: one for each processor, 16 at most].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Unpacked layers that cannot be read here (erofs, stargz, Docker's own store) do not make the check incomplete.
    #[arg(long)]
    pub(crate) accept_unread: bool,
    /// Count warnings (unreferenced, stale) as damage.
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) monitor: MonitorArgs,
    /// No progress; in human format one line instead of a report, and none for a clean store.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// No progress bar (there is none anyway when stderr is no terminal).
    #[arg(long)]
    pub(crate) no_progress: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RootsArgs {
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    /// The list's format.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// No progress bar (there is none anyway when stderr is no terminal).
    #[arg(long)]
    pub(crate) no_progress: bool,
}

/// Where to look for roots.
#[derive(Debug, clap::Args)]
pub(crate) struct MachineArgs {
    /// Look for roots on the system whose root file system is mounted at DIR (from a rescue system).
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(crate) sysroot: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people: grouped by image, worst first.
    Human,
    /// For scripts: one stable, versioned document.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DepthArg {
    /// Records, names and sizes; reads no layer.
    Quick,
    /// And rehash every blob.
    Blobs,
    /// And compare every unpacked snapshot with its layer.
    Full,
}

impl From<DepthArg> for Depth {
    fn from(depth: DepthArg) -> Self {
        match depth {
            DepthArg::Quick => Depth::Quick,
            DepthArg::Blobs => Depth::Blobs,
            DepthArg::Full => Depth::Full,
        }
    }
}

impl CheckArgs {
    /// What the library is asked for of `root`.
    pub(crate) fn options(&self, root: &Path) -> CheckOptions {
        CheckOptions::default()
            .depth(self.depth.into())
            .namespaces(self.namespaces.clone())
            .images(self.images.clone())
            .at_risk(self.at_risk.known(root))
            .accept_unread(self.accept_unread)
            .elsewhere(verifier_core::host::elsewhere(&self.machine.sysroot, root))
            .threads(self.threads.map_or(0, usize::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn options_are_what_was_asked_for() {
        let line =
            ["containerd-fsck", "check", "--depth", "blobs", "--namespace", "a", "-n", "b", "--image", "x"];
        let cli = Cli::try_parse_from(line.into_iter().chain(["--threads", "3"])).unwrap();
        let Command::Check(args) = cli.command else { panic!("not a check") };
        let options = args.options(Path::new("/x"));
        assert_eq!(options.depth, Depth::Blobs);
        assert_eq!((options.namespaces, options.images), (vec!["a".into(), "b".into()], vec!["x".into()]));
        assert_eq!(options.threads, 3);
    }
}
