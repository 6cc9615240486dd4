//! What is kept between runs, outside of any containerd root: who is at work, what is in doubt, copies of the databases.
//!
//! [`StateDir`] says what lies where. Repairs and sweeps share it; nothing here writes below a containerd root.

pub mod backups;

mod doubt;
mod state_dir;

pub use backups::{Backup, BackupError, Keep};
pub use doubt::Doubt;
pub use state_dir::{Lock, LockError, StateDir};
