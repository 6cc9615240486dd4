//! The part of a store that was asked for.

use std::collections::BTreeSet;

use crate::digest::{ChainId, Digest};
use crate::plan::{CheckError, CheckOptions};
use crate::scan::{Documents, Inventory};

/// What a check is restricted to.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    namespaces: Option<BTreeSet<String>>,
    images: Option<BTreeSet<String>>,
    /// What the chosen images and namespaces reach; `None` is everything.
    blobs: Option<BTreeSet<Digest>>,
    chains: BTreeSet<ChainId>,
}

impl Scope {
    /// The part of the store that `options` name.
    ///
    /// # Errors
    /// [`CheckError::NoSuch`] for a namespace or an image that is not in the store.
    pub fn new(inventory: &Inventory, options: &CheckOptions) -> Result<Scope, CheckError> {
        let some =
            |names: &[String]| (!names.is_empty()).then(|| names.iter().cloned().collect::<BTreeSet<_>>());
        let mut scope = Scope {
            namespaces: some(&options.namespaces),
            images: some(&options.images),
            ..Scope::default()
        };
        if scope.is_everything() {
            return Ok(scope);
        }
        scope.must_exist(inventory)?;
        let mut targets = Vec::new();
        let mut reached = BTreeSet::new();
        for (namespace, records) in &inventory.metadata().namespaces {
            if scope.images.is_none() && scope.has_namespace(namespace) {
                reached.extend(records.blobs.keys().cloned());
            }
            let images = records.images.iter().filter(|(name, _)| scope.has_image(namespace, name));
            targets.extend(images.filter_map(|(_, image)| image.target.digest.clone()));
        }
        scope.chains = reach(&inventory.documents, &targets, &mut reached);
        scope.blobs = Some(reached);
        Ok(scope)
    }

    fn must_exist(&self, inventory: &Inventory) -> Result<(), CheckError> {
        let namespaces = &inventory.metadata().namespaces;
        for name in self.namespaces.iter().flatten() {
            if !namespaces.contains_key(name) {
                return Err(CheckError::NoSuch { what: "namespace", name: name.clone() });
            }
        }
        for name in self.images.iter().flatten() {
            let holders = namespaces.iter().filter(|(namespace, _)| self.has_namespace(namespace));
            if !holders.into_iter().any(|(_, records)| records.images.contains_key(name)) {
                return Err(CheckError::NoSuch { what: "image", name: name.clone() });
            }
        }
        Ok(())
    }

    /// Whether the whole store is to be checked, with what nothing refers to.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.namespaces.is_none() && self.images.is_none()
    }

    /// Whether that namespace belongs to it.
    #[must_use]
    pub fn has_namespace(&self, namespace: &str) -> bool {
        self.namespaces.as_ref().is_none_or(|names| names.contains(namespace))
    }

    /// Whether all of that namespace belongs to it.
    #[must_use]
    pub fn has_all_of(&self, namespace: &str) -> bool {
        self.images.is_none() && self.has_namespace(namespace)
    }

    /// Whether that image record belongs to it.
    #[must_use]
    pub fn has_image(&self, namespace: &str, name: &str) -> bool {
        self.has_namespace(namespace) && self.images.as_ref().is_none_or(|names| names.contains(name))
    }

    /// Whether that blob belongs to it.
    #[must_use]
    pub fn has_blob(&self, digest: &Digest) -> bool {
        self.blobs.as_ref().is_none_or(|blobs| blobs.contains(digest))
    }

    /// Whether that snapshot belongs to it; `chain_id` where its key is one.
    #[must_use]
    pub fn has_snapshot(&self, namespace: &str, chain_id: Option<&ChainId>) -> bool {
        self.has_namespace(namespace)
            && (self.images.is_none() || chain_id.is_some_and(|chain_id| self.chains.contains(chain_id)))
    }
}

/// Adds to `reached` all that `targets` lead to, and returns the stacks of layers among it.
fn reach(documents: &Documents, targets: &[Digest], reached: &mut BTreeSet<Digest>) -> BTreeSet<ChainId> {
    let found = documents.reached_from(targets);
    let tops = found.iter().filter_map(|digest| documents.tops.get(*digest));
    let chains = tops.flat_map(|top| documents.stack(top)).cloned().collect();
    reached.extend(found.into_iter().cloned());
    chains
}
