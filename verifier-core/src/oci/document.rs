//! The documents' shapes, and how each is read: as containerd reads it (see [`super::json`]).

use serde::de::{DeserializeSeed as _, Deserializer, Error, IgnoredAny, MapAccess};

use super::allowance::{Allowance, TooMuch};
use super::json::{self, Item, List, Name, Object, Shape};
use super::media_type::DocumentKind;
use crate::digest::{DiffId, Digest, ParseDigestError};
use crate::texts::{Text, Texts};
use crate::time::Timestamp;

/// A reference to a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// What the blob is.
    pub media_type: Text,
    /// The blob's digest.
    pub digest: Digest,
    /// The blob's size.
    pub size_bytes: i64,
}

/// An index: manifests for several platforms, attestations, further indexes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// Its entries.
    pub manifests: Vec<Descriptor>,
}

/// A manifest: a config and layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The config.
    pub config: Descriptor,
    /// The layers, the base's first.
    pub layers: Vec<Descriptor>,
}

/// An image's config.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    created: Option<Timestamp>,
    diff_ids: Vec<DiffId>,
}

impl Config {
    /// When the image was made, by its own account.
    #[must_use]
    pub fn created(&self) -> Option<Timestamp> {
        self.created
    }

    /// The DiffID of each layer, the base's first.
    #[must_use]
    pub fn diff_ids(&self) -> &[DiffId] {
        &self.diff_ids
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

impl Document {
    /// Has its media types share the memory of `texts`.
    pub(crate) fn share(&mut self, texts: &Texts) {
        let share = |descriptor: &mut Descriptor| descriptor.media_type = texts.get(&descriptor.media_type);
        match self {
            Document::Index(index) => index.manifests.iter_mut().for_each(share),
            Document::Manifest(manifest) => {
                manifest.layers.iter_mut().chain([&mut manifest.config]).for_each(share);
            }
            Document::Config(_) => {}
        }
    }
}

/// What a descriptor takes, with its places in the maps that lead to it and from it.
const DESCRIPTOR_BYTES: usize = 512;
/// The same of a DiffID.
const DIFF_ID_BYTES: usize = 160;

/// Parses a document of that kind.
///
/// # Errors
/// The parser's, for what is no JSON or of another shape.
pub fn parse(kind: DocumentKind, bytes: &[u8]) -> Result<Document, serde_json::Error> {
    parse_within(kind, bytes, &Allowance::new(usize::MAX))
}

/// [`parse`], and gives up where `allowance` ends.
pub(crate) fn parse_within(
    kind: DocumentKind,
    bytes: &[u8],
    allowance: &Allowance,
) -> Result<Document, serde_json::Error> {
    match kind {
        DocumentKind::Index => {
            let mut read = IndexShape { index: Index::default(), allowance };
            json::read(bytes, &mut read)?;
            read.index.manifests.shrink_to_fit();
            Ok(Document::Index(read.index))
        }
        DocumentKind::Manifest => {
            let mut read = ManifestShape { config: Partial::default(), layers: Vec::new(), allowance };
            json::read(bytes, &mut read)?;
            read.layers.shrink_to_fit();
            Ok(Document::Manifest(Manifest { config: read.config.whole()?, layers: read.layers }))
        }
        DocumentKind::Config => {
            let mut read = ConfigShape { config: Config::default(), allowance };
            json::read(bytes, &mut read)?;
            read.config.diff_ids.shrink_to_fit();
            Ok(Document::Config(read.config))
        }
    }
}

/// What kind of document it is: by its media type, which Docker and most builders write into it, else by its shape.
pub(crate) fn guess_kind(bytes: &[u8]) -> Option<DocumentKind> {
    let mut outline = Outline::default();
    json::read(bytes, &mut outline).ok()?;
    let shape = match outline {
        Outline { has_manifests: true, .. } => Some(DocumentKind::Index),
        Outline { has_config: true, has_layers: true, .. } => Some(DocumentKind::Manifest),
        Outline { has_rootfs: true, .. } => Some(DocumentKind::Config),
        _ => None,
    };
    outline.named.or(shape)
}

/// What tells a document's kind.
#[derive(Default)]
struct Outline {
    named: Option<DocumentKind>,
    has_manifests: bool,
    has_config: bool,
    has_layers: bool,
    has_rootfs: bool,
}

impl Shape for Outline {
    fn field<'de, A: MapAccess<'de>>(&mut self, name: Name, map: &mut A) -> Result<(), A::Error> {
        let has = match name {
            Name::MediaType => {
                self.named = map
                    .next_value_seed(json::Text(|text: &str| Ok::<_, TooMuch>(DocumentKind::of(text))))?
                    .flatten();
                return Ok(());
            }
            Name::Manifests => &mut self.has_manifests,
            Name::Config => &mut self.has_config,
            Name::Layers => &mut self.has_layers,
            Name::RootFs => &mut self.has_rootfs,
            _ => return json::skip(map),
        };
        *has = map.next_value::<Option<IgnoredAny>>()?.is_some();
        Ok(())
    }
}

struct IndexShape<'a> {
    index: Index,
    allowance: &'a Allowance,
}

impl Shape for IndexShape<'_> {
    fn field<'de, A: MapAccess<'de>>(&mut self, name: Name, map: &mut A) -> Result<(), A::Error> {
        match name {
            Name::Manifests => map.next_value_seed(List(&mut self.index.manifests, self.allowance)),
            _ => json::skip(map),
        }
    }
}

