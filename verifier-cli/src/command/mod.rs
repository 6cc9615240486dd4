//! The subcommands, one file each.

mod alone;
mod check;
mod demo;
mod explain;
mod from;
mod install_units;
mod interrupt;
mod output;
mod repair;
mod roots;
mod runs;
mod stamp;
mod status;
mod sweep;
mod told;

pub(crate) use output::{complain, main};
