//! What a rebuild could not bring back, in words.

use verifier_core::repair::rebuild::{Lost, LostKind};

use crate::render::escape;

/// What a rebuild could not bring back.
pub(crate) fn lost(lost: &Lost) -> String {
    let what = match lost.what {
        LostKind::Page => "what was on the",
        LostKind::Image => "the image name",
        LostKind::ImageName => "the name of the image",
        LostKind::Blob => "the record of the blob",
        LostKind::BlobFile => "the blob, which is damaged,",
        LostKind::Snapshot => "the snapshot",
        LostKind::Container => "the record of the container",
        LostKind::Value => "the value",
        _ => "the record",
    };
    format!("{what} {}", escape(&lost.key))
}
