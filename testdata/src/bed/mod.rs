//! The test bed: real containerds, a registry and loop-mounted file systems, each owned by a value that takes it down.
//!
//! ```no_run
//! use testdata::bed::{self, Containerd, FsKind, LoopFs, Registry};
//!
//! let bed = bed::gate();
//! let registry = Registry::start(&bed);
//! registry.push(&bed.image("small"), "small:a");
//! for generation in bed.generations() {
//!     let fs = LoopFs::new(FsKind::Ext4, 1 << 30);
//!     let mut containerd = Containerd::start(&bed, generation, &fs.path().join("root"));
//!     containerd.pull(&registry.reference("small:a"));
//!     containerd.stop();
//! }
//! ```
//!
//! Everything here panics when it cannot do its work: that is how a test fails. Every wait is bounded. Declare what
//! depends on another value after it (a containerd after its file system): values drop in reverse order.
#![expect(clippy::panic, clippy::expect_used, reason = "a harness fails by panicking")]

mod containerd;
mod cri;
mod gate;
mod layout;
mod loopfs;
mod powercut;
mod process;
mod registry;

pub use containerd::{Containerd, Options};
pub use cri::Cri;
pub use gate::{Bed, Generation, gate};
pub use layout::{Compression, write_layout, write_noise};
pub use loopfs::{FsImage, FsKind, LoopFs};
pub use powercut::{CutAt, PowerCut, power_cut};
pub use process::{run, succeed};
pub use registry::{Registry, Request};
