//! `repair`: from arguments to the library's three calls, and from what came of them to an exit status.

use std::io;
use std::path::{Path, PathBuf};

use verifier_core::host::{DEFAULT_ADDRESS, Machine, address_of};
use verifier_core::repair::disk::{Disk, StepGate};
use verifier_core::repair::source::Source;
use verifier_core::repair::{Repair, RepairError, Repaired, Setup};
use verifier_core::{Interrupt, Store};

use super::check::{explain_open_error, the_one_root};
use super::output::{Level, complain, print, remark};
use super::{alone, told::Told};
use crate::args::{Color, Format, RepairArgs};
use crate::exit::Status;
use crate::render::repair::{Asked, write_human, write_json};
use crate::render::{Progress, Style, escape, journal, size};

/// Repairs what `args` say, and prints the plan and what came of it.
pub(super) fn run(args: &RepairArgs, color: Color) -> Status {
    let root = match args.root.clone().map_or_else(|| the_one_root(&args.machine), Ok) {
        Ok(root) => root,
        Err(status) => return status,
    };
    let store = match Store::open(&root) {
        Ok(store) => store,
        Err(error) => return explain_open_error(&root, &error),
    };
    if args.runs || args.undo.is_some() || args.purge.is_some() {
        let gate = StepGate::default();
        return super::runs::run(args, Disk::new(store.folder(), &gate), &root);
    }
    repair(args, &store, color).unwrap_or_else(|status| status)
}

fn repair(args: &RepairArgs, store: &Store, color: Color) -> Result<Status, Status> {
    let root = store.root();
    let sources = open_sources(&args.sources)?;
    let only = args.from.as_deref().map(super::from::subjects).transpose()?;
    let interrupt = super::interrupt::on_signals();
    let address = address(args, root);
    let setup = Setup::default()
        .check(args.check_options(root))
        .options(args.options())
        .only(only)
        .state(Some(args.at_risk.state.of(root)))
        .socket(address.clone());
    let told = Told::new(Progress::new(!args.quiet && !args.no_progress), !args.quiet && !args.no_progress);
    let repaired = told.during(|| carry_out(args, (store, &setup), sources, (&told, &interrupt)))?;
    if let Some(error) = &repaired.doubt_error {
        complain(format_args!("the next sweep begins anew: {error}"));
    }
    tell_retained(&repaired);
    let status = Status::of_repaired(&repaired, interrupt.is_raised());
    let asked = Asked { repaired: &repaired, address: &address };
    let style = Style::new(color, &io::stdout());
    Ok(print(status, |out| match args.format {
        Format::Human if journal::is_stdout() => journal::write_repair(out, &asked),
        Format::Human => write_human(out, &asked, style),
        Format::Json => write_json(out, &asked),
    }))
}

/// Which former runs are gone.
fn tell_retained(repaired: &Repaired) {
    for run in &repaired.retained.deleted {
        let (id, bytes) = (escape(&run.id), size(run.size_bytes));
        remark(Level::Info, format_args!("run {id} was deleted, for its age or its size: {bytes}"));
    }
    for (id, error) in &repaired.retained.failed {
        complain(format_args!("run {} could not be deleted: {}", escape(id), escape(error.to_string())));
    }
}

/// The three calls; or, where nothing is to be changed, one.
fn carry_out(
    args: &RepairArgs,
    (store, setup): (&Store, &Setup),
    mut sources: Vec<Source>,
    (told, interrupt): (&Told, &Interrupt),
) -> Result<Repaired, Status> {
    let fail = |error: RepairError| alone::explain(&error);
    if !args.yes {
        let planned = Repair::preview(store, setup, &mut sources, told, interrupt).map_err(fail)?;
        return Ok(planned.into_repaired());
    }
    match Repair::open(store, setup, sources) {
        Ok(mut repair) => {
            alone::tell(repair.exclusive(), &args.at_risk.state.of(store.root()));
            let planned = repair.plan(told, interrupt).map_err(fail)?;
            Ok(repair.apply(planned, told, interrupt))
        }
        // Nothing can be written: what would be done is shown all the same.
        Err(error) if is_read_only(&error) => {
            let mut sources = open_sources(&args.sources)?;
            let planned = Repair::preview(store, setup, &mut sources, told, interrupt).map_err(fail)?;
            let mut repaired = planned.into_repaired();
            repaired.trouble = Some(error);
            Ok(repaired)
        }
        Err(error) => Err(fail(error)),
    }
}

/// The socket that was named, or the one of the containerd that uses this root.
fn address(args: &RepairArgs, root: &Path) -> PathBuf {
    let named = args.address.clone();
    let found = || address_of(&Machine::at(&args.machine.sysroot), root);
    named.or_else(found).unwrap_or_else(|| DEFAULT_ADDRESS.into())
}

fn is_read_only(error: &RepairError) -> bool {
    error.errno() == Some(rustix::io::Errno::ROFS.raw_os_error())
}

fn open_sources(paths: &[std::path::PathBuf]) -> Result<Vec<Source>, Status> {
    let open = |path: &Path| {
        Source::open(path).map_err(|error| {
            complain(escape(error.to_string()));
            Status::USAGE
        })
    };
    paths.iter().map(|path| open(path)).collect()
}
