//! A snapshot's tree against the layer that it was unpacked from: what differs, byte for byte.
//!
//! The layer's blob is read once, in a stream: one thread decompresses it, another hashes it (blob digest and
//! DiffID), parses the tar and compares each regular file's bytes with the file on disk as they pass by. Small files it hands on,
//! bytes and all, to others, up to four, which wait for the disk in its stead. What a file came to is kept with its inode in the
//! model ([`crate::layer::tree`]), so that an entry which a later one replaces is forgotten. At the end the tree is walked once
//! beside the model. (A second pass is needed where a file's first name was replaced while a hard link keeps its bytes: the bytes
//! have gone by under the wrong name.)
//!
//! Memory does not depend on the size of the layer or of any file: buffers of 256 KiB, twenty at most, and about 100 bytes for
//! each name in the tree. Nothing outside of the tree is ever opened, and nothing in it that is not a regular file or a folder.

mod batch;
mod compare;
mod comparers;
mod content;
mod difference;
mod extract;
mod files;
mod folders;
mod hashes;
mod lowers;
mod metadata;
mod pipe;
mod report;
mod request;
mod walk;

pub use crate::finding::{NotCompared, StoppedEarly};
pub use compare::compare_layer;
pub(crate) use compare::{Modelled, compare_modelled};
pub(crate) use difference::as_path;
pub(crate) use extract::{ExtractError, LayerDigests, Piece, extract};
pub use folders::read_folders;
pub(crate) use folders::read_folders_hashed;
pub use lowers::LowerLayers;
pub(crate) use lowers::{Inheritance, Lower};
pub use report::{BareParents, LayerError, TreeReport};
pub use request::{CompareOptions, LayerBlob, LayerComparison};
