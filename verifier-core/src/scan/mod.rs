//! Every fact of a store, read once. No judgement.

mod databases;
mod documents;
mod inventory;
mod mode;
mod own_files;
mod platforms;
mod view;

pub use databases::{DatabaseFacts, DatabaseState};
pub(crate) use documents::children;
pub use documents::{DocumentFact, DocumentState, Documents, LayerOfChain};
pub use inventory::{Holder, Inventory, Snapshotter, scan};
pub use mode::Mode;
pub(crate) use own_files::CRI_CONTAINERS;
pub use own_files::{LeftPath, OwnFiles, UuidState};
pub use platforms::Platforms;
pub use view::{DatabaseView, KeyCounts, OtherState, PageCounts, Usability};
