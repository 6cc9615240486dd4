//! `demo`
use crate::args::{Color, DemoArgs};
use crate::exit::Status;
pub(super) fn run(args: &DemoArgs, _color: Color) -> Status {
    let _ = args.no_progress;
    Status::CLEAN
}
