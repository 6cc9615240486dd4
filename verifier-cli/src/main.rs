//! `containerd-fsck`: finds and proves damage in a containerd root.

mod args;
mod command;
mod edge;
mod exit;
mod render;
#[cfg(test)]
mod sample;
mod words;

fn main() -> std::process::ExitCode {
    edge::contain(command::main).into()
}
