//! `roots`: the containerd roots of this machine.

use verifier_core::host::{Machine, find, graph_stores};

use super::output::{Level, complain, print, remark};
use crate::args::{Format, RootsArgs};
use crate::exit::Status;
use crate::render::{count, escape, escape_path, roots};

/// Lists the roots; finding none is an answer too.
pub(super) fn run(args: &RootsArgs) -> Status {
    let machine = Machine::at(&args.machine.sysroot);
    let found = find(&machine);
    if found.is_empty() {
        complain("no containerd root found on this machine");
    }
    for store in graph_stores(&machine) {
        let (images, layers) = (count(store.images, "image"), count(store.layers, "layer"));
        let (folder, driver) = (escape_path(&store.folder), escape(&store.driver));
        let what =
            format_args!("Docker's own store ({driver}), {images} in {layers}: no containerd root, not read");
        remark(Level::Warning, format_args!("{folder}: {what}"));
    }
    print(Status::CLEAN, |out| match args.format {
        Format::Human => roots::write_human(out, &found),
        Format::Json => roots::write_json(out, &found),
    })
}
