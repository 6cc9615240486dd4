//! Snapshotters on disk: where each keeps its trees, and what a tree occupies.
//!
//! ```text
//! io.containerd.snapshotter.v1.<name>/
//!   metadata.db                          the snapshotter's records (metadata/snapshotter_db.rs)
//!   overlayfs   snapshots/<id>/fs        what the layer changes; work beside it while it is active
//!   native      snapshots/<id>           the whole tree
//!   btrfs       active/<id> view/<id> snapshots/<id>    subvolumes, the whole tree
//! ```
//!
//! Sources: plugins/snapshots/{overlay,native,btrfs} of containerd 2.1; the same in snapshots/ of 1.6 and 1.7.

mod driver;
mod erofs;
mod usage;

pub use driver::Driver;
pub(crate) use driver::HOLDERS;
pub use erofs::ErofsLayer;
pub(crate) use erofs::{EROFS, erofs_folder};
pub use usage::{TreeUsage, usage};
