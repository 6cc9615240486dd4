//! An OCI layout from layers that a test wrote byte by byte, for rules that no image builder would reach.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// How a layer's tar is stored, and so its media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// `application/vnd.oci.image.layer.v1.tar`.
    None,
    /// `…tar+gzip`.
    Gzip,
    /// `…tar+zstd`.
    Zstd,
}

impl Compression {
    fn media_type(self) -> &'static str {
        match self {
            Compression::None => "application/vnd.oci.image.layer.v1.tar",
            Compression::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Compression::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }

    fn apply(self, tar: &[u8]) -> Vec<u8> {
        match self {
            Compression::None => tar.to_vec(),
            Compression::Gzip => {
                let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                gzip.write_all(tar).and_then(|()| gzip.finish()).expect("gzip in memory")
            }
            Compression::Zstd => zstd::encode_all(tar, 1).expect("zstd in memory"),
        }
    }
}

/// Writes an OCI layout into `folder`: one linux/amd64 image, tag `latest`, of these tars, the lowest layer first.
///
/// `Registry::push` and `Containerd::import` take it. Two tars that are equal are one blob, as in any registry.
pub fn write_layout(folder: &Path, layers: &[(Compression, &[u8])]) {
    std::fs::create_dir_all(folder.join("blobs/sha256")).expect("blobs folder");
    let stored: Vec<Value> = layers
        .iter()
        .map(|(compression, tar)| put(folder, compression.media_type(), &compression.apply(tar)))
        .collect();
    let diff_ids: Vec<String> = layers.iter().map(|(_, tar)| digest(tar)).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = put(folder, "application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": stored});
    let mut target = put(folder, media_type, manifest.to_string().as_bytes());
    if let Some(target) = target.as_object_mut() {
        target.insert("annotations".to_owned(), json!({"org.opencontainers.image.ref.name": "latest"}));
    }
    let index = json!({"schemaVersion": 2, "manifests": [target]});
    std::fs::write(folder.join("index.json"), index.to_string()).expect("index.json");
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("oci-layout");
}

/// Writes an OCI layout into `folder`: one layer with one file of `bytes` bytes that no compression makes smaller, other
/// ones for each `seed`.
pub fn write_noise(folder: &Path, bytes: usize, seed: u64) {
    let mut state = seed.wrapping_add(1);
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    });
    let tree = tempfile::tempdir().expect("temporary folder");
    std::fs::write(tree.path().join("noise"), noise.take(bytes).collect::<Vec<u8>>()).expect("file");
    let mut tar = Command::new("tar");
    let tar = tar.arg("-C").arg(tree.path()).args(["-cf", "-", "noise"]).output().expect("tar");
    write_layout(folder, &[(Compression::None, &tar.stdout)]);
}

/// Stores a blob; its descriptor.
fn put(folder: &Path, media_type: &str, bytes: &[u8]) -> Value {
    let digest = digest(bytes);
    let name = digest.trim_start_matches("sha256:");
    std::fs::write(folder.join("blobs/sha256").join(name), bytes).expect("blob");
    json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
