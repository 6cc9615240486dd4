//! Labels that containerd computes from content.
//!
//! ```text
//! containerd.io/gc.ref.content.config            a known image config     core/images/mediatypes.go ChildGCLabels
//! containerd.io/gc.ref.content.m.N, .l.N, .N     a manifest, a layer, else     core/images/handlers.go SetChildrenMappedLabels
//! containerd.io/uncompressed                     on a layer: its DiffID    core/unpack, core/diff
//! containerd.io/gc.ref.snapshot.<snapshotter>    on a config: its ChainID, once it is unpacked     core/unpack/unpacker.go
//! ```

use std::collections::BTreeMap;

use super::found::Found;
use crate::digest::{Digest, chain_ids};
use crate::metadata::{CONTENT_REFERENCE, UNCOMPRESSED};
use crate::oci::{Document, DocumentKind, is_image_config, is_layer};
use crate::scan::children;

/// Labels by the blob that has them.
pub(super) type BlobLabels = BTreeMap<Digest, Vec<(String, String)>>;

/// The labels that follow from the content alone.
pub(super) fn content_labels(found: &Found) -> BlobLabels {
    let mut labels = BlobLabels::new();
    for (digest, document) in &found.documents {
        labels.entry(digest.clone()).or_default().extend(child_labels(document));
        for (layer, diff_id) in layers(found, document) {
            let label = (UNCOMPRESSED.to_owned(), diff_id);
            let of = labels.entry(layer).or_default();
            if !of.contains(&label) {
                of.push(label);
            }
        }
    }
    labels
}

fn child_labels(document: &Document) -> Vec<(String, String)> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut labels = Vec::new();
    for child in children(document) {
        let kind = kind_of(&child.media_type);
        let count = counts.entry(kind).or_default();
        // The first config has no number.
        let number = if kind == "config" && *count == 0 { String::new() } else { count.to_string() };
        *count += 1;
        labels.push((format!("{CONTENT_REFERENCE}{kind}{number}"), child.digest.to_string()));
    }
    labels
}

fn kind_of(media_type: &str) -> &'static str {
    if is_image_config(media_type) {
        return "config";
    }
    match DocumentKind::of(media_type) {
        Some(DocumentKind::Manifest) => "m.",
        _ if is_layer(media_type) => "l.",
        _ => "",
    }
}

/// The layers of a manifest with their DiffIDs, where its config is here and agrees with it.
fn layers(found: &Found, document: &Document) -> Vec<(Digest, String)> {
    let Document::Manifest(manifest) = document else { return Vec::new() };
    let Some(Document::Config(config)) = found.documents.get(&manifest.config.digest) else {
        return Vec::new();
    };
    if manifest.layers.len() != config.diff_ids().len() {
        return Vec::new();
    }
    let pairs = manifest.layers.iter().zip(config.diff_ids());
    pairs.map(|(layer, diff_id)| (layer.digest.clone(), diff_id.to_string())).collect()
}

/// The ChainID that each config ends in.
pub(super) fn top_chains(found: &Found) -> BTreeMap<&Digest, String> {
    let configs = found.documents.iter().filter_map(|(digest, document)| match document {
        Document::Config(config) => Some((digest, config)),
        _ => None,
    });
    configs
        .filter_map(|(digest, config)| Some((digest, chain_ids(config.diff_ids()).last()?.to_string())))
        .collect()
}