struct ManifestShape<'a> {
    config: Partial,
    layers: Vec<Descriptor>,
    allowance: &'a Allowance,
}

impl Shape for ManifestShape<'_> {
    fn field<'de, A: MapAccess<'de>>(&mut self, name: Name, map: &mut A) -> Result<(), A::Error> {
        let allowance = self.allowance;
        match name {
            Name::Config => {
                map.next_value_seed(Object(&mut DescriptorShape { partial: &mut self.config, allowance }))
            }
            Name::Layers => map.next_value_seed(List(&mut self.layers, allowance)),
            _ => json::skip(map),
        }
    }
}

struct ConfigShape<'a> {
    config: Config,
    allowance: &'a Allowance,
}

impl Shape for ConfigShape<'_> {
    fn field<'de, A: MapAccess<'de>>(&mut self, name: Name, map: &mut A) -> Result<(), A::Error> {
        match name {
            // Any value: a config is no worse for a time that cannot be read.
            Name::Created => self.config.created = map.next_value_seed(json::Time)?,
            Name::RootFs => {
                let (diff_ids, allowance) = (&mut self.config.diff_ids, self.allowance);
                map.next_value_seed(Object(&mut RootFsShape { diff_ids, allowance }))?;
            }
            _ => json::skip(map)?,
        }
        Ok(())
    }
}

struct RootFsShape<'a> {
    diff_ids: &'a mut Vec<DiffId>,
    allowance: &'a Allowance,
}

impl Shape for RootFsShape<'_> {
    fn field<'de, A: MapAccess<'de>>(&mut self, name: Name, map: &mut A) -> Result<(), A::Error> {
        match name {
            Name::DiffIds => map.next_value_seed(List(self.diff_ids, self.allowance)),
            _ => json::skip(map),
        }
    }
}

/// As much of a descriptor as was read.
#[derive(Default)]
struct Partial {
    media_type: Text,
    digest: Option<Digest>,
    size_bytes: i64,
}

impl Partial {
    fn whole<E: Error>(self) -> Result<Descriptor, E> {
        let Partial { media_type, digest, size_bytes } = self;
        let digest = digest.ok_or_else(|| E::missing_field("digest"))?;
        Ok(Descriptor { media_type, digest, size_bytes })
    }
}

impl From<&Descriptor> for Partial {
    fn from(descriptor: &Descriptor) -> Self {
        let Descriptor { media_type, digest, size_bytes } = descriptor.clone();
        Partial { media_type, digest: Some(digest), size_bytes }
    }
}

struct DescriptorShape<'a> {
    partial: &'a mut Partial,
    allowance: &'a Allowance,
}

