//! The content store on disk.
//!
//! ```text
//! io.containerd.content.v1.content/            plugins/content/local/store.go
//!   blobs/<algorithm>/<encoded>                committed content, one file each
//!   ingest/<hex of sha256(backend ref)>/       a write that was begun
//!     ref                                      its backend ref: namespace/sequence/ref
//!     data                                     what was written so far
//!     startedat updatedat total                times as text, the expected size as text
//! ```

mod blobs;
mod ingests;

pub use blobs::{BlobFile, Blobs, ForeignName, list_blobs};
pub use ingests::{IngestFolder, list_ingests};
