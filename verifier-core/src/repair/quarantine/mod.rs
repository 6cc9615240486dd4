//! What keeps the originals: everything that is taken out or replaced goes into a run's folder, with a journal that leads back.

pub mod disk;
pub(in crate::repair) mod journal;
pub(in crate::repair) mod lines;
pub(in crate::repair) mod purge;
pub(in crate::repair) mod run;
mod seen;
#[cfg(test)]
mod tests;
mod tree;
pub(in crate::repair) mod undo;

pub use lines::JournalFault;
pub use purge::{KeptRun, Retained, Retention, Stray, purge, retain, runs, strays};
pub use run::{Change, Put, Run};
pub use undo::{Left, UndoError, Undone, undo};
