//! Which layer made a committed snapshot.
//!
//! A snapshot that was unpacked from a layer has the ChainID of its stack for a name. The images' configs tell most of
//! them. Where the image is gone and only a container holds the snapshot, the layer's blob may still be here, with its
//! DiffID in the label `containerd.io/uncompressed`: the ChainID of the parent and that DiffID must hash to the name.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::digest::{ChainId, DiffId, Digest};
use crate::metadata::{Metadata, UNCOMPRESSED};
use crate::oci::Descriptor;
use crate::scan::{Inventory, LayerOfChain};

/// ChainIDs that are tried at most to find layers by their labels: more would only be tried for a store made to waste time.
const TRIES: usize = 1_000_000;

pub(in crate::plan) struct Stacks<'a> {
    chains: &'a BTreeMap<ChainId, LayerOfChain>,
    metadata: &'a Metadata,
    /// Layers by their labels; found out when a snapshot is none of an image's here.
    labelled: Option<BTreeMap<DiffId, Vec<Digest>>>,
    tries_left: usize,
}

impl<'a> Stacks<'a> {
    pub(in crate::plan) fn new(inventory: &'a Inventory) -> Self {
        let (chains, metadata) = (&inventory.documents.chains, inventory.metadata());
        Stacks { chains, metadata, labelled: None, tries_left: TRIES }
    }

    /// The layer of the snapshot `chain_id` that builds on `parent`.
    pub(in crate::plan) fn layer(
        &mut self,
        chain_id: &ChainId,
        parent: Option<&ChainId>,
    ) -> Option<Cow<'a, LayerOfChain>> {
        if let Some(layer) = self.chains.get(chain_id) {
            return Some(Cow::Borrowed(layer));
        }
        let labelled = self.labelled.get_or_insert_with(|| labelled(self.metadata));
        let diff_id = match parent {
            None => DiffId(chain_id.0.clone()),
            Some(parent) => {
                let tries = labelled.len().min(self.tries_left);
                self.tries_left -= tries;
                labelled.keys().take(tries).find(|diff_id| parent.above(diff_id) == *chain_id)?.clone()
            }
        };
        let blobs = labelled.get(&diff_id)?.iter().map(|digest| Descriptor {
            // Both sniffed, as containerd does for Docker's types.
            media_type: "application/vnd.docker.image.rootfs.diff.tar.gzip".into(),
            digest: digest.clone(),
            size_bytes: 0,
        });
        Some(Cow::Owned(LayerOfChain { parent: parent.cloned(), blobs: blobs.collect(), diff_id }))
    }
}

fn labelled(metadata: &Metadata) -> BTreeMap<DiffId, Vec<Digest>> {
    let mut labelled: BTreeMap<DiffId, Vec<Digest>> = BTreeMap::new();
    for (digest, record) in metadata.namespaces.values().flat_map(|namespace| &namespace.blobs) {
        if let Some(diff_id) = record.labels.get(UNCOMPRESSED).and_then(|label| label.parse().ok()) {
            labelled.entry(DiffId(diff_id)).or_default().push(digest.clone());
        }
    }
    labelled
}
