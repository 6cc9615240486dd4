//! `check`: one root, from its folder to an exit status.

use std::io;
use std::path::{Path, PathBuf};

use verifier_core::Interrupt;
use verifier_core::host::{Advice, Choice, Machine, advise, choose, find};
use verifier_core::report::Report;
use verifier_core::{CheckError, CheckOptions, OpenError, Store, check};

use super::output::{Level, complain, print, remark};
use crate::args::{CheckArgs, Color, Format, MachineArgs};
use crate::exit::Status;
use crate::render::{Progress, Style, escape, human, journal, json, metrics, npd, roots};
use crate::words;

/// Checks what `args` say and prints the report.
pub(super) fn run(args: &CheckArgs, color: Color) -> Status {
    let status = try_run(args, color).unwrap_or_else(|status| status);
    if args.monitor.npd { npd::exit(status) } else { status }
}

fn try_run(args: &CheckArgs, color: Color) -> Result<Status, Status> {
    let root = args.root.clone().map_or_else(|| the_one_root(&args.machine), Ok)?;
    let interrupt = super::interrupt::on_signals();
    let progress = Progress::new(!args.quiet && !args.no_progress && !args.monitor.npd);
    let report = check_root(&root, &args.options(&root), &progress, &interrupt)?;
    let status = Status::of_report(&report, args.strict, interrupt.is_raised());
    let status = status | metrics::write_of(&args.monitor, &report, args.strict, None);
    if args.monitor.npd {
        return Ok(print(status, |out| npd::write(out, &report, args.strict)));
    }
    let style = Style::new(color, &io::stdout());
    Ok(print(status, |out| match args.format {
        Format::Json => json::write(out, &report, args.strict),
        Format::Human if journal::is_stdout() => journal::write(out, &report, args.strict),
        Format::Human if args.quiet => human::write_line(out, &report, args.strict, style),
        Format::Human => human::write(out, &report, args.strict, style),
    }))
}

/// Opens `root` and checks it, showing `progress`; what stops it is said on stderr.
pub(super) fn check_root(
    root: &Path,
    options: &CheckOptions,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<Report, Status> {
    let store = Store::open(root).map_err(|error| explain_open_error(root, &error))?;
    let checked = progress.during(|| check(&store, options, progress, interrupt));
    checked.map_err(|error| explain_check_error(&error))
}

/// Says why there is no store, and where it may be.
pub(super) fn explain_open_error(root: &Path, error: &OpenError) -> Status {
    complain(escape(error.to_string()));
    let advice = advise(root).into_iter();
    for advice in advice.filter(|advice| matches!(advice, Advice::NotMounted { .. })) {
        remark(Level::Warning, words::host(&advice));
    }
    Status::of_open_error(error)
}

/// Says why nothing could be checked.
pub(super) fn explain_check_error(error: &CheckError) -> Status {
    complain(match error {
        CheckError::NoSuch { what, name } => format!("no {what} '{}' in this store", escape(name)),
        other => escape(other.to_string()),
    });
    Status::of_check_error(error)
}

/// The root to check when none is named.
pub(super) fn the_one_root(args: &MachineArgs) -> Result<PathBuf, Status> {
    let found = find(&Machine::at(&args.sysroot));
    match choose(&found) {
        Choice::One(root) => Ok(root.path.clone()),
        Choice::None => {
            complain("no containerd root found on this machine; name one with --root DIR");
            let _ = roots::write_human(&mut io::stderr(), &found);
            Err(Status::USAGE)
        }
        Choice::Several => {
            complain("several containerd roots on this machine; name one with --root DIR:");
            let _ = roots::write_human(&mut io::stderr(), &found);
            Err(Status::USAGE)
        }
    }
}
