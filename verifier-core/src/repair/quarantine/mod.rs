//! What keeps the originals: everything that is taken out or replaced goes into a run's folder, with a journal that leads back.

pub mod disk;
pub(in crate::repair) mod journal;
pub(in crate::repair) mod purge;
pub(in crate::repair) mod run;
pub(in crate::repair) mod undo;

pub use purge::{KeptRun, Retention, purge, retain, runs};
pub use run::{Change, Put, Run};
pub use undo::{Left, UndoError, Undone, undo};
