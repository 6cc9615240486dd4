//! Stores to test with.

#[cfg(feature = "full")]
pub mod bed;
#[cfg(feature = "full")]
pub mod builder;
#[cfg(feature = "full")]
pub mod damage;
pub mod golden;
#[cfg(feature = "full")]
pub mod layers;
#[cfg(feature = "full")]
mod parallel;

#[cfg(feature = "full")]
pub use parallel::in_parallel;
