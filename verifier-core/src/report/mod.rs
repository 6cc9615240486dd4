//! What a run found, and what it did not look at.

mod database;
mod run;

pub use database::{DatabaseReport, MetaPage, SalvageReport, StrayReport};
pub use run::{Outcome, Report};
