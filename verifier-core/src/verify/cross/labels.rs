//! Labels that containerd gives itself, where what they must say can be told from the content.
//!
//! That what a label names is not here proves nothing: other platforms, discarded layers, and snapshots that were removed
//! by hand are health. What a label of these kinds cannot name at all is something that the document does not lead to.
//!
//! ```text
//! containerd.io/uncompressed                    on a layer: its DiffID            core/diff, core/images/diffid.go
//! containerd.io/gc.ref.content.{config,l.N,m.N} on a manifest, an index: a child  core/images/handlers.go (ChildGCLabels)
//! containerd.io/gc.ref.snapshot.<snapshotter>   on a config: its ChainID          core/unpack/unpacker.go
//! containerd.io/snapshot.ref                    on a snapshot: the ChainID it is to become, or has
//! ```

use super::Cross;
use super::key::row_subject;
use crate::digest::{Digest, chain_ids};
use crate::finding::{LabelWrong, Role};
use crate::metadata::{BlobRecord, CONTENT_REFERENCE, Kind, SNAPSHOT_REFERENCE, UNCOMPRESSED};
use crate::oci::Document;
use crate::scan::{DocumentState, children};
use crate::snapshot::Driver;
use crate::verify::candidate::{Examination, Witness};

const TARGET: &str = "containerd.io/snapshot.ref";

/// A label that says something else than it must; `expected` where only one thing is right.
struct Wrong<'a> {
    label: &'a str,
    value: &'a str,
    expected: Option<String>,
}

impl Cross<'_> {
    pub(super) fn examine_labels(&self, into: &mut Examination) {
        for (namespace, records) in self.namespaces() {
            for (digest, record) in records.blobs.iter().filter(|(digest, _)| self.scope.has_blob(digest)) {
                for wrong in self.wrong_labels(digest, record) {
                    let name = digest.to_string();
                    let path = ["v1", namespace, "content", "blob", &name, "labels", wrong.label];
                    let (subject, blast) = (self.meta_record(path), self.references.of_blob(digest));
                    let witness = Witness::Records(vec![record.created, record.updated]);
                    into.find_with(witness, wrong.kind(), subject, blast);
                }
            }
        }
        self.examine_targets(into);
    }

    fn wrong_labels<'r>(&self, digest: &Digest, record: &'r BlobRecord) -> Vec<Wrong<'r>> {
        let document = match self.inventory.documents.facts.get(digest).map(|fact| &fact.state) {
            Some(DocumentState::Parsed(document)) => Some(document),
            _ => None,
        };
        let is_config = self.inventory.documents.roles.get(digest) == Some(&Role::Config);
        let wrong = record.labels.iter().filter_map(|(label, value)| {
            if label == UNCOMPRESSED {
                return value.parse::<Digest>().is_err().then_some(Wrong { label, value, expected: None });
            }
            if let Some(child) = label.strip_prefix(CONTENT_REFERENCE) {
                return wrong_child(child, value, document).map(|expected| Wrong { label, value, expected });
            }
            let snapshotter = label.strip_prefix(SNAPSHOT_REFERENCE).and_then(Driver::of);
            let expected = chain_of(document?).filter(|_| snapshotter.is_some() && is_config)?;
            (value != expected).then_some(Wrong { label, value, expected: Some(expected) })
        });
        wrong.collect()
    }

    /// What an unpacking prepares is to become one ChainID's snapshot; what was committed under a label has that name.
    fn examine_targets(&self, into: &mut Examination) {
        for (namespace, snapshotter, key, record) in self.records() {
            let Some(value) = record.labels.get(TARGET).filter(|_| Driver::of(snapshotter).is_some()) else {
                continue;
            };
            let row = self.rows(snapshotter).and_then(|rows| rows.by_key.get(&record.backend_key));
            let Some(row) = row else { continue };
            let expected = match (row.kind, key.strip_prefix("extract-").and_then(|key| key.rsplit_once(' ')))
            {
                (Kind::Committed, _) => key,
                (_, Some((_, chain_id))) => chain_id,
                _ => continue,
            };
            if value != expected && expected.parse::<Digest>().is_ok() {
                let wrong = Wrong { label: TARGET, value, expected: Some(expected.into()) };
                let witness = Witness::Records(vec![record.created, record.updated]);
                let blast = self.record_reach(namespace, snapshotter, key, record);
                into.find_with(
                    witness,
                    wrong.kind(),
                    row_subject(snapshotter, &record.backend_key, row),
                    blast,
                );
            }
        }
    }
}

impl Wrong<'_> {
    fn kind(self) -> LabelWrong {
        let (label, value) = (self.label.into(), self.value.into());
        LabelWrong { label, value, expected: self.expected }
    }
}

/// Whether a document's label for a child names none of its children; with the one child that it must name, if there is
/// but one of the kind.
fn wrong_child(child: &str, value: &str, document: Option<&Document>) -> Option<Option<String>> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let numbered = ["l.", "m."].iter().any(|kind| child.strip_prefix(kind).is_some_and(is_number));
    if child != "config" && !numbered {
        return None;
    }
    let Ok(digest) = value.parse::<Digest>() else { return Some(None) };
    match document? {
        Document::Manifest(manifest) if child == "config" => {
            (digest != manifest.config.digest).then(|| Some(manifest.config.digest.to_string()))
        }
        Document::Config(_) => None,
        document => children(document).iter().all(|child| child.digest != digest).then_some(None),
    }
}

/// The ChainID of the stack that a config names.
fn chain_of(document: &Document) -> Option<String> {
    match document {
        Document::Config(config) => chain_ids(config.diff_ids()).last().map(ToString::to_string),
        _ => None,
    }
}
