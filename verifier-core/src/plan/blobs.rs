//! Which blobs to rehash.

use std::collections::BTreeSet;

use super::Scope;
use crate::digest::{Algorithm, Digest};
use crate::finding::Unparsable;
use crate::io::FileKind;
use crate::scan::{DocumentState, Documents, Inventory};

/// The blobs of `scope` that have bytes to hash and that nothing else will have hashed, the largest first: then no worker
/// is left with a giant while the others are done.
pub(super) fn to_rehash(
    inventory: &Inventory,
    scope: &Scope,
    others: &BTreeSet<&Digest>,
) -> Vec<(Digest, u64)> {
    let files = inventory.blobs.files.iter().filter(|(digest, file)| {
        scope.has_blob(digest)
            && file.kind == FileKind::File
            && !matches!(digest.algorithm(), Algorithm::Other(_))
            && !others.contains(digest)
            && !is_hashed(&inventory.documents, digest)
    });
    let mut blobs: Vec<(Digest, u64)> =
        files.map(|(digest, file)| (digest.clone(), file.size_bytes)).collect();
    blobs.sort_by(|(a, size_a), (b, size_b)| size_b.cmp(size_a).then_with(|| a.cmp(b)));
    blobs
}

/// Documents were hashed when they were read.
fn is_hashed(documents: &Documents, digest: &Digest) -> bool {
    matches!(
        documents.facts.get(digest).map(|fact| &fact.state),
        Some(
            DocumentState::Parsed(_)
                | DocumentState::WrongDigest { .. }
                | DocumentState::GivenUp { .. }
                | DocumentState::Unparsable(Unparsable::Json { .. })
        )
    )
}
