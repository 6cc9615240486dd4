//! Stores to test with.

#[cfg(feature = "full")]
pub mod bed;
pub mod golden;
