//! Who needs what: from a damaged subject to the images and containers that it reaches.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::standing::Standing;
use crate::digest::{DiffId, Digest};
use crate::finding::{BlastRadius, Named, Names, Role};
use crate::metadata::{Metadata, UNCOMPRESSED};
use crate::scan::{Documents, Inventory};

/// How many containers a finding names. Images are all named: a repair has to ask each whether it may be touched.
const CONTAINERS_NAMED: usize = 50;

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
    /// What was answered before: layers of one image, and what stands on one another, reach the same.
    known: Known,
}

/// Answers that are shared. They own what they are found by: what borrows from the inventory could not be given on.
#[derive(Default)]
struct Known {
    /// The images that manifests and indexes lead to.
    images: RefCell<BTreeMap<Vec<Digest>, Names>>,
    /// Those of one namespace.
    in_namespace: RefCell<BTreeMap<(String, Vec<Digest>), Names>>,
    containers: RefCell<BTreeSet<Names>>,
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
            known: Known::default(),
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
        let namespaces = holders
            .filter(|(_, records)| records.blobs.contains_key(digest))
            .map(|(namespace, _)| namespace.clone())
            .collect();
        self.with_containers(namespaces, self.images_of(digest))
    }

    /// The images from which a blob can be got to.
    fn images_of(&self, digest: &Digest) -> Names {
        let own = self.targets.get_key_value(digest).map(|(digest, _)| *digest);
        let parents = self.documents.parents.get(digest).into_iter().flatten();
        let starts: Vec<&'a Digest> = own.into_iter().chain(parents).collect();
        let key: Vec<Digest> = starts.iter().copied().cloned().collect();
        if let Some(known) = self.known.images.borrow().get(&key) {
            return known.clone();
        }
        let mut images = BTreeSet::new();
        let mut seen: BTreeSet<&Digest> = starts.iter().copied().collect();
        let mut queue = starts;
        while let Some(digest) = queue.pop() {
            let targets = self.targets.get(digest).into_iter().flatten();
            images.extend(targets.map(|(namespace, name)| named(namespace, name)));
            let parents = self.documents.parents.get(digest).into_iter().flatten();
            queue.extend(parents.filter(|parent| seen.insert(parent)));
        }
        let images = Names::from(images);
        self.known.images.borrow_mut().insert(key, images.clone());
        images
    }

    /// What an image record's damage reaches.
    pub(crate) fn of_image(&self, namespace: &str, name: &str) -> BlastRadius {
        self.with_containers(BTreeSet::from([namespace.to_owned()]), [named(namespace, name)].into())
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
        let manifests = chain_id.and_then(|id| self.chains.get(id));
        let images = manifests.map(|manifests| self.images_in(namespace, manifests)).unwrap_or_default();
        let (containers, containers_left_out) = self.containers(self.standing.on(snapshotter, backend_key));
        let namespaces = BTreeSet::from([namespace.to_owned()]);
        BlastRadius { namespaces, images, containers, containers_left_out }
    }

    /// The images of one namespace that `manifests` lead to.
    fn images_in(&self, namespace: &str, manifests: &[&'a Digest]) -> Names {
        let key = (namespace.to_owned(), manifests.iter().copied().cloned().collect());
        if let Some(known) = self.known.in_namespace.borrow().get(&key) {
            return known.clone();
        }
        let images = manifests.iter().map(|manifest| self.images_of(manifest));
        let images = images.flat_map(|images| images.iter().cloned().collect::<Vec<_>>());
        let images: Names = images.filter(|image| image.namespace == *namespace).collect();
        self.known.in_namespace.borrow_mut().insert(key, images.clone());
        images
    }

    /// The first of `containers` by name, and how many more they are.
    fn containers(&self, mut containers: Vec<Pair<'a>>) -> (Names, u64) {
        let left_out = containers.len().saturating_sub(CONTAINERS_NAMED);
        if left_out > 0 {
            containers.select_nth_unstable(CONTAINERS_NAMED);
            containers.truncate(CONTAINERS_NAMED);
        }
        let mut names: Names = containers.iter().map(|(namespace, name)| named(namespace, name)).collect();
        let mut known = self.known.containers.borrow_mut();
        match known.get(&names) {
            Some(same) => names = same.clone(),
            None => drop(known.insert(names.clone())),
        }
        (names, left_out as u64)
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

    fn with_containers(&self, mut namespaces: BTreeSet<String>, images: Names) -> BlastRadius {
        let mut made = BTreeSet::new();
        for image in &images {
            if !namespaces.contains(&image.namespace) {
                namespaces.insert(image.namespace.clone());
            }
            made.extend(
                self.made_from.get(&(image.namespace.as_str(), image.name.as_str())).into_iter().flatten(),
            );
        }
        let (containers, containers_left_out) = self.containers(made.into_iter().copied().collect());
        BlastRadius { namespaces, images, containers, containers_left_out }
    }
}

pub(crate) fn named(namespace: &str, name: &str) -> Named {
    Named { namespace: namespace.to_owned(), name: name.to_owned() }
}
