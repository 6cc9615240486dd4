//! The subcommands, one file each.

mod check;
mod demo;
mod explain;
mod from;
mod interrupt;
mod output;
mod repair;
mod roots;
mod runs;

pub(crate) use output::main;
