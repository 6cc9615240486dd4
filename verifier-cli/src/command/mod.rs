//! The subcommands, one file each.

mod check;
mod demo;
mod explain;
mod interrupt;
mod output;
mod roots;

pub(crate) use output::main;
