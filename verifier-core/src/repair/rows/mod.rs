//! Changes of containerd's metadata: under the locks of a stopped store, or through the API of a running containerd.

pub(in crate::repair) mod change;
#[cfg(feature = "live")]
pub(in crate::repair) mod keep;
#[cfg(feature = "live")]
pub(in crate::repair) mod live;
pub mod locked;

#[cfg(feature = "live")]
pub use live::LiveRows;
