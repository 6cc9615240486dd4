//! Puts right what a check found, with the fewest bytes, and loses nothing on the way.

pub mod apply;
pub mod disk;
mod evict;
mod journal;
pub mod locked;
pub mod mounted;
pub mod plan;
mod purge;
mod replace;
pub mod restore;
mod rows;
mod run;
pub mod source;
#[cfg(test)]
mod tests;
mod undo;

pub use purge::{KeptRun, Retention, purge, retain, runs};
pub use replace::{ReplaceError, replace};
pub use run::{Change, Put, Run};
pub use undo::{Left, UndoError, Undone, undo};
