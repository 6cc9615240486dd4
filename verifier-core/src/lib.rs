//! Reads a containerd root and proves what in it is damaged.

pub mod digest;
pub mod io;
