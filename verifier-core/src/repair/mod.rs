//! Puts right what a check found, with the fewest bytes, and loses nothing on the way.

pub mod disk;
mod journal;
pub mod locked;
pub mod plan;
mod replace;
mod run;
pub mod source;
#[cfg(test)]
mod tests;
mod undo;

pub use replace::{ReplaceError, replace};
pub use run::{Change, Put, Run};
pub use undo::{Left, Undone, undo};
