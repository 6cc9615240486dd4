//! Who needs what: from a damaged subject to the images and containers that it reaches.

use std::collections::{BTreeMap, BTreeSet};

use super::standing::Standing;
use crate::digest::{DiffId, Digest};
use crate::finding::{BlastRadius, Named, Role};
use crate::metadata::{Metadata, UNCOMPRESSED};
use crate::scan::{Documents, Inventory};

/// Namespace and name.
type Pair<'a> = (&'a str, &'a str);

/// The ways from blobs and snapshots up to images and containers.
pub(crate) struct References<'a> {
    metadata: &'a Metadata,
    documents: &'a Documents,
    /// The images that point at a digest.
    targets: BTreeMap<&'a Digest, BTreeSet<Pair<'a>>>,
    /// The containers made from an image, by its name.
    made_from: BTreeMap<Pair<'a>, BTreeSet<Pair<'a>>>,
    /// The containers whose root file system stands on a snapshot.
    standing: Standing<'a>,
    /// Manifests by the ChainID of any layer of theirs.
    chains: BTreeMap<&'a Digest, Vec<&'a Digest>>,
}

impl<'a> References<'a> {
    pub(crate) fn new(inventory: &'a Inventory) -> Self {
        let metadata = inventory.metadata();
        let mut references = References {
            metadata,
            documents: &inventory.documents,
            targets: BTreeMap::new(),
            made_from: BTreeMap::new(),
            standing: Standing::new(metadata),
            chains: BTreeMap::new(),
        };
        references.note_images();
        references.note_containers();
        references.note_chains();
        references
    }

    fn note_images(&mut self) {
        for (namespace, records) in &self.metadata.namespaces {
            for (name, image) in &records.images {
                if let Some(digest) = &image.target.digest {
                    self.targets.entry(digest).or_default().insert((namespace, name));
                }
            }
        }
    }

    fn note_containers(&mut self) {
        for (namespace, records) in &self.metadata.namespaces {
            for (id, container) in &records.containers {
                let container_name = (namespace.as_str(), id.as_str());
                let image = (namespace.as_str(), container.image.as_str());
                self.made_from.entry(image).or_default().insert(container_name);
            }
        }
    }

    fn note_chains(&mut self) {
        for (manifest, top) in &self.documents.tops {
            let mut chain_id = Some(top);
            while let Some(id) = chain_id {
                // It ends: each ChainID hashes the one below it.
                let manifests = self.chains.entry(&id.0).or_default();
                if manifests.is_empty() {
                    manifests.reserve_exact(1);
                }
                manifests.push(manifest);
                chain_id = self.documents.chains.get(id).and_then(|layer| layer.parent.as_ref());
            }
        }
    }

    /// What a blob's damage reaches: each image from which it can be got to.
    pub(crate) fn of_blob(&self, digest: &Digest) -> BlastRadius {
        let holders = self.metadata.namespaces.iter();
        let mut blast = BlastRadius {
            namespaces: holders
                .filter(|(_, records)| records.blobs.contains_key(digest))
                .map(|(namespace, _)| namespace.clone())
                .collect(),
            ..BlastRadius::default()
        };
        let mut seen = BTreeSet::from([digest]);
        let mut queue = vec![digest];
        while let Some(digest) = queue.pop() {
            let images = self.targets.get(digest).into_iter().flatten();
            blast.images.extend(images.map(|(namespace, name)| named(namespace, name)));
            let parents = self.documents.parents.get(digest).into_iter().flatten();
            queue.extend(parents.filter(|parent| seen.insert(parent)));
        }
        self.with_containers(blast)
    }

    /// What an image record's damage reaches.
    pub(crate) fn of_image(&self, namespace: &str, name: &str) -> BlastRadius {
        let images = BTreeSet::from([named(namespace, name)]);
        let namespaces = BTreeSet::from([namespace.to_owned()]);
        self.with_containers(BlastRadius { namespaces, images, containers: BTreeSet::new() })
    }

    /// What a snapshot's damage reaches. `chain_id` is its key in meta.db where that is a ChainID; `namespace` the one
    /// it belongs to.
    pub(crate) fn of_snapshot(
        &self,
        namespace: &str,
        snapshotter: &str,
        backend_key: &str,
        chain_id: Option<&Digest>,
    ) -> BlastRadius {
        let mut blast =
            BlastRadius { namespaces: BTreeSet::from([namespace.to_owned()]), ..BlastRadius::default() };
        for manifest in chain_id.and_then(|id| self.chains.get(id)).into_iter().flatten() {
            let images = self.of_blob(manifest).images;
            blast.images.extend(images.into_iter().filter(|image| image.namespace == namespace));
        }
        let standing = self.standing.on(snapshotter, backend_key).into_iter();
        blast.containers.extend(standing.map(|(namespace, name)| named(namespace, name)));
        blast
    }

    /// What a blob is to the images that reach it.
    pub(crate) fn role(&self, digest: &Digest) -> Option<Role> {
        self.documents.roles.get(digest).copied()
    }

    /// The DiffIDs that the namespaces' labels give for a layer's blob.
    pub(crate) fn diff_id_labels(&self, layer: &Digest) -> BTreeSet<DiffId> {
        let records = self.metadata.namespaces.values().filter_map(|records| records.blobs.get(layer));
        let labels = records.filter_map(|record| record.labels.get(UNCOMPRESSED));
        labels.filter_map(|label| label.parse().ok()).map(DiffId).collect()
    }

    fn with_containers(&self, mut blast: BlastRadius) -> BlastRadius {
        for image in &blast.images {
            blast.namespaces.insert(image.namespace.clone());
            let made = self.made_from.get(&(image.namespace.as_str(), image.name.as_str()));
            let made = made.into_iter().flatten();
            blast.containers.extend(made.map(|(namespace, name)| named(namespace, name)));
        }
        blast
    }
}

pub(crate) fn named(namespace: &str, name: &str) -> Named {
    Named { namespace: namespace.to_owned(), name: name.to_owned() }
}
