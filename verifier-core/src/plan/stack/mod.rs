//! What a snapshot is built on: its parents, and the layers that made all of them.

pub(super) mod layers;
pub(super) mod lowers;
pub(super) mod origins;
pub(super) mod stacks;

pub(crate) use layers::Answers;
pub use layers::{LayerSource, Layers};
pub use lowers::Lowers;
