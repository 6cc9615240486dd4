//! What is kept between runs: when the machine last lived, what was verified when, copies of the databases; and the
//! sweep, a full check spread over many runs.
//!
//! [`StateDir`] says what lies where, [`sweep`](fn@sweep) does the work, [`backups`] is what a rebuild reads. Nothing here
//! writes below a containerd root.

mod items;
mod ledger;
mod life;
mod pace;
mod run;
mod runs;
mod stamp;

pub use crate::state::backups;
pub use crate::state::{Backup, BackupError, Doubt, Keep, Lock, LockError, StateDir};
pub use items::Item;
pub use ledger::{Entry, Ledger};
pub use life::{Moment, beat, last_shutdown, window, write_stamp};
pub use pace::{Pace, PaceOptions};
pub use run::{SweepError, SweepOptions, Swept, sweep};
pub use runs::{Run, add_run, runs};
pub use stamp::{StampError, leave_stamp};
