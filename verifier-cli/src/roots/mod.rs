//! The containerd roots of a machine.
//!
//! Where to look is containerd's, k3s's, rke2's, k0s's, microk8s's and Docker's defaults, the configuration files that
//! are there, and what running processes name on their command lines. A folder that several of these lead to, or that
//! a symbolic link leads to, is one root.

mod config;
mod daemon;
mod elsewhere;
mod find;
mod machine;
mod process;
mod state;

pub(crate) use daemon::daemon;
pub(crate) use elsewhere::{elsewhere, graph_stores};
pub(crate) use find::{Choice, Root, Source, choose, find};
pub(crate) use machine::Machine;
pub(crate) use state::State;
