//! Which decompression a media type asks for.

/// How containerd decompresses a layer of some media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// By what the first bytes look like.
    Sniffed,
}

impl Compression {
    /// containerd's choice for `media_type` (core/images/mediatypes.go, `DiffCompression`); `None` for what it does
    /// not decompress by itself, but with a stream processor of the operator's (an encrypted layer, say).
    #[must_use]
    pub fn of(media_type: &str) -> Option<Compression> {
        let (base, suffixes) = media_type.split_once('+').unwrap_or((media_type, ""));
        let last = suffixes.rsplit('+').next().unwrap_or_default();
        match base {
            "application/vnd.docker.image.rootfs.diff.tar"
            | "application/vnd.docker.image.rootfs.foreign.diff.tar"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip"
            | "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.zstd" => {
                Some(if suffixes.is_empty() { Compression::Sniffed } else { Compression::None })
            }
            "application/vnd.oci.image.layer.v1.tar"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar" => match last {
                "gzip" | "zstd" => Some(Compression::Sniffed),
                "encrypted" => None,
                _ => Some(Compression::None),
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_type_decides() {
        for (media_type, expected) in [
            ("application/vnd.oci.image.layer.v1.tar", Compression::None),
            ("application/vnd.oci.image.layer.v1.tar+gzip", Compression::Sniffed),
            ("application/vnd.oci.image.layer.v1.tar+zstd", Compression::Sniffed),
            ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", Compression::Sniffed),
            ("application/vnd.docker.image.rootfs.diff.tar", Compression::Sniffed),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", Compression::Sniffed),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip+x", Compression::None),
        ] {
            assert_eq!(Compression::of(media_type), Some(expected), "{media_type}");
        }
        for media_type in ["", "text/plain", "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"] {
            assert!(Compression::of(media_type).is_none(), "{media_type}");
        }
    }
}
