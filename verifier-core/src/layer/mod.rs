//! A layer's blob as the tree that containerd's apply makes of it. Nothing here sees a path on disk.
//!
//! ```text
//! blob ──decompress──► tar bytes ──tar──► entries ──tree──► the tree that must be on disk
//! ```
//!
//! Each step copies what containerd does, not what a specification says: a comparer that is stricter or laxer
//! than containerd reports damage that is none. The sources that were read are containerd's `pkg/archive/tar.go`,
//! `tar_unix.go` and `tar_opts_linux.go`, `core/diff/apply`, continuity's `fs/path.go`, and Go's `archive/tar`.

pub mod decompress;
mod fault;
mod flavour;
pub mod tar;
pub mod tree;

pub use fault::{LayerFault, Refusal, TarFault};
pub use flavour::Flavour;
