//! What a repair may do.

use std::collections::BTreeSet;
use std::fmt;

use super::Verb;
use crate::scan::Mode;

/// What is otherwise refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Allow {
    /// Taking out what no registry is known to have: `localhost/…`, or no `containerd.io/distribution.source` label.
    Unpullable,
    /// Taking out what is pinned (`io.cri-containerd.pinned`).
    Pinned,
    /// Taking out what a lease holds.
    Leased,
    /// Taking out names of images that containers were made from.
    InUse,
}

impl Allow {
    /// What protects it.
    pub(super) fn protection(self) -> &'static str {
        match self {
            Allow::Unpullable => "no registry is known to have it",
            Allow::Pinned => "it is pinned",
            Allow::Leased => "a lease holds it",
            Allow::InUse => "containers were made from it",
        }
    }
}

/// As the command takes it.
impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Allow::Unpullable => "unpullable",
            Allow::Pinned => "pinned",
            Allow::Leased => "leased",
            Allow::InUse => "in-use",
        })
    }
}

/// What a repair may do.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RepairOptions {
    /// Only these kinds of actions; all when empty.
    pub only: BTreeSet<Verb>,
    /// What not to refuse.
    pub allow: BTreeSet<Allow>,
    /// Work as on a live or a stopped store, whatever it seems to be.
    pub mode: Option<Mode>,
}

impl RepairOptions {
    /// Only actions of these kinds.
    #[must_use]
    pub fn only(mut self, only: BTreeSet<Verb>) -> Self {
        self.only = only;
        self
    }

    /// What not to refuse.
    #[must_use]
    pub fn allow(mut self, allow: BTreeSet<Allow>) -> Self {
        self.allow = allow;
        self
    }

    /// Works as on a store of that mode.
    #[must_use]
    pub fn mode(mut self, mode: Option<Mode>) -> Self {
        self.mode = mode;
        self
    }

    pub(super) fn wants(&self, verb: Verb) -> bool {
        self.only.is_empty() || self.only.contains(&verb)
    }
}
