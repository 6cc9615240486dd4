//! Labels of containerd's own that say what they cannot say.

use std::io;

use super::kind::Damage;
use super::reach::Reach;
use super::snapshots::spare;
use super::subject::Subject;
use crate::builder::{Labels, Sample, sha256};

const WRONG: &str = "label-wrong";
const UNCOMPRESSED: &str = "containerd.io/uncompressed";
const CONFIG: &str = "containerd.io/gc.ref.content.config";
const LAYER: &str = "containerd.io/gc.ref.content.l.0";
const MANIFEST: &str = "containerd.io/gc.ref.content.m.0";
const SNAPSHOT: &str = "containerd.io/gc.ref.snapshot.overlayfs";
const TARGET: &str = "containerd.io/snapshot.ref";

pub(super) const TABLE: &[Damage] = &[
    Damage::model(
        "uncompressed-is-no-digest",
        |s| label(&s.base.digest, UNCOMPRESSED),
        |s| put(s, |s| s.base.digest.clone(), UNCOMPRESSED, "sha256:short"),
    )
    .always(WRONG)
    .reaching(Reach::BASE),
    Damage::model(
        "manifest-keeps-another-config",
        |s| label(&s.extra.manifest.digest, CONFIG),
        |s| put(s, |s| s.extra.manifest.digest.clone(), CONFIG, &elsewhere()),
    )
    .always(WRONG)
    .reaching(Reach::EXTRA),
    Damage::model(
        "manifest-keeps-another-layer",
        |s| label(&s.tool.manifest.digest, LAYER),
        |s| {
            let digest = s.tool.manifest.digest.clone();
            put_in(
                &mut s.store.namespace("k8s.io").blobs.get_mut(&digest).map(|row| &mut row.labels),
                LAYER,
                "all of it",
            )
        },
    )
    .always(WRONG)
    .reaching(Reach::TOOL),
    Damage::model(
        "index-keeps-another-manifest",
        |s| label(&s.index.digest, MANIFEST),
        |s| put(s, |s| s.index.digest.clone(), MANIFEST, &elsewhere()),
    )
    .always(WRONG)
    .reaching(Reach::APP),
    Damage::model(
        "config-keeps-another-snapshot",
        |s| label(&s.extra.config, SNAPSHOT),
        |s| put(s, |s| s.extra.config.clone(), SNAPSHOT, &elsewhere()),
    )
    .always(WRONG)
    .reaching(Reach::EXTRA),
    Damage::model(
        "snapshot-made-for-another",
        |s| Subject::snapshot(s, "default", "overlayfs", spare(s).1),
        |s| {
            let key = spare(s).1.to_owned();
            let rows = s.store.namespace("default").snapshots.get_mut("overlayfs");
            put_in(
                &mut rows.and_then(|rows| rows.rows.get_mut(&key)).map(|row| &mut row.labels),
                TARGET,
                &elsewhere(),
            )
        },
    )
    .always(WRONG)
    .reaching(Reach::EXTRA),
];

fn elsewhere() -> String {
    sha256(b"what no document leads to")
}

fn label(digest: &str, label: &str) -> Subject {
    let namespaces = ["default", "k8s.io"];
    // The one label that is hit in the other namespace is that of a layer for its number.
    let namespace = if label == LAYER { namespaces[1] } else { namespaces[0] };
    Subject::meta_record(["v1", namespace, "content", "blob", digest, "labels", label])
}

fn put(sample: &mut Sample, of: fn(&Sample) -> String, label: &str, value: &str) -> io::Result<()> {
    let digest = of(sample);
    let row = sample.store.namespace("default").blobs.get_mut(&digest);
    put_in(&mut row.map(|row| &mut row.labels), label, value)
}

fn put_in(labels: &mut Option<&mut Labels>, label: &str, value: &str) -> io::Result<()> {
    let labels = labels.as_mut().ok_or(io::ErrorKind::NotFound)?;
    labels.insert(label.into(), value.into());
    Ok(())
}
