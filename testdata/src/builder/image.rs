//! Images: layers, config, manifest and index as blobs, with the rows and labels that a pull leaves.

use std::io;

use serde_json::{Value, json};

use super::digest::sha256;
use super::layer::{Compression, PackedLayer};
use super::model::{BlobRow, ImageRow, Labels, StoreBuilder};

/// Where every image here comes from.
const REGISTRY_LABEL: &str = "containerd.io/distribution.source.registry.example";

/// Which documents an image is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// OCI image spec 1.0.
    #[default]
    Oci,
    /// Docker image manifest, version 2, schema 2.
    Docker,
}

/// An operating system and a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Platform {
    /// As Go names it.
    pub os: &'static str,
    /// As Go names it.
    pub architecture: &'static str,
}

impl Platform {
    /// The one that is pulled here.
    pub const LINUX_AMD64: Platform = Platform { os: "linux", architecture: "amd64" };
}

/// What a document points at.
#[derive(Debug, Clone)]
pub struct Descriptor {
    /// The media type.
    pub media_type: String,
    /// The digest.
    pub digest: String,
    /// Bytes.
    pub size: usize,
    /// The platform, in an index.
    pub platform: Option<Platform>,
    /// Annotations.
    pub annotations: Vec<(String, String)>,
}

impl Descriptor {
    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut json = serde_json::Map::new();
        json.insert("mediaType".into(), json!(self.media_type));
        json.insert("digest".into(), json!(self.digest));
        json.insert("size".into(), json!(self.size));
        if let Some(Platform { os, architecture }) = self.platform {
            json.insert("platform".into(), json!({ "os": os, "architecture": architecture }));
        }
        if !self.annotations.is_empty() {
            let annotations =
                self.annotations.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
            json.insert("annotations".into(), annotations);
        }
        Value::Object(json)
    }
}

/// What an image is to be made of.
#[derive(Debug, Clone)]
pub struct ImageSpec<'a> {
    /// The namespace of its rows.
    pub namespace: &'a str,
    /// The repository it comes from.
    pub repository: &'a str,
    /// Its layers, lowest first.
    pub layers: &'a [PackedLayer],
    /// Its documents.
    pub form: Form,
    /// Its platform.
    pub platform: Platform,
    /// The snapshotters it is unpacked by.
    pub unpack: &'a [&'a str],
}

/// The parts of an image.
#[derive(Debug, Clone)]
pub struct Image {
    /// The manifest.
    pub manifest: Descriptor,
    /// The config's digest.
    pub config: String,
    /// The layers' digests, lowest first.
    pub layers: Vec<String>,
    /// The chain IDs, lowest first.
    pub chain: Vec<String>,
}

impl StoreBuilder {
    /// Adds a blob and its row in `namespace`; where the row exists, it takes the labels too, as on a second pull.
    pub fn add_blob(&mut self, namespace: &str, digest: &str, bytes: &[u8], labels: Labels) {
        self.blobs.insert(digest.into(), bytes.into());
        let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        let row = BlobRow { size, labels: Labels::new() };
        let row = self.namespace(namespace).blobs.entry(digest.into()).or_insert(row);
        for (key, value) in labels {
            let old = row.labels.entry(key).or_default();
            // Only the sources of a blob are lists; nothing else here differs from one image to the next.
            if old.is_empty() {
                *old = value;
            } else if !old.split(',').any(|part| part == value) {
                *old = format!("{old},{value}");
            }
        }
    }

    /// Adds a document (an index, a manifest or a config), named by its sha256, and returns what points at it.
    ///
    /// # Errors
    /// Never, for JSON that `json!` made.
    pub fn add_document(
        &mut self,
        namespace: &str,
        media_type: &str,
        document: &Value,
        labels: Labels,
    ) -> io::Result<Descriptor> {
        let bytes = serde_json::to_vec(document)?;
        let digest = sha256(&bytes);
        self.add_blob(namespace, &digest, &bytes, labels);
        let (media_type, size) = (media_type.into(), bytes.len());
        Ok(Descriptor { media_type, digest, size, platform: None, annotations: Vec::new() })
    }

