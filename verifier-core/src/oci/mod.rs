//! Indexes, manifests and configs: bytes to what an image is made of.
//!
//! The shapes are the image-spec's, with Docker schema 2's media types; of each document only what leads from an image
//! to its layers is kept. The `oci-spec` crate serves as the oracle in the tests and not here: it refuses documents
//! that Go's decoder, and so containerd, takes (`null` for a list, a config without `architecture`; see the tests),
//! and each of those would be a false alarm.

mod allowance;
mod document;
mod json;
mod media_type;

pub(crate) use allowance::Allowance;
pub use document::{Config, Descriptor, Document, Index, Manifest, parse};
pub(crate) use document::{guess_kind, parse_within};
pub use media_type::{DocumentKind, is_image_config, is_layer};