impl Shape for DescriptorShape<'_> {
    fn field<'de, A: MapAccess<'de>>(&mut self, name: Name, map: &mut A) -> Result<(), A::Error> {
        match name {
            Name::MediaType => {
                let media_type = map.next_value_seed(json::Text(|text: &str| self.allowance.text(text)))?;
                if let Some(media_type) = media_type {
                    self.partial.media_type = media_type;
                }
            }
            Name::Digest => {
                let digest = map.next_value_seed(json::Text(|text: &str| digest(text, self.allowance)))?;
                self.partial.digest = digest.or(self.partial.digest.take());
            }
            Name::Size => {
                let size_bytes = map.next_value_seed(json::Number)?;
                self.partial.size_bytes = size_bytes.unwrap_or(self.partial.size_bytes);
            }
            _ => json::skip(map)?,
        }
        Ok(())
    }
}

impl Item for Descriptor {
    fn read<'de, D: Deserializer<'de>>(
        before: Option<&Self>,
        allowance: &Allowance,
        deserializer: D,
    ) -> Result<Self, D::Error> {
        allowance.take(DESCRIPTOR_BYTES).map_err(D::Error::custom)?;
        let mut partial = before.map(Partial::from).unwrap_or_default();
        Object(&mut DescriptorShape { partial: &mut partial, allowance }).deserialize(deserializer)?;
        partial.whole()
    }
}

impl Item for DiffId {
    fn read<'de, D: Deserializer<'de>>(
        before: Option<&Self>,
        allowance: &Allowance,
        deserializer: D,
    ) -> Result<Self, D::Error> {
        allowance.take(DIFF_ID_BYTES).map_err(D::Error::custom)?;
        let read = json::Text(|text: &str| digest(text, allowance)).deserialize(deserializer)?;
        let diff_id = read.map(DiffId).or_else(|| before.cloned());
        diff_id.ok_or_else(|| D::Error::custom("null where a digest should be"))
    }
}

