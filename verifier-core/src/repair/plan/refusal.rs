//! What is left alone, and why.

use std::fmt;

use serde::Serialize;

use super::action::code_text;
use super::{Allow, Verb};
use crate::finding::{Code, Named, NoCure, Subject};
use crate::text::escape;

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
    /// It breaks nothing, and containerd deals with it by itself.
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

impl From<NoCure> for Why {
    fn from(why: NoCure) -> Self {
        match why {
            NoCure::HealsItself => Why::HealsItself,
            NoCure::MadeWrong => Why::MadeWrong,
            NoCure::Medium => Why::Medium,
            NoCure::ByHand => Why::ByHand,
        }
    }
}

/// What is left alone and why, in one line. Names are escaped.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.code, self.subject, self.why)
    }
}

/// Why, in a few words. Names are escaped.
impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::HealsItself => f.write_str("breaks nothing, and containerd deals with it by itself"),
            Why::MadeWrong => {
                f.write_str("the bytes are what the registry serves: the image has to be built again")
            }
            Why::Medium => {
                f.write_str("the medium fails: look at the kernel's log and the disk's health first")
            }
            Why::ByHand => f.write_str("not done by this command; 'containerd-fsck explain' says what to do"),
            Why::NotAsked { verb } => write!(f, "would be healed by '{verb}', which --only leaves out"),
            Why::Protected { allow, by } => {
                let by: Vec<String> = by.iter().map(escape).collect();
                let (why, by) = (allow.protection(), by.join(", "));
                write!(f, "{why} (--allow {allow} does it all the same): {by}")
            }
            Why::Containers { containers } => {
                let names: Vec<String> = containers.iter().map(ToString::to_string).collect();
                write!(f, "containers stand on it; stop and remove them first: {}", names.join(", "))
            }
            Why::Snapshots { keys } => {
                let keys: Vec<String> = keys.iter().map(escape).collect();
                write!(f, "snapshots that belong to no image are built on it: {}", keys.join(", "))
            }
            Why::Mounted { how } => write!(f, "{}; stop what uses it first", escape(how)),
            Why::RebuildFirst => f.write_str("a damaged database is made anew first"),
            Why::Live => f.write_str("containerd may be at work on it; stop containerd first"),
            Why::NoLayer => f.write_str("no layer is known from which it could be unpacked again"),
        }
    }
}
