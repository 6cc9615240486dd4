//! What a media type says.
//!
//! Source: core/images/mediatypes.go.

/// A document that leads on to other blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentKind {
    /// An OCI index or a Docker manifest list.
    Index,
    /// An OCI manifest or a Docker schema 2 manifest.
    Manifest,
    /// An image's config.
    Config,
}

impl DocumentKind {
    /// The kind of document with that media type; `None` for layers and for what is not an image's.
    #[must_use]
    pub fn of(media_type: &str) -> Option<Self> {
        match media_type {
            "application/vnd.oci.image.index.v1+json"
            | "application/vnd.docker.distribution.manifest.list.v2+json" => Some(DocumentKind::Index),
            "application/vnd.oci.image.manifest.v1+json"
            | "application/vnd.docker.distribution.manifest.v2+json" => Some(DocumentKind::Manifest),
            other if is_image_config(other) => Some(DocumentKind::Config),
            _ => None,
        }
    }
}

/// Whether this is an image's config, and not an artifact's.
#[must_use]
pub fn is_image_config(media_type: &str) -> bool {
    matches!(
        media_type,
        "application/vnd.oci.image.config.v1+json" | "application/vnd.docker.container.image.v1+json"
    )
}

/// Whether this is a layer that containerd unpacks.
#[must_use]
pub fn is_layer(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.oci.image.layer.")
        || media_type.starts_with("application/vnd.docker.image.rootfs.diff.tar")
        || media_type.starts_with("application/vnd.docker.image.rootfs.foreign.diff.tar")
}
