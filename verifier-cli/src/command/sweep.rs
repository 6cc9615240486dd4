//! `sweep`: a full check, spread over many runs.

use std::io;
use std::path::Path;

use verifier_core::Interrupt;
use verifier_core::Store;
use verifier_core::sweep::{BackupError, Lock, LockError, Pace, Run, StateDir, Swept, add_run, sweep};

use super::output::{Level, complain, log, print};
use crate::args::{Color, Format, PlaceArgs, SweepArgs};
use crate::exit::Status;
use crate::render::{
    Progress, Style, count, escape, escape_path, human, journal, json, metrics, npd, size, span,
};

/// Sweeps for as long as `args` say.
pub(super) fn run(args: &SweepArgs, color: Color) -> Status {
    let status = try_run(args, color).unwrap_or_else(|status| status);
    if args.monitor.npd { npd::exit(status) } else { status }
}

fn try_run(args: &SweepArgs, color: Color) -> Result<Status, Status> {
    let (root, state) = place(&args.place)?;
    // Of what is no root nothing is kept.
    Store::open(&root).map_err(|error| super::check::explain_open_error(&root, &error))?;
    state.make(&root).map_err(|error| failed(state.folder(), &error))?;
    let lock = lock(&state, "sweep")?;
    // As gentle to the processors as to the disk; the class of I/O is set by the unit, or by ionice.
    let _ = rustix::process::setpriority_process(None, 19);
    let interrupt = super::interrupt::on_signals();
    let swept = sweep_root(&root, &state, &lock, args, &interrupt)?;
    if let Err(error) = add_run(&state, &lock, Run::of(&swept, !interrupt.is_raised())) {
        complain(format_args!("the run could not be remembered: {error}"));
    }
    tell(&swept);
    let status = Status::of_report(&swept.report, args.strict, interrupt.is_raised());
    let status = status | metrics::write_of(&args.monitor, &swept.report, args.strict, Some(&swept));
    if args.monitor.npd {
        return Ok(print(status, |out| npd::write(out, &swept.report, args.strict)));
    }
    let style = Style::new(color, &io::stdout());
    Ok(print(status, |out| match args.format {
        Format::Json => json::write(out, &swept.report, args.strict),
        Format::Human if journal::is_stdout() => journal::write(out, &swept.report, args.strict),
        Format::Human if args.quiet => human::write_line(out, &swept.report, args.strict, style),
        Format::Human => {
            human::write(out, &swept.report, args.strict, style)?;
            coverage(out, &swept)
        }
    }))
}

fn sweep_root(
    root: &Path,
    state: &StateDir,
    lock: &Lock,
    args: &SweepArgs,
    interrupt: &Interrupt,
) -> Result<Swept, Status> {
    let pace = Pace::new(args.pace(), interrupt.clone());
    let store = Store::open_with(root, pace.gate())
        .map_err(|error| super::check::explain_open_error(root, &error))?;
    let progress = Progress::new(!args.quiet && !args.monitor.npd);
    let options = args.options();
    let swept = progress.during(|| sweep(&store, state, lock, &options, &progress, interrupt));
    swept.map_err(|error| {
        complain(escape(error.to_string()));
        Status::INCOMPLETE
    })
}

/// What happened besides.
fn tell(swept: &Swept) {
    if swept.ledger_damaged {
        complain("the ledger was damaged: it is kept as ledger.damaged, and what it said is verified again");
    }
    for (path, made) in &swept.backups {
        match made {
            Ok(backup) => log(
                Level::Info,
                format_args!(
                    "{}: transaction {} copied, {}",
                    escape_path(path),
                    backup.txid,
                    size(backup.bytes)
                ),
            ),
            Err(BackupError::Damaged) => complain(format_args!("{}: damaged, not copied", escape_path(path))),
            // A root that never had one.
            Err(BackupError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => complain(format_args!("{}: not copied: {error}", escape_path(path))),
        }
    }
}

fn coverage(out: &mut dyn io::Write, swept: &Swept) -> io::Result<()> {
    let oldest = match swept.oldest_seconds.and_then(|seconds| u64::try_from(seconds).ok()) {
        Some(seconds) => format!("the oldest {} ago", span(std::time::Duration::from_secs(seconds))),
        None if swept.subjects == 0 => return Ok(()),
        None => "some never yet".into(),
    };
    writeln!(out, "Verified this time: {} of {}; {oldest}.", swept.verified, count(swept.subjects, "subject"))
}

/// The root, and what is kept of it.
pub(super) fn place(args: &PlaceArgs) -> Result<(std::path::PathBuf, StateDir), Status> {
    let root = args.root.clone().map_or_else(|| super::check::the_one_root(&args.machine), Ok)?;
    let state = args.state.of(&root);
    Ok((root, state))
}

/// Takes the lock, or says who holds it.
pub(super) fn lock(state: &StateDir, what: &str) -> Result<Lock, Status> {
    state.lock(what).map_err(|error| match error {
        LockError::Io(error) => failed(state.folder(), &error),
        held => {
            complain(escape(held.to_string()));
            Status::INCOMPLETE
        }
    })
}

pub(super) fn failed(path: &Path, error: &io::Error) -> Status {
    complain(format_args!("{}: {error}", escape_path(path)));
    Status::INCOMPLETE
}
