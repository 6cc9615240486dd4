//! Puts right what a check found, with the fewest bytes, and loses nothing on the way.

pub mod disk;
mod journal;
pub mod mounted;
pub mod restore;
mod run;
#[cfg(test)]
mod tests;
mod undo;

pub use run::{Change, Put, Run};
pub use undo::{Left, Undone, undo};
