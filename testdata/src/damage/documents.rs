//! Damages to what images are made of: records without targets, documents that are none.

use std::io;

use serde_json::{Value, json};

use super::kind::Damage;
use super::reach::Reach;
use super::subject::Subject;
use crate::builder::{Descriptor, Form, ImageSpec, Labels, Platform, Sample, sha256};

const TARGET: &str = "image-target-missing";
const CONFIG: &str = "image-config-missing";
const UNPARSABLE: &str = "manifest-unparsable";

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const DOCKER_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";

const GARBAGE: &[u8] = b"\0\0\0\0 not a document";
/// Above what any registry serves as a document, and what a checker may hold in memory for one.
const HUGE: usize = 20 << 20;

pub(super) const TABLE: &[Damage] = &[
    // F15
    Damage::model(
        "index-gone",
        |_| Subject::Image("default".into(), Sample::APP.into()),
        |s| {
            let digest = s.index.digest.clone();
            forget(s, "default", &digest);
            Ok(())
        },
    )
    .always(TARGET)
    .reaching(Reach::APP),
    Damage::model(
        "manifest-gone",
        |_| Subject::Image("default".into(), Sample::EXTRA.into()),
        |s| {
            let digest = s.extra.manifest.digest.clone();
            forget(s, "default", &digest);
            Ok(())
        },
    )
    .always(TARGET)
    .reaching(Reach::EXTRA),
    Damage::model(
        "never-there",
        |_| odd(),
        |s| {
            name(s, &descriptor(MANIFEST_TYPE, b"nowhere"));
            Ok(())
        },
    )
    .always(TARGET)
    .reaching(Reach::ODD),
    // F5
    Damage::model(
        "config-gone",
        |s| Subject::blob(&s.tool.config),
        |s| {
            let digest = s.tool.config.clone();
            forget(s, "k8s.io", &digest);
            Ok(())
        },
    )
    .always(CONFIG)
    .reaching(Reach::TOOL),
    Damage::model(
        "config-below-an-index-gone",
        |s| Subject::blob(&s.app.config),
        |s| {
            let digest = s.app.config.clone();
            forget(s, "default", &digest);
            Ok(())
        },
    )
    .always(CONFIG)
    .reaching(Reach::APP),
    Damage::model(
        "index-is-garbage",
        |_| Subject::blob(&sha256(GARBAGE)),
        |s| add_garbage(s, INDEX_TYPE, GARBAGE),
    )
    .always(UNPARSABLE)
    .reaching(Reach::ODD),
    Damage::model(
        "manifest-is-garbage",
        |_| Subject::blob(&sha256(GARBAGE)),
        |s| add_garbage(s, MANIFEST_TYPE, GARBAGE),
    )
    .always(UNPARSABLE)
    .reaching(Reach::ODD),
    Damage::model(
        "docker-manifest-is-garbage",
        |_| Subject::blob(&sha256(GARBAGE)),
        |s| add_garbage(s, DOCKER_TYPE, GARBAGE),
    )
    .always(UNPARSABLE)
    .reaching(Reach::ODD),
    Damage::model(
        "manifest-is-empty",
        |_| Subject::blob(&sha256(b"")),
        |s| add_garbage(s, MANIFEST_TYPE, b""),
    )
    .always(UNPARSABLE)
    .reaching(Reach::ODD),
    Damage::model(
        "manifest-is-a-list",
        |_| Subject::blob(&sha256(b"[]")),
        |s| add_garbage(s, MANIFEST_TYPE, b"[]"),
    )
    .always(UNPARSABLE)
    .reaching(Reach::ODD),
    Damage::model(
        "config-is-garbage",
        |_| Subject::blob(&sha256(GARBAGE)),
        |s| {
            s.store.add_blob("default", &sha256(GARBAGE), GARBAGE, Labels::new());
            let config = descriptor(CONFIG_TYPE, GARBAGE).to_json();
            let layer = Descriptor {
                media_type: "application/vnd.oci.image.layer.v1.tar+gzip".into(),
                ..descriptor("", &s.base.bytes)
            };
            let document = json!({ "schemaVersion": 2, "config": config, "layers": [layer.to_json()] });
            add_odd(s, MANIFEST_TYPE, &document)
        },
    )
    .always(UNPARSABLE)
    .reaching(Reach::ODD),
    Damage::model(
        "manifest-is-huge",
        |_| Subject::blob(&sha256(&vec![b' '; HUGE])),
        |s| add_garbage(s, MANIFEST_TYPE, &vec![b' '; HUGE]),
    )
    .always(UNPARSABLE)
    .reaching(Reach::ODD),
    Damage::model(
        "nested-too-deep",
        |_| Subject::SomeBlob,
        |s| {
            let mut target = s.extra.manifest.clone();
            for _ in 0..200 {
                let document = json!({ "schemaVersion": 2, "manifests": [target.to_json()] });
                target = s.store.add_document("default", INDEX_TYPE, &document, Labels::new())?;
            }
            name(s, &target);
            Ok(())
        },
    )
    .always(UNPARSABLE)
    .reaching(Reach::ODD),
];

fn odd() -> Subject {
    Subject::Image("default".into(), Reach::ODD_NAME.into())
}

fn name(sample: &mut Sample, target: &Descriptor) {
    sample.store.add_name("default", Reach::ODD_NAME, target, Labels::new());
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Descriptor {
    Descriptor {
        media_type: media_type.into(),
        digest: sha256(bytes),
        size: bytes.len(),
        platform: None,
        annotations: Vec::new(),
    }
}

/// An image whose target has the right digest and is nothing.
fn add_garbage(sample: &mut Sample, media_type: &str, bytes: &[u8]) -> io::Result<()> {
    sample.store.add_blob("default", &sha256(bytes), bytes, Labels::new());
    name(sample, &descriptor(media_type, bytes));
    Ok(())
}

fn add_odd(sample: &mut Sample, media_type: &str, document: &Value) -> io::Result<()> {
    let target = sample.store.add_document("default", media_type, document, Labels::new())?;
    name(sample, &target);
    Ok(())
}

/// An image of these layers, unpacked under the ChainIDs that their DiffIDs claim.
pub(super) fn add_image(sample: &mut Sample, layers: &[crate::builder::PackedLayer]) -> io::Result<()> {
    let image = sample.store.add_image(&ImageSpec {
        namespace: "default",
        repository: "odd",
        layers,
        form: Form::Oci,
        platform: Platform::LINUX_AMD64,
        unpack: &["overlayfs"],
    })?;
    name(sample, &image.manifest);
    Ok(())
}

/// Neither row nor file remain.
fn forget(sample: &mut Sample, namespace: &str, digest: &str) {
    sample.store.namespace(namespace).blobs.remove(digest);
    sample.store.blobs.remove(digest);
}
