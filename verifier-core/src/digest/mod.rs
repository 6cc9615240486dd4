//! Digests: names of content, and the hashing that proves them.
//!
//! ```text
//! digest     algorithm ":" encoded          OCI image-spec, descriptor.md; go-digest, digest.go
//! algorithm  component (separator component)*   component [a-z0-9]+   separator [+._-]
//! encoded    [a-zA-Z0-9=_-]+                sha256: 64, sha384: 96, sha512: 128 lower-case hex characters
//! DiffID     digest of a layer's uncompressed tar
//! ChainID    ChainID(0) = DiffID(0); ChainID(n) = sha256(ChainID(n-1) + " " + DiffID(n))   image-spec, config.md
//! ```

mod chain;
mod hash;
mod name;

pub use chain::{ChainId, DiffId, chain_ids};
pub use hash::{Hasher, hash_source};
pub use name::{Algorithm, Digest, ParseDigestError};
