//! Reads a containerd root, proves what in it is damaged, and puts it right.
//!
//! # Check
//!
//! ```text
//! Store::open(root)            what is this folder?
//!   scan(&store)          ──► Inventory   every fact, read once; no judgement
//!   Plan::new(&inventory) ──► Plan        which checks, in which order, what each costs; pure
//!   verify                ──► Report      findings and coverage; events go to an Observer on the way
//! ```
//!
//! [`check`] is the four in one call. Damage is a finding; that something could not be looked at is coverage; an error is only that there
//! is nothing to check.
//!
//! ```no_run
//! use verifier_core::event::Unobserved;
//! use verifier_core::{CheckOptions, Interrupt, Store, check};
//!
//! let store = Store::open("/var/lib/containerd".as_ref())?;
//! let report = check(&store, &CheckOptions::default(), &Unobserved, &Interrupt::default())?;
//! for finding in &report.findings {
//!     println!("{}: {finding}", finding.code());
//! }
//! for gap in report.coverage.gaps() {
//!     println!("not checked: {}: {}", gap.subject, gap.reason);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Repair
//!
//! ```text
//! Repair::open(&store)   the locks of a stopped store, in their order; none where a containerd holds it
//!   .plan()         ──►  Planned     a look, and what would be done: actions and refusals, each with its reason
//!   .apply(planned) ──►  Repaired    journalled, looked at again, with its verdict; repair::undo puts it back
//! ```
//!
//! ```no_run
//! use verifier_core::event::Unobserved;
//! use verifier_core::repair::{Repair, RepairOutcome, Setup};
//! use verifier_core::{Interrupt, Store};
//!
//! let store = Store::open("/var/lib/containerd".as_ref())?;
//! let (setup, interrupt) = (Setup::default(), Interrupt::default());
//! let mut repair = Repair::open(&store, &setup, Vec::new())?;
//! let planned = repair.plan(&Unobserved, &interrupt)?;
//! let repaired = repair.apply(planned, &Unobserved, &interrupt);
//! if repaired.outcome() == RepairOutcome::Healed {
//!     println!("to be pulled again: {:?}", repaired.pulls());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The library is silent: it prints nothing and ends no process, and only [`repair`] and [`sweep`](mod@sweep) write. `ARCHITECTURE.md` in
//! the repository says which room knows what.

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
