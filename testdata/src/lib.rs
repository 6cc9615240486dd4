//! Stores to test with.

#[cfg(feature = "full")]
pub mod bed;
#[cfg(feature = "full")]
pub mod builder;
pub mod golden;
