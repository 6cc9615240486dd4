//! What can be wrong with an image: its documents, and layers that were made wrong.
#![expect(missing_docs, reason = "evidence: fields say their unit in their name")]

use std::fmt;

use serde::Serialize;

use super::{Cure, Fault, NoCure, Role, Severity, Subject};
use crate::digest::{DiffId, Digest};
use crate::layer::LayerFault;
use crate::text::{escape, exact};

/// F15: an image record whose target has neither record nor file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageTargetMissing {
    pub target: Digest,
}

impl Fault for ImageTargetMissing {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::ForgetImages;
    const PAGE: &'static str = include_str!("pages/image-target-missing.txt");

    fn sentence(&self) -> String {
        format!("its target {} has neither a record nor a file", self.target)
    }

    fn by_hand(&self) -> &'static str {
        PULL_AGAIN
    }

    fn expected(&self, _subject: &Subject) -> Option<String> {
        Some(self.target.to_string())
    }

    fn actual(&self) -> Option<String> {
        Some("missing".into())
    }
}

/// F5: a manifest was fetched, its config has neither record nor file, but layers of it are here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageConfigMissing {
    pub manifest: Digest,
    pub config: Digest,
}

impl Fault for ImageConfigMissing {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::ForgetImages;
    const PAGE: &'static str = include_str!("pages/image-config-missing.txt");

    fn sentence(&self) -> String {
        format!("config {} of manifest {} has neither a record nor a file", self.config, self.manifest)
    }

    fn by_hand(&self) -> &'static str {
        PULL_AGAIN
    }

    fn expected(&self, _subject: &Subject) -> Option<String> {
        Some(self.config.to_string())
    }

    fn actual(&self) -> Option<String> {
        Some("missing".into())
    }
}

/// F5: right digest, but no index, manifest or config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ManifestUnparsable {
    pub role: Role,
    pub why: Unparsable,
}

impl Fault for ManifestUnparsable {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::None(NoCure::MadeWrong);
    const PAGE: &'static str = include_str!("pages/manifest-unparsable.txt");

    fn sentence(&self) -> String {
        match &self.why {
            Unparsable::Json { error } => {
                format!("has the right digest, but cannot be read: {}", escape(&error.text))
            }
            Unparsable::TooLarge { size_bytes, limit_bytes } => {
                let (bytes, limit) = (exact(*size_bytes), exact(*limit_bytes));
                format!("has {bytes}, more than the {limit} that are read of one")
            }
            Unparsable::TooManyLevels { limit } => {
                format!("nests or names more than the {limit} indexes that are followed")
            }
        }
    }

    fn by_hand(&self) -> &'static str {
        "The bytes are what their digest says, so pulling them again brings the same: remove the image's names, \
         and have it built and pushed again."
    }

    fn role(&self) -> Option<Role> {
        Some(self.role)
    }
}

/// A layer whose tar is not the one that the config names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerDiffIdMismatch {
    pub expected: DiffId,
    pub actual: DiffId,
}

impl Fault for LayerDiffIdMismatch {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::None(NoCure::MadeWrong);
    const PAGE: &'static str = include_str!("pages/layer-diffid-mismatch.txt");

    fn sentence(&self) -> String {
        format!("unpacks to a tar that hashes to {}; the image's config says {}", self.actual, self.expected)
    }

    fn by_hand(&self) -> &'static str {
        BUILD_AGAIN
    }

    fn role(&self) -> Option<Role> {
        Some(Role::Layer)
    }

    fn expected(&self, _subject: &Subject) -> Option<String> {
        Some(self.expected.to_string())
    }

    fn actual(&self) -> Option<String> {
        Some(self.actual.to_string())
    }
}

/// A layer with the right digest that does not decompress, or is no tar that containerd would take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerInvalid {
    #[serde(serialize_with = "crate::text::as_text")]
    pub error: LayerFault,
}

impl Fault for LayerInvalid {
    const SEVERITY: Severity = Severity::Error;
    const CURE: Cure = Cure::None(NoCure::MadeWrong);
    const PAGE: &'static str = include_str!("pages/layer-invalid.txt");

    fn sentence(&self) -> String {
        format!("has the right digest, but cannot be unpacked: {}", escape(self.error.to_string()))
    }

    fn by_hand(&self) -> &'static str {
        BUILD_AGAIN
    }

    fn role(&self) -> Option<Role> {
        Some(Role::Layer)
    }

    fn actual(&self) -> Option<String> {
        Some(escape(self.error.to_string()))
    }
}

const PULL_AGAIN: &str = "Remove every name of the image (ctr images rm --sync) and pull it again; with CRI, removing it with \
     crictl answers OK and removes nothing.";

const BUILD_AGAIN: &str = "The blob is what the registry served, so pulling it again brings the same: the image itself is wrong. \
     Have it built and pushed again.";

/// Why an index, a manifest or a config could not be used although its digest is right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Unparsable {
    /// It is no JSON document of that shape.
    Json {
        /// What the parser says.
        #[serde(serialize_with = "crate::text::as_text")]
        error: JsonFault,
    },
    /// Larger than any registry serves.
    TooLarge {
        /// Its size.
        size_bytes: u64,
        /// What this library reads at most.
        limit_bytes: u64,
    },
    /// Indexes nested, or naming more children, beyond every bound that a real image keeps.
    TooManyLevels {
        /// The bound.
        limit: usize,
    },
}

/// Characters of what a parser says that are kept: it may quote a whole document.
const JSON_FAULT_CHARS: usize = 200;

/// What a JSON parser says of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonFault {
    /// What is wrong with it.
    pub kind: JsonFaultKind,
    /// The line, from 1; 0 where the fault has no place.
    pub line: usize,
    /// The column, from 1; 0 where the fault has no place.
    pub column: usize,
    /// All of it in the parser's words. It may quote the document.
    pub text: String,
}

/// What is wrong with a JSON document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonFaultKind {
    /// It ends too early.
    Cut,
    /// It is no JSON.
    Syntax,
    /// It is JSON of another shape.
    Shape,
}

impl From<&serde_json::Error> for JsonFault {
    fn from(error: &serde_json::Error) -> Self {
        let kind = match error.classify() {
            serde_json::error::Category::Eof => JsonFaultKind::Cut,
            serde_json::error::Category::Syntax | serde_json::error::Category::Io => JsonFaultKind::Syntax,
            serde_json::error::Category::Data => JsonFaultKind::Shape,
        };
        let text = error.to_string().chars().take(JSON_FAULT_CHARS).collect();
        JsonFault { kind, line: error.line(), column: error.column(), text }
    }
}

/// In the parser's words, as they are: JSON has them so. The sentence of a finding escapes them.
impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
