//! Where right bytes may come from.

use std::collections::BTreeMap;

use crate::digest::Digest;

/// What the sources have: by digest, the source's name and the bytes there are.
#[derive(Debug, Clone, Default)]
pub struct Available(BTreeMap<Digest, (String, u64)>);

impl Available {
    /// The source that has the blob, and how large it is there.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<(&str, u64)> {
        self.0.get(digest).map(|(source, size_bytes)| (source.as_str(), *size_bytes))
    }
}
