//! Changes of containerd's metadata: under the locks of a stopped store, or through the API of a running containerd.

pub(in crate::repair) mod change;
pub(in crate::repair) mod contract;
#[cfg(feature = "live")]
pub(in crate::repair) mod keep;
#[cfg(feature = "live")]
pub(in crate::repair) mod live;
pub mod locked;
pub(in crate::repair) mod stopped;

pub use contract::{NoRows, Rows};
#[cfg(feature = "live")]
pub use live::LiveRows;
pub use stopped::LockedRows;
