//! Layers that no image builder would write: tars made byte by byte, a catalogue with one image for each rule of
//! containerd's apply, and random ones.

mod entry;
mod formats;
mod random;
mod refused;
mod rules;
mod writer;

pub use entry::{Dialect, Entry};
pub use random::Candidates;
pub use refused::refused;
pub use rules::{Image, images};
pub use writer::Layer;
