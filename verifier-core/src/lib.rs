//! Reads a containerd root, proves what in it is damaged, and puts it right.
//!
//! ```text
//! Store::open(root)            what is this folder?
//!   scan(&store)          ──► Inventory   every fact, read once; no judgement
//!   Plan::new(&inventory) ──► Plan        which checks, in which order, what each costs; pure
//!   verify(&plan)         ──► Report      findings and coverage; events to an Observer on the way
//! ```
//!
//! [`check`] is the four in one call. What it found can be put right:
//!
//! ```text
//! look(&store)                              ──► Checked      the report, with the facts that it was made from
//!   RepairPlan::new(&checked, …)            ──► RepairPlan   actions and refusals, each with its reason; pure
//!   apply(&plan, …, disk, rows)             ──► Applied      journalled, and undone by repair::undo
//! ```
//!
//! The library is silent: it prints nothing and exits nothing, and only [`repair`] and [`sweep`](mod@sweep) write.

pub mod bolt;
pub mod compare;
pub mod content;
pub mod digest;
pub mod event;
pub mod finding;
pub mod host;
pub mod io;
pub mod layer;
pub mod layout;
#[cfg(feature = "live")]
pub mod live;
pub mod metadata;
pub mod oci;
pub mod plan;
pub mod repair;
pub mod report;
pub mod scan;
pub mod snapshot;
pub mod sweep;
pub mod text;
pub mod time;
pub mod verify;

mod check;
mod interrupt;
mod state;
mod store;
mod texts;

pub use check::{Checked, check, look};
pub use interrupt::Interrupt;
pub use plan::{CheckError, CheckOptions, Plan};
pub use scan::{Inventory, scan};
pub use store::{OpenError, Store};
