//! The documents' shapes.

use serde::{Deserialize, Deserializer};

use super::media_type::DocumentKind;
use crate::digest::{DiffId, Digest};
use crate::texts::{Text, Texts};
use crate::time::Timestamp;

/// A reference to a blob.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Descriptor {
    /// What the blob is.
    #[serde(rename = "mediaType", default = "no_text", deserialize_with = "shared_text")]
    pub media_type: Text,
    /// The blob's digest.
    pub digest: Digest,
    /// The blob's size.
    #[serde(rename = "size", default)]
    pub size_bytes: i64,
}

/// An index: manifests for several platforms, attestations, further indexes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Index {
    /// Its entries.
    #[serde(default, deserialize_with = "or_default")]
    pub manifests: Vec<Descriptor>,
}

impl Document {
    /// Gives back the memory that it does not need: there may be many.
    pub(crate) fn shrink(&mut self, texts: &Texts) {
        let share = |descriptor: &mut Descriptor| descriptor.media_type = texts.get(&descriptor.media_type);
        match self {
            Document::Index(index) => {
                index.manifests.shrink_to_fit();
                index.manifests.iter_mut().for_each(share);
            }
            Document::Manifest(manifest) => {
                manifest.layers.shrink_to_fit();
                manifest.layers.iter_mut().chain([&mut manifest.config]).for_each(share);
            }
            Document::Config(config) => {
                config.rootfs.diff_ids.shrink_to_fit();
                config.os = texts.get(&config.os);
                config.architecture = texts.get(&config.architecture);
            }
        }
    }
}

/// A manifest: a config and layers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Manifest {
    /// The config.
    pub config: Descriptor,
    /// The layers, the base's first.
    #[serde(default, deserialize_with = "or_default")]
    pub layers: Vec<Descriptor>,
}

/// An image's config.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Config {
    /// Any value: a config is no worse for a time that cannot be read.
    #[serde(default)]
    created: serde_json::Value,
    #[serde(default, deserialize_with = "or_default")]
    rootfs: RootFs,
    #[serde(default = "no_text", deserialize_with = "shared_text")]
    os: Text,
    #[serde(default = "no_text", deserialize_with = "shared_text")]
    architecture: Text,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct RootFs {
    #[serde(default, deserialize_with = "or_default")]
    diff_ids: Vec<DiffId>,
}

impl Config {
    /// When the image was made, by its own account.
    #[must_use]
    pub fn created(&self) -> Option<Timestamp> {
        self.created.as_str().and_then(Timestamp::parse)
    }

    /// The operating system that the image is for; empty where it does not say.
    #[must_use]
    pub fn os(&self) -> &str {
        &self.os
    }

    /// The architecture that the image is for, by Go's name; empty where it does not say.
    #[must_use]
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The DiffID of each layer, the base's first.
    #[must_use]
    pub fn diff_ids(&self) -> &[DiffId] {
        &self.rootfs.diff_ids
    }
}

/// A parsed document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// An index.
    Index(Index),
    /// A manifest.
    Manifest(Manifest),
    /// A config.
    Config(Config),
}

/// Go's decoder takes `null` for the zero value of anything.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn no_text() -> Text {
    "".into()
}

fn shared_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
    let text: String = or_default(deserializer)?;
    Ok(text.into())
}

/// Parses a document of that kind.
///
/// # Errors
/// The parser's, for what is no JSON or of another shape.
pub fn parse(kind: DocumentKind, bytes: &[u8]) -> Result<Document, serde_json::Error> {
    match kind {
        DocumentKind::Index => read(bytes).map(Document::Index),
        DocumentKind::Manifest => read(bytes).map(Document::Manifest),
        DocumentKind::Config => read(bytes).map(Document::Config),
    }
}

fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    // serde takes a list for a struct, its fields in order; Go does not.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(serde::de::Error::custom("a list where an object should be"));
    }
    // A key that stands twice is an error to serde's structs; Go lets the last one win, and so does a Value.
    serde_json::from_slice(bytes)
        .or_else(|_| serde_json::from_slice::<serde_json::Value>(bytes).and_then(serde_json::from_value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(byte: &str) -> String {
        format!("sha256:{}", byte.repeat(32))
    }

    fn manifest(extra: &str) -> String {
        format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":2}},
                "layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{}","size":3}}]{extra}}}"#,
            hex("aa"),
            hex("bb")
        )
    }

    #[test]
    fn agrees_with_oci_spec() {
        let text = manifest("");
        let oracle: oci_spec::image::ImageManifest = serde_json::from_str(&text).unwrap();
        let Document::Manifest(ours) = parse(DocumentKind::Manifest, text.as_bytes()).unwrap() else {
            panic!()
        };
        assert_eq!(ours.config.digest.to_string(), oracle.config().digest().to_string());
        assert_eq!(ours.layers.len(), oracle.layers().len());
        assert_eq!(ours.layers[0].digest.to_string(), oracle.layers()[0].digest().to_string());
        assert_eq!(*ours.layers[0].media_type, *oracle.layers()[0].media_type().to_string());
        let text = format!(
            r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
            hex("cc")
        );
        let oracle: oci_spec::image::ImageConfiguration = serde_json::from_str(&text).unwrap();
        let Document::Config(ours) = parse(DocumentKind::Config, text.as_bytes()).unwrap() else { panic!() };
        assert_eq!(ours.diff_ids()[0].to_string(), oracle.rootfs().diff_ids()[0]);
    }

    /// Why oci-spec does not serve at run time: Go, and so containerd, takes all of these.
    #[test]
    fn takes_what_go_takes_and_oci_spec_does_not() {
        let config = format!(r#"{{"rootfs":{{"diff_ids":["{}"]}}}}"#, hex("cc"));
        assert!(serde_json::from_str::<oci_spec::image::ImageConfiguration>(&config).is_err());
        assert!(parse(DocumentKind::Config, config.as_bytes()).is_ok());
        let index = r#"{"schemaVersion":2,"manifests":null}"#;
        assert!(serde_json::from_str::<oci_spec::image::ImageIndex>(index).is_err());
        assert_eq!(
            parse(DocumentKind::Index, index.as_bytes()).unwrap(),
            Document::Index(Index { manifests: vec![] })
        );
        let twice = manifest(r#","layers":[]"#);
        assert!(serde_json::from_str::<oci_spec::image::ImageManifest>(&twice).is_err());
        let Document::Manifest(ours) = parse(DocumentKind::Manifest, twice.as_bytes()).unwrap() else {
            panic!()
        };
        assert!(ours.layers.is_empty());
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for text in ["", "{", "[]", "null", r#"{"config":{"digest":"x"}}"#, "\0\0\0\0"] {
            assert!(parse(DocumentKind::Manifest, text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(parse(DocumentKind::Index, b"[]").is_err());
        let deep = "[".repeat(100_000);
        assert!(parse(DocumentKind::Index, deep.as_bytes()).is_err());
    }
}
