//! From image records to what they are made of.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::candidate::{Examination, Witness};
use super::references::References;
use crate::digest::{ChainId, Digest};
use crate::finding::{ImageConfigMissing, ImageTargetMissing, ManifestUnparsable, Reason};
use crate::finding::{Role, Subject};
use crate::metadata::Namespace;
use crate::oci::{Document, DocumentKind, Manifest, is_image_config};
use crate::plan::Scope;
use crate::scan::{DocumentState, Documents, Inventory, children};

/// Judges image records, and the documents they lead to.
pub(super) fn examine(
    inventory: &Inventory,
    references: &References<'_>,
    scope: &Scope,
    into: &mut Examination,
) {
    // A record that is not seen proves nothing when some may have been on a page that is lost.
    if inventory.has_all_records() {
        examine_records(inventory, references, scope, into);
    }
    examine_documents(inventory, references, scope, into);
}

fn examine_records(
    inventory: &Inventory,
    references: &References<'_>,
    scope: &Scope,
    into: &mut Examination,
) {
    let unpacked = Unpacked { documents: &inventory.documents, places: OnceCell::new() };
    for (namespace, records) in &inventory.metadata().namespaces {
        for (name, image) in &records.images {
            let Some(target) = image.target.digest.as_ref().filter(|_| scope.has_image(namespace, name))
            else {
                continue;
            };
            if records.blobs.contains_key(target) {
                examine_manifests(&unpacked, records, target, references, into);
            } else {
                let kind = ImageTargetMissing { target: target.clone() };
                let subject = Subject::Image { namespace: namespace.clone(), name: name.clone() };
                let witness = Witness::Records(vec![image.created, image.updated]);
                into.find_with(witness, kind, subject, references.of_image(namespace, name));
            }
        }
    }
}

/// Documents with the right digest that are no documents, or that name too much. One with a wrong digest, or none at all, is the blob check's.
fn examine_documents(
    inventory: &Inventory,
    references: &References<'_>,
    scope: &Scope,
    into: &mut Examination,
) {
    for (digest, fact) in &inventory.documents.facts {
        if !scope.has_blob(digest) {
            continue;
        }
        if let DocumentState::GivenUp { limit_bytes } = &fact.state {
            let subject = Subject::Blob { digest: digest.clone() };
            into.leave_out(subject, Reason::MemoryLimit { limit_bytes: *limit_bytes });
        }
        if let DocumentState::Unparsable(why) = &fact.state {
            let role = match fact.kind {
                DocumentKind::Index => Role::Index,
                DocumentKind::Manifest => Role::Manifest,
                DocumentKind::Config => Role::Config,
            };
            let kind = ManifestUnparsable { role, why: why.clone() };
            into.find(kind, Subject::Blob { digest: digest.clone() }, references.of_blob(digest));
        }
    }
}

/// Walks down from `target` to manifests whose records are here, and looks for what they name.
fn examine_manifests(
    unpacked: &Unpacked<'_>,
    records: &Namespace,
    target: &Digest,
    references: &References<'_>,
    into: &mut Examination,
) {
    let mut seen = BTreeSet::from([target]);
    let mut queue = vec![target];
    while let Some(digest) = queue.pop() {
        // A document with other bytes than it should have is a finding already; what it names may be anything.
        let Some(DocumentState::Parsed(document)) =
            unpacked.documents.facts.get(digest).map(|fact| &fact.state)
        else {
            continue;
        };
        if let Document::Manifest(manifest) = document {
            examine_manifest(unpacked, records, digest, manifest, references, into);
        } else {
            // A child without a record was never pulled: another platform's.
            let here = children(document).into_iter().map(|child| &child.digest);
            queue.extend(here.filter(|digest| records.blobs.contains_key(*digest) && seen.insert(digest)));
        }
    }
}

fn examine_manifest(
    unpacked: &Unpacked<'_>,
    records: &Namespace,
    digest: &Digest,
    manifest: &Manifest,
    references: &References<'_>,
    into: &mut Examination,
) {
    if !is_image_config(&manifest.config.media_type) {
        return;
    }
    let config = &manifest.config.digest;
    let has_layers = manifest.layers.iter().any(|layer| records.blobs.contains_key(&layer.digest));
    if !records.blobs.contains_key(config) {
        // Without any layer the manifest was merely looked at.
        if has_layers {
            let kind = ImageConfigMissing { manifest: digest.clone(), config: config.clone() };
            let created = records.blobs.get(digest).and_then(|record| record.created);
            let subject = Subject::Blob { digest: config.clone() };
            into.find_with(Witness::Records(vec![created]), kind, subject, references.of_blob(digest));
        }
        return;
    }
    for layer in manifest.layers.iter().filter(|layer| !records.blobs.contains_key(&layer.digest)) {
        let subject = Subject::Blob { digest: layer.digest.clone() };
        if unpacked.has(records, &layer.digest) {
            into.leave_out(subject, Reason::LayerDiscarded);
        } else if has_layers {
            into.leave_out(subject, Reason::LayerNotPulled);
        }
    }
}

/// Which layers have a snapshot. Most nodes keep their layers' blobs, and never ask.
struct Unpacked<'a> {
    documents: &'a Documents,
    places: OnceCell<BTreeMap<&'a Digest, Vec<&'a ChainId>>>,
}

impl Unpacked<'_> {
    /// Whether a snapshot of this namespace holds the layer.
    fn has(&self, records: &Namespace, layer: &Digest) -> bool {
        let places = self.places.get_or_init(|| self.documents.places());
        let mut keys = places.get(layer).into_iter().flatten().map(ToString::to_string);
        keys.any(|key| records.snapshots.values().any(|snapshots| snapshots.contains_key(key.as_str())))
    }
}
