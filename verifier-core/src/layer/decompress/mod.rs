//! Blob bytes to tar bytes.
//!
//! ```text
//! gzip   1f 8b 08   members one after the other (RFC 1952); each ends with CRC-32 and length, little-endian
//! zstd   28 b5 2f fd, or a skippable frame 5? 2a 4d 18   frames one after the other (RFC 8878)
//! ```
//!
//! containerd goes by the media type first (`images.DiffCompression`): an OCI `…layer.v1.tar` is taken as it is,
//! whatever it looks like; `+gzip`, `+zstd` and Docker's types are sniffed (`compression.DetectCompression`), so that
//! a `+gzip` layer that is not compressed applies all the same.
//!
//! What follows a complete stream and is none of its kind is counted, not judged: Go's reader refuses it, `unpigz`,
//! which containerd uses where it is installed, does not. The blob's digest says whether it belongs there.

mod gzip;
mod media_type;
mod source;
mod stream;
mod zstd;

pub use media_type::Compression;
pub use source::Source;
pub use stream::{Decompressor, StreamError};
