//! Images that are here for other platforms only: no container of theirs starts on this machine.
//!
//! An index names many platforms, of which a pull fetches one, so what is not here says nothing. An image is judged by the
//! manifests that are here with a config and a layer, and by what their configs say; what says nothing may run.

use std::collections::BTreeSet;

use super::candidate::{Examination, Witness};
use super::references::References;
use crate::digest::Digest;
use crate::finding::{ImageNotRunnable, Subject};
use crate::metadata::Namespace;
use crate::oci::{Config, Document, is_image_config};
use crate::plan::Scope;
use crate::scan::{DocumentState, Inventory, Mode, Platforms, children};

/// Judges the images of a store that this machine's programs are in: a disk that was brought from another machine has none.
pub(super) fn examine(
    inventory: &Inventory,
    references: &References<'_>,
    scope: &Scope,
    into: &mut Examination,
) {
    let mut is_this_machines = inventory.mode == Mode::Live;
    let mut foreign = Vec::new();
    for (namespace, records) in &inventory.metadata().namespaces {
        for (name, image) in &records.images {
            let Some(target) = &image.target.digest else { continue };
            match present(inventory, records, target) {
                Present::Runs => is_this_machines = true,
                Present::Unknown => {}
                Present::Foreign(platforms) if scope.has_image(namespace, name) => {
                    foreign.push((namespace, name, image, platforms));
                }
                Present::Foreign(_) => {}
            }
        }
    }
    for (namespace, name, image, platforms) in foreign.into_iter().filter(|_| is_this_machines) {
        let machine = format!("linux/{}", inventory.platforms.own);
        let kind = ImageNotRunnable { machine, platforms: platforms.into_iter().collect() };
        let subject = Subject::Image { namespace: namespace.clone(), name: name.clone() };
        let witness = Witness::Records(vec![image.created, image.updated]);
        into.find_with(witness, kind, subject, references.of_image(namespace, name));
    }
}

/// What of an image is here.
enum Present {
    /// A platform that runs on this machine, or that is not told.
    Runs,
    /// No manifest with its config and a layer.
    Unknown,
    /// These platforms, none of which runs here.
    Foreign(BTreeSet<String>),
}

fn present(inventory: &Inventory, records: &Namespace, target: &Digest) -> Present {
    let facts = &inventory.documents.facts;
    let mut platforms = BTreeSet::new();
    let mut seen = BTreeSet::from([target]);
    let mut queue = vec![target];
    while let Some(digest) = queue.pop() {
        // A document that is damaged is a finding already, and may be the one for this machine.
        let Some(DocumentState::Parsed(document)) = facts.get(digest).map(|fact| &fact.state) else {
            return Present::Unknown;
        };
        let Document::Manifest(manifest) = document else {
            let here = children(document).into_iter().map(|child| &child.digest);
            queue.extend(here.filter(|digest| records.blobs.contains_key(*digest) && seen.insert(digest)));
            continue;
        };
        if !is_image_config(&manifest.config.media_type) {
            continue;
        }
        let has_layer = manifest.layers.iter().any(|layer| records.blobs.contains_key(&layer.digest));
        let config = facts.get(&manifest.config.digest).map(|fact| &fact.state);
        let Some(DocumentState::Parsed(Document::Config(config))) = config else {
            if has_layer || records.blobs.contains_key(&manifest.config.digest) {
                return Present::Unknown;
            }
            continue;
        };
        match platform(config, &inventory.platforms) {
            Some(_) if !has_layer => {}
            Some(name) => drop(platforms.insert(name)),
            None if is_attestation(config) => {}
            None => return Present::Runs,
        }
    }
    if platforms.is_empty() { Present::Unknown } else { Present::Foreign(platforms) }
}

/// The platform of an image that does not run here.
fn platform(config: &Config, machine: &Platforms) -> Option<String> {
    let (os, architecture) = (config.os(), config.architecture());
    // What does not say so, a statement about another image, and what a WebAssembly runtime runs anywhere.
    let is_anyones = os.is_empty() || architecture.is_empty() || is_attestation(config);
    if is_anyones || architecture.starts_with("wasm") {
        return None;
    }
    let runs = os == "linux" && machine.all.contains(architecture);
    (!runs).then(|| format!("{os}/{architecture}"))
}

/// buildx gives its attestations a platform of that name.
fn is_attestation(config: &Config) -> bool {
    config.os() == "unknown" || config.architecture() == "unknown"
}
