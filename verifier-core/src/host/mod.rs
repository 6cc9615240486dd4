//! The machine under a store: which containerd roots it has, who holds them, and what of it usually lies behind damage.
//!
//! Where to look for roots is containerd's, k3s's, rke2's, k0s's, microk8s's and Docker's defaults, the configuration files that
//! are there, and what running processes name on their command lines. A folder that several of these lead to, or that a symbolic
//! link leads to, is one root. Its socket is found the same way.
//!
//! ```text
//! find.rs      the roots, and the socket of each      state.rs     whether one is held
//! config.rs    what configuration files say           daemon.rs    what is known of the containerd of a root
//! process.rs   what command lines say                 advice.rs    what to look at, and what to set
//! machine.rs   a root file system, read with care     device.rs mounted.rs   what a root lies on
//! ```
//!
//! Read-only and quick; where something cannot be asked, nothing is said. **Nothing is executed**: what this command runs as root
//! on was written by others, and a version is read as text or not known. A process counts where root runs it, or the owner of the
//! root that it names.

mod advice;
mod config;
mod daemon;
mod device;
mod docker;
mod elsewhere;
mod find;
mod machine;
mod mounted;
mod process;
mod state;

pub use advice::{Advice, advise};
pub use device::Device;
pub use docker::GraphStore;
pub use elsewhere::{elsewhere, graph_stores};
pub use find::{Choice, DEFAULT_ADDRESS, Root, Source, address_of, choose, find};
pub use machine::Machine;
pub use state::State;
