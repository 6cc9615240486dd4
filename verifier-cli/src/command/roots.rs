//! `roots`: the containerd roots of this machine.

use verifier_core::host::{Machine, find};

use super::output::{complain, print};
use crate::args::{Format, RootsArgs};
use crate::exit::Status;
use crate::render::roots;

/// Lists the roots; finding none is an answer too.
pub(super) fn run(args: &RootsArgs) -> Status {
    let found = find(&Machine::at(&args.machine.sysroot));
    if found.is_empty() {
        complain("no containerd root found on this machine");
    }
    print(Status::CLEAN, |out| match args.format {
        Format::Human => roots::write_human(out, &found),
        Format::Json => roots::write_json(out, &found),
    })
}
