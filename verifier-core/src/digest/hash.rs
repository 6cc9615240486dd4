//! Hashing, a stream at a time.

use sha2::Digest as _;

use super::pair::{Pairing, Sha256};
use super::{Algorithm, Digest};

/// A hash in the making.
#[derive(Clone)]
#[non_exhaustive]
pub enum Hasher {
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-384.
    Sha384(sha2::Sha384),
    /// SHA-512.
    Sha512(sha2::Sha512),
}

impl Hasher {
    /// A hasher for `algorithm`, or `None` for one that this library cannot compute.
    #[must_use]
    pub fn new(algorithm: &Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::Sha256 => Some(Hasher::sha256()),
            Algorithm::Sha384 => Some(Hasher::Sha384(sha2::Sha384::new())),
            Algorithm::Sha512 => Some(Hasher::Sha512(sha2::Sha512::new())),
            Algorithm::Other(_) => None,
        }
    }

    /// A SHA-256 hasher.
    #[must_use]
    pub fn sha256() -> Self {
        Hasher::Sha256(Sha256::default())
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Sha256(hasher) => hasher.update(bytes),
            Hasher::Sha384(hasher) => hasher.update(bytes),
            Hasher::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// Takes in the next bytes of two messages. Two SHA-256 go faster together than one after the other, best with
    /// about as many whole blocks (64 bytes) each.
    pub fn update_two(&mut self, bytes: &[u8], other: &mut Hasher, other_bytes: &[u8]) {
        Hasher::update_by(Pairing::detect(), [self, other], [bytes, other_bytes]);
    }

    pub(super) fn update_by(pairing: Pairing, hashers: [&mut Hasher; 2], [bytes_a, bytes_b]: [&[u8]; 2]) {
        match hashers {
            [Hasher::Sha256(a), Hasher::Sha256(b)] => Sha256::update_by(pairing, [a, b], [bytes_a, bytes_b]),
            [a, b] => {
                a.update(bytes_a);
                b.update(bytes_b);
            }
        }
    }

    /// The digest of all bytes taken in.
    #[must_use]
    pub fn finish(self) -> Digest {
        match self {
            Hasher::Sha256(hasher) => Digest::from_bytes(Algorithm::Sha256, &hasher.finish()),
            Hasher::Sha384(hasher) => Digest::from_bytes(Algorithm::Sha384, &hasher.finalize()),
            Hasher::Sha512(hasher) => Digest::from_bytes(Algorithm::Sha512, &hasher.finalize()),
        }
    }

    /// The SHA-256 digest of `bytes`, or that of another algorithm this library can compute.
    pub(crate) fn digest(algorithm: &Algorithm, bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::new(algorithm).unwrap_or_else(Hasher::sha256);
        hasher.update(bytes);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        // FIPS 180-2's "abc".
        for (algorithm, start) in [
            (Algorithm::Sha256, "ba7816bf8f01cfea"),
            (Algorithm::Sha384, "cb00753f45a35e8b"),
            (Algorithm::Sha512, "ddaf35a193617aba"),
        ] {
            let mut hasher = Hasher::new(&algorithm).unwrap();
            hasher.update(b"a");
            hasher.update(b"bc");
            let digest = hasher.finish();
            assert!(digest.encoded().starts_with(start));
            assert_eq!(digest.algorithm(), &algorithm);
        }
        assert!(Hasher::new(&Algorithm::Other("blake3".into())).is_none());
    }
}
