//! What is left alone, and why.

use serde::Serialize;

use super::action::code_text;
use super::{Allow, Verb};
use crate::finding::{Code, Named, Subject};

/// A finding that nothing is done about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Refusal {
    /// Its code.
    #[serde(serialize_with = "code_text")]
    pub code: Code,
    /// What it is about.
    pub subject: Subject,
    /// Why not.
    #[serde(flatten)]
    pub why: Why,
}

/// Why nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Why {
    /// It breaks nothing, and containerd puts it right by itself.
    HealsItself,
    /// The bytes are what the registry serves: pulling brings the same again.
    MadeWrong,
    /// The medium fails: nothing is written to it before that is looked into.
    Medium,
    /// No action of this tool heals it: `explain` says what does.
    ByHand,
    /// Kinds of actions were named, and this one was not.
    NotAsked {
        /// What would be done.
        verb: Verb,
    },
    /// What would be taken out is protected.
    Protected {
        /// By what: what to allow for it to be done.
        allow: Allow,
        /// The names that protect it: images or leases.
        by: Vec<String>,
    },
    /// Containers stand on it: stop and remove them first.
    Containers {
        /// Which.
        containers: Vec<Named>,
    },
    /// A snapshot that is no image's stands on it.
    Snapshots {
        /// Their keys.
        keys: Vec<String>,
    },
    /// A mount uses it, or may: what is looked up through it would stay as it was.
    Mounted {
        /// Which, in words.
        how: String,
    },
    /// A database is made anew first; what it says then is for the next look.
    RebuildFirst,
    /// While containerd holds the store it may not be done: stop it first.
    Live,
    /// The layer's blob, which it would be made from, is damaged or not here, and what it stands under is not known.
    NoLayer,
}