    /// Adds an image's layers, config and manifest, and unpacks it. It has no name yet: see [`Self::add_name`].
    ///
    /// # Errors
    /// Never, in practice.
    pub fn add_image(&mut self, spec: &ImageSpec<'_>) -> io::Result<Image> {
        let source = || Labels::from([(REGISTRY_LABEL.into(), spec.repository.into())]);
        let mut layers = Vec::new();
        for layer in spec.layers {
            let mut labels = source();
            if layer.compression != Compression::None {
                labels.insert("containerd.io/uncompressed".into(), layer.diff_id.clone());
            }
            self.add_blob(spec.namespace, &layer.digest, &layer.bytes, labels);
            layers.push(layer_descriptor(layer, spec.form));
        }

        let mut labels = source();
        let mut chain = super::digest::chain_ids(spec.layers.iter().map(|layer| layer.diff_id.as_str()));
        for snapshotter in spec.unpack {
            chain = self.unpack(spec.namespace, snapshotter, spec.layers);
            let top = chain.last().cloned().unwrap_or_default();
            labels.insert(format!("containerd.io/gc.ref.snapshot.{snapshotter}"), top);
        }
        let config = self.add_document(spec.namespace, config_type(spec.form), &config(spec), labels)?;

        let mut labels = source();
        labels.insert("containerd.io/gc.ref.content.config".into(), config.digest.clone());
        for (number, layer) in layers.iter().enumerate() {
            labels.insert(format!("containerd.io/gc.ref.content.l.{number}"), layer.digest.clone());
        }
        let media_type = manifest_type(spec.form);
        let document = json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": config.to_json(),
            "layers": layers.iter().map(Descriptor::to_json).collect::<Vec<_>>(),
        });
        let manifest = self.add_document(spec.namespace, media_type, &document, labels)?;
        Ok(Image {
            manifest: Descriptor { platform: Some(spec.platform), ..manifest },
            config: config.digest,
            layers: layers.into_iter().map(|layer| layer.digest).collect(),
            chain,
        })
    }

    /// Adds an attestation: an image manifest whose one layer is a statement about another image.
    ///
    /// # Errors
    /// Never, in practice.
    pub fn add_statement(
        &mut self,
        namespace: &str,
        repository: &str,
        statement: &[u8],
    ) -> io::Result<Image> {
        let source = || Labels::from([(REGISTRY_LABEL.into(), repository.into())]);
        let unknown = Platform { os: "unknown", architecture: "unknown" };
        let digest = sha256(statement);
        self.add_blob(namespace, &digest, statement, source());
        let document = json!({
            "architecture": unknown.architecture,
            "os": unknown.os,
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": [digest] },
        });
        let config = self.add_document(namespace, config_type(Form::Oci), &document, source())?;
        let mut labels = source();
        labels.insert("containerd.io/gc.ref.content.config".into(), config.digest.clone());
        labels.insert("containerd.io/gc.ref.content.l.0".into(), digest.clone());
        let media_type = manifest_type(Form::Oci);
        let document = json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": config.to_json(),
            "layers": [{
                "mediaType": "application/vnd.in-toto+json",
                "digest": digest,
                "size": statement.len(),
                "annotations": { "in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2" },
            }],
        });
        let manifest = self.add_document(namespace, media_type, &document, labels)?;
        let manifest = Descriptor { platform: Some(unknown), ..manifest };
        Ok(Image { manifest, config: config.digest, layers: vec![digest], chain: Vec::new() })
    }

    /// Adds an index of `children`; those whose number is in `kept` were fetched, and the index keeps them.
    ///
    /// # Errors
    /// Never, in practice.
    pub fn add_index(
        &mut self,
        namespace: &str,
        children: &[Descriptor],
        kept: &[usize],
    ) -> io::Result<Descriptor> {
        let media_type = "application/vnd.oci.image.index.v1+json";
        let document = json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "manifests": children.iter().map(Descriptor::to_json).collect::<Vec<_>>(),
        });
        let mut labels = Labels::new();
        for &number in kept {
            let Some(child) = children.get(number) else { continue };
            labels.insert(format!("containerd.io/gc.ref.content.m.{number}"), child.digest.clone());
        }
        self.add_document(namespace, media_type, &document, labels)
    }

    /// Adds an image record.
    pub fn add_name(&mut self, namespace: &str, name: &str, target: &Descriptor, labels: Labels) {
        let row = ImageRow {
            digest: target.digest.clone(),
            media_type: target.media_type.clone(),
            size: i64::try_from(target.size).unwrap_or(i64::MAX),
            labels,
        };
        self.namespace(namespace).images.insert(name.into(), row);
    }
}

fn manifest_type(form: Form) -> &'static str {
    match form {
        Form::Oci => "application/vnd.oci.image.manifest.v1+json",
        Form::Docker => "application/vnd.docker.distribution.manifest.v2+json",
    }
}

fn config_type(form: Form) -> &'static str {
    match form {
        Form::Oci => "application/vnd.oci.image.config.v1+json",
        Form::Docker => "application/vnd.docker.container.image.v1+json",
    }
}

fn layer_descriptor(layer: &PackedLayer, form: Form) -> Descriptor {
    let media_type = match (form, layer.compression) {
        (Form::Oci, Compression::Gzip) => "application/vnd.oci.image.layer.v1.tar+gzip",
        (Form::Oci, Compression::Zstd) => "application/vnd.oci.image.layer.v1.tar+zstd",
        (Form::Oci, Compression::None) => "application/vnd.oci.image.layer.v1.tar",
        (Form::Docker, Compression::None) => "application/vnd.docker.image.rootfs.diff.tar",
        (Form::Docker, _) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
    };
    let (digest, size) = (layer.digest.clone(), layer.bytes.len());
    Descriptor { media_type: media_type.into(), digest, size, platform: None, annotations: Vec::new() }
}

fn config(spec: &ImageSpec<'_>) -> Value {
    json!({
        "created": "2026-01-01T00:00:00Z",
        "architecture": spec.platform.architecture,
        "os": spec.platform.os,
        "config": { "Cmd": ["/bin/sh"], "Labels": { "repository": spec.repository } },
        "rootfs": {
            "type": "layers",
            "diff_ids": spec.layers.iter().map(|layer| layer.diff_id.as_str()).collect::<Vec<_>>(),
        },
        "history": spec.layers.iter().map(|_| json!({ "created": "2026-01-01T00:00:00Z" })).collect::<Vec<_>>(),
    })
}
