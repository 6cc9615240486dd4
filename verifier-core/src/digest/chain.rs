//! DiffIDs and the ChainIDs that snapshots are named by.

use std::fmt;

use super::{Algorithm, Digest, Hasher};

/// The digest of a layer's uncompressed tar.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct DiffId(pub Digest);

/// The name of a stack of layers, and of the committed snapshot that holds its top.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct ChainId(pub Digest);

impl fmt::Display for DiffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ChainId {
    /// The ChainID of a base layer.
    #[must_use]
    pub fn base(diff_id: &DiffId) -> ChainId {
        ChainId(diff_id.0.clone())
    }

    /// The ChainID of the stack that has one more layer on top of this one.
    #[must_use]
    pub fn above(&self, diff_id: &DiffId) -> ChainId {
        ChainId(Hasher::digest(&Algorithm::Sha256, format!("{self} {diff_id}").as_bytes()))
    }
}

/// The ChainID of each layer of a stack, the base's first.
pub fn chain_ids(diff_ids: &[DiffId]) -> Vec<ChainId> {
    let mut chain: Vec<ChainId> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        let next = match chain.last() {
            None => ChainId(diff_id.0.clone()),
            Some(below) => {
                ChainId(Hasher::digest(&Algorithm::Sha256, format!("{below} {diff_id}").as_bytes()))
            }
        };
        chain.push(next);
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_is_the_image_specs() {
        let id = |byte: &str| DiffId(format!("sha256:{}", byte.repeat(32)).parse().unwrap());
        let chain = chain_ids(&[id("aa"), id("bb"), id("cc")]);
        assert_eq!(chain[0].0, id("aa").0);
        // printf 'sha256:aa… sha256:bb…' | sha256sum, and so on
        let text = format!("{} {}", chain[0], id("bb"));
        assert_eq!(
            chain[1].to_string(),
            format!("sha256:{}", hex::encode(<sha2::Sha256 as sha2::Digest>::digest(text)))
        );
        assert_ne!(chain[1], chain[2]);
        assert!(chain_ids(&[]).is_empty());
    }
}
