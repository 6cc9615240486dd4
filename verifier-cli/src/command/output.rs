//! From the command line to a subcommand, and from its result to the streams.

use std::fmt::Display;
use std::io::{self, Write};

use clap::Parser as _;

use crate::args::{Cli, Command};
use crate::exit::Status;

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
        Command::Demo(args) => super::demo::run(&args, cli.color),
    }
}

/// One line on stderr. A closed stderr is no reason to fail, let alone to panic as `eprintln!` does.
pub(super) fn complain(line: impl Display) {
    let _ = writeln!(io::stderr(), "containerd-fsck: {line}");
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
