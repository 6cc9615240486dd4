//! The checks.

pub mod tree;
