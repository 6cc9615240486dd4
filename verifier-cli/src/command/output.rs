//! From the command line to a subcommand, and from its result to the streams.

use std::fmt::Display;
use std::io::{self, Write};

use clap::Parser as _;

use crate::args::{Cli, Command};
use crate::exit::Status;
use crate::render::journal;

/// Reads the command line and does what it says.
pub(crate) fn main() -> Status {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => {
            // Help and version are answers, the rest are mistakes; clap's own status for those is 2.
            let is_mistake = answer.use_stderr();
            let _ = answer.print();
            return if is_mistake { Status::USAGE } else { Status::CLEAN };
        }
    };
    match cli.command {
        Command::Check(args) => super::check::run(&args, cli.color),
        Command::Repair(args) => super::repair::run(&args, cli.color),
        Command::Explain { code } => super::explain::run(code.as_deref()),
        Command::Roots(args) => super::roots::run(&args),
        Command::Sweep(args) => super::sweep::run(&args, cli.color),
        Command::Status(args) => super::status::run(&args),
        Command::Stamp(args) => super::stamp::run(&args),
        Command::Guard(args) => super::stamp::guard(&args),
        Command::InstallUnits(args) => super::install_units::run(&args),
        Command::Demo(args) => super::demo::run(&args, cli.color),
    }
}

/// How much a line in the journal matters (sd-daemon(3)).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Level {
    Error = 3,
    Warning = 4,
    Info = 6,
}

/// One line on stderr for the journal; nothing elsewhere, where people wait for what they asked for.
pub(super) fn log(level: Level, line: impl Display) {
    if journal::is_stderr() {
        let _ = writeln!(io::stderr(), "<{}>{line}", level as u8);
    }
}

/// One line on stderr that tells of no error: its level is for the journal.
pub(crate) fn remark(level: Level, line: impl Display) {
    if journal::is_stderr() {
        return log(level, line);
    }
    let _ = writeln!(io::stderr(), "containerd-fsck: {line}");
}

/// One line on stderr. A closed stderr is no reason to fail, let alone to panic as `eprintln!` does.
pub(crate) fn complain(line: impl Display) {
    remark(Level::Error, line);
}

/// Writes to stdout with `write`, and adds to `status` if that fails.
///
/// A reader that went away (`| head`) has what it wanted; a full disk has not.
pub(super) fn print(status: Status, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Status {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(format_args!("standard output: {error}"));
            status | Status::INCOMPLETE
        }
        _ => status,
    }
}