/// Only those of unknown algorithms may be of any length.
fn digest(text: &str, allowance: &Allowance) -> Result<Digest, String> {
    let over = text.len().saturating_sub("sha256:".len() + 64);
    allowance.take(over).map_err(|error| error.to_string())?;
    text.parse().map_err(|error: ParseDigestError| error.to_string())
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

    fn config(text: &str) -> Config {
        let Document::Config(config) = parse(DocumentKind::Config, text.as_bytes()).unwrap() else {
            panic!()
        };
        config
    }

    fn layers_of(text: &str) -> Vec<Descriptor> {
        let Document::Manifest(manifest) = parse(DocumentKind::Manifest, text.as_bytes()).unwrap() else {
            panic!()
        };
        manifest.layers
    }

    /// By decode.go: what stands twice is read twice, into one place.
    #[test]
    fn names_that_stand_twice_are_read_as_go_reads_them() {
        let (a, b) = (hex("aa"), hex("bb"));
        let diff_ids =
            |text: &str| -> Vec<String> { config(text).diff_ids().iter().map(ToString::to_string).collect() };
        let twice = format!(r#"{{"rootfs":{{"diff_ids":["{a}","{a}"]}},"rootfs":{{"diff_ids":["{b}"]}}}}"#);
        assert_eq!(diff_ids(&twice), std::slice::from_ref(&b));
        let other_field = format!(r#"{{"rootfs":{{"diff_ids":["{a}"]}},"rootfs":{{"type":"layers"}}}}"#);
        assert_eq!(diff_ids(&other_field), std::slice::from_ref(&a));
        let null = format!(r#"{{"rootfs":{{"diff_ids":["{a}"]}},"rootfs":null}}"#);
        assert_eq!(diff_ids(&null), std::slice::from_ref(&a));
        let null = format!(r#"{{"rootfs":{{"diff_ids":["{a}"],"diff_ids":null}}}}"#);
        assert!(diff_ids(&null).is_empty());
        let two = format!(r#","layers":[{{"digest":"{a}"}},{{"digest":"{a}","size":5}}]"#);
        let layers = layers_of(&manifest(&two));
        assert_eq!(layers.iter().map(|layer| layer.size_bytes).collect::<Vec<_>>(), [3, 5]);
        assert_eq!((layers[0].digest.to_string(), layers.len()), (a, 2));
    }

    #[test]
    fn names_are_found_in_any_case() {
        let text =
            format!(r#"{{"RootF\u017f":{{"Diff_IDs":["{}"]}},"CREATED":"2026-01-02T03:04:05Z"}}"#, hex("aa"));
        let read = config(&text);
        assert_eq!((read.diff_ids().len(), read.created().is_some()), (1, true));
        assert!(config(r#"{"root fs":{"diff_ids":7},"rootfss":1,"rootf":2,"":3}"#).diff_ids().is_empty());
    }

    #[test]
    fn what_nobody_asks_for_may_be_anything() {
        for other in [r#""\ud800""#, "1e999", "[[[[{}]]]]", "null"] {
            let text = format!(r#"{{"x":{other},"x":{other},"rootfs":{{"x":{other},"diff_ids":null}}}}"#);
            assert_eq!(config(&text), Config::default(), "{other}");
        }
        let no_utf8 = b"{\"\xff\":\"\xff\",\"\\ud800\":1}";
        assert_eq!(parse(DocumentKind::Config, no_utf8).unwrap(), Document::Config(Config::default()));
        let levels = |count: usize| format!(r#"{{"x":{}{}}}"#, "[".repeat(count - 1), "]".repeat(count - 1));
        assert!(parse(DocumentKind::Config, levels(10_000).as_bytes()).is_ok());
        assert!(parse(DocumentKind::Config, levels(10_001).as_bytes()).is_err());
        let in_text = format!(r#"{{"x":"\"{}"}}"#, "[".repeat(20_000));
        assert!(parse(DocumentKind::Config, in_text.as_bytes()).is_ok());
    }

    #[test]
    fn a_time_may_be_anything() {
        for other in ["7", "-7", "7.5", "true", "null", r#""x""#, "[1,{}]", r#"{"a":{"b":[]}}"#] {
            assert_eq!(config(&format!(r#"{{"created":{other}}}"#)).created(), None, "{other}");
        }
        let last = config(r#"{"created":"2026-01-02T03:04:05Z","created":7}"#);
        assert_eq!(last.created(), None);
    }

    /// What a document with each name once is made of, by the tree of all values.
    #[test]
    fn agrees_with_the_tree_of_all_values() {
        let text = manifest(r#","annotations":{"layers":"x"},"size":1e999"#);
        let value: serde_json::Value = serde_json::from_str(&manifest("")).unwrap();
        let layers = layers_of(&text);
        assert_eq!(layers[0].digest.to_string(), value["layers"][0]["digest"].as_str().unwrap());
        assert_eq!(layers[0].media_type, *value["layers"][0]["mediaType"].as_str().unwrap());
        assert_eq!(Some(layers[0].size_bytes), value["layers"][0]["size"].as_i64());
    }

    #[test]
    fn the_kind_is_told_by_the_words_of_a_document() {
        let guess = |text: &str| guess_kind(text.as_bytes());
        assert_eq!(guess(&manifest("")), Some(DocumentKind::Manifest));
        assert_eq!(guess(r#"{"manifests":[]}"#), Some(DocumentKind::Index));
        assert_eq!(guess(r#"{"rootfs":{},"config":{}}"#), Some(DocumentKind::Config));
        assert_eq!(guess(r#"{"manifests":null,"rootfs":null}"#), None);
        let named = r#"{"mediaType":"application/vnd.oci.image.config.v1+json","manifests":[]}"#;
        assert_eq!(guess(named), Some(DocumentKind::Config));
        assert_eq!(guess("[]"), None);
    }

    #[test]
    fn what_is_no_document_is_refused() {
        let list = format!(r#"{{"config":["application/x","{}",1],"layers":[]}}"#, hex("aa"));
        for text in ["", "{", "[]", "null", r#"{"config":{"digest":"x"}}"#, "\0\0\0\0", &list] {
            assert!(parse(DocumentKind::Manifest, text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(parse(DocumentKind::Index, b"[]").is_err());
        let deep = "[".repeat(100_000);
        assert!(parse(DocumentKind::Index, deep.as_bytes()).is_err());
    }
}
