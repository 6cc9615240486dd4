//! The actions, one file or folder each.

pub(in crate::repair) mod correct;
pub(in crate::repair) mod evict;
pub(in crate::repair) mod folder;
pub mod rebuild;
pub(in crate::repair) mod replace;
pub mod restore;

pub use replace::{ReplaceError, replace};
