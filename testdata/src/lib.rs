//! Stores to test with.

pub mod bed;
pub mod builder;
pub mod damage;
pub mod golden;
pub mod layers;
mod parallel;

pub use parallel::in_parallel;
