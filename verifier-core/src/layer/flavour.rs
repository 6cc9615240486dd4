//! Which of containerd's ways to apply a layer made a tree.

use super::tree::Rules;

/// How the tree came about: which of containerd's ways to apply a layer, and on top of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Flavour {
    /// overlayfs, a layer with others below it: whiteouts are devices and attributes.
    OverlayUpper,
    /// overlayfs, the first layer: a bind mount, applied naively.
    OverlayFirst,
    /// overlayfs in a user namespace: through a mounted overlay, naively; the kernel makes whiteouts and copies
    /// parents up.
    OverlayUserNamespace,
    /// native: all layers, each applied naively to a copy of the tree before it.
    Copy,
    /// btrfs: all layers, each applied naively to a snapshot of the tree before it.
    Clone,
}

impl Flavour {
    /// Whether the tree holds what all layers of the stack make, not only what the last one does.
    #[must_use]
    pub fn is_whole(self) -> bool {
        matches!(self, Flavour::Copy | Flavour::Clone)
    }

    pub(crate) fn rules(self, user_namespace: bool) -> Rules {
        let user_namespace = user_namespace || self == Flavour::OverlayUserNamespace;
        Rules { overlay: self == Flavour::OverlayUpper && !user_namespace, user_namespace }
    }
}
