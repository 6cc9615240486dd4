//! Layers that no image builder would write: tars made byte by byte, a catalogue with one image for each rule of
//! containerd's apply, and random ones.

mod entry;
mod random;
mod rules;
mod writer;

pub use entry::{Dialect, Entry};
pub use random::Candidates;
pub use rules::{Image, images, refused};
pub use writer::Layer;
