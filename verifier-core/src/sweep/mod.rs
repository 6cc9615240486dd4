//! What is kept between runs: when the machine last lived, what was verified when, copies of the databases; and the
//! sweep, a full check spread over many runs.

mod life;
mod state_dir;

pub use life::{Moment, beat, last_shutdown, window, write_stamp};
pub use state_dir::{Lock, LockError, StateDir, write_atomically};
