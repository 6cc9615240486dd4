//! `algorithm:encoded`, as containerd writes it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A digest's algorithm.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, what all registries serve.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// A registered or private algorithm that this library cannot compute (`blake3`, say).
    Other(Box<str>),
}

impl Algorithm {
    /// The algorithm's name in a digest.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha384 => "sha384",
            Algorithm::Sha512 => "sha512",
            Algorithm::Other(name) => name,
        }
    }

    /// The length of `encoded` in characters, where it is fixed.
    fn encoded_len(&self) -> Option<usize> {
        match self {
            Algorithm::Sha256 => Some(64),
            Algorithm::Sha384 => Some(96),
            Algorithm::Sha512 => Some(128),
            Algorithm::Other(_) => None,
        }
    }
}

impl FromStr for Algorithm {
    type Err = ParseDigestError;

    fn from_str(name: &str) -> Result<Self, ParseDigestError> {
        let component = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        match name {
            "sha256" => Ok(Algorithm::Sha256),
            "sha384" => Ok(Algorithm::Sha384),
            "sha512" => Ok(Algorithm::Sha512),
            other if other.split(['+', '.', '_', '-']).all(component) => Ok(Algorithm::Other(other.into())),
            _ => Err(ParseDigestError::Algorithm),
        }
    }
}

/// The name of some content: what its bytes must hash to. A large store's are in memory by the hundred thousand, and almost
/// all of them are SHA-256: those are kept as they are, without an allocation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(Name);

/// SHA-256 first, and each in the order of its text: hex has the order of its bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Name {
    Sha256([u8; 32]),
    Other(Arc<(Algorithm, Box<str>)>),
}

impl Digest {
    /// A digest of the two parts, if `encoded` is one for that algorithm.
    ///
    /// # Errors
    /// [`ParseDigestError::Encoded`].
    pub fn new(algorithm: Algorithm, encoded: &str) -> Result<Self, ParseDigestError> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b'_' | b'-');
        let good = match algorithm.encoded_len() {
            Some(len) => encoded.len() == len && encoded.bytes().all(hex),
            None => !encoded.is_empty() && encoded.bytes().all(word),
        };
        if !good {
            return Err(ParseDigestError::Encoded);
        }
        let mut bytes = [0; 32];
        let name = match algorithm {
            Algorithm::Sha256 if hex::decode_to_slice(encoded, &mut bytes).is_ok() => Name::Sha256(bytes),
            algorithm => Name::Other(Arc::new((algorithm, encoded.into()))),
        };
        Ok(Digest(name))
    }

    /// The digest with these bytes; they are as many as the algorithm yields when they come from a `Hasher`.
    pub(super) fn from_bytes(algorithm: Algorithm, bytes: &[u8]) -> Self {
        match (algorithm, bytes.try_into()) {
            (Algorithm::Sha256, Ok(bytes)) => Digest(Name::Sha256(bytes)),
            (algorithm, _) => Digest(Name::Other(Arc::new((algorithm, hex::encode(bytes).into())))),
        }
    }

    /// The algorithm.
    #[must_use]
    pub fn algorithm(&self) -> &Algorithm {
        match &self.0 {
            Name::Sha256(_) => &Algorithm::Sha256,
            Name::Other(parts) => &parts.0,
        }
    }

    /// The part after the colon: the name of the file below `blobs/<algorithm>/`.
    #[must_use]
    pub fn encoded(&self) -> String {
        match &self.0 {
            Name::Sha256(bytes) => hex::encode(bytes),
            Name::Other(parts) => parts.1.to_string(),
        }
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        let (algorithm, encoded) = text.split_once(':').ok_or(ParseDigestError::NoColon)?;
        Digest::new(algorithm.parse()?, encoded)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Name::Sha256(bytes) => {
                let mut text = [0; 64];
                hex::encode_to_slice(bytes, &mut text).map_err(|_| fmt::Error)?;
                f.write_str("sha256:")?;
                f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
            }
            Name::Other(parts) => write!(f, "{}:{}", parts.0.as_str(), parts.1),
        }
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a text is no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseDigestError {
    /// There is no `:` between the parts.
    #[error("a digest is ALGORITHM:ENCODED")]
    NoColon,
    /// The algorithm's name has characters it must not have.
    #[error("no name of a digest algorithm")]
    Algorithm,
    /// Wrong length or characters (upper-case hex among them) for that algorithm.
    #[error("not what that algorithm's digests look like")]
    Encoded,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_as_it_was_written() {
        let hex = "ab".repeat(32);
        for text in [format!("sha256:{hex}"), format!("sha384:{}", "0".repeat(96)), "blake3+x:Zm9=_-".into()]
        {
            assert_eq!(text.parse::<Digest>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_go_digest_refuses_is_refused() {
        let hex = "ab".repeat(32);
        for (text, error) in [
            (hex.clone(), ParseDigestError::NoColon),
            (format!("sha256:{}", hex.to_uppercase()), ParseDigestError::Encoded),
            (format!("sha256:{hex}0"), ParseDigestError::Encoded),
            (format!("SHA256:{hex}"), ParseDigestError::Algorithm),
            (format!("a..b:{hex}"), ParseDigestError::Algorithm),
            ("blake3:".into(), ParseDigestError::Encoded),
            ("blake3:../x".into(), ParseDigestError::Encoded),
        ] {
            assert_eq!(text.parse::<Digest>(), Err(error), "{text}");
        }
    }
}
