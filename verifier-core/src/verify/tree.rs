//! A layer against a tree.

/// A path that is not what the layer makes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// Below the snapshot's folder.
    pub path: std::path::PathBuf,
}
