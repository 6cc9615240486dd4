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
mod many;
mod name;
mod pair;
#[cfg(target_arch = "aarch64")]
mod sha256_aarch64;
#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
mod sha256_two;
#[cfg(target_arch = "x86_64")]
mod sha256_x86;

pub use chain::{ChainId, DiffId, chain_ids};
pub use hash::Hasher;
pub use many::{Feed, Hashed, LANE_BYTES, Message, hash_all};
pub use name::{Algorithm, Digest, ParseDigestError};
pub use pair::Sha256;
