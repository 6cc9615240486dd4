//! Whether a tree is in use by a mount.

use crate::io::Folder;

/// Why a tree must not be changed now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InUse {}

pub(super) fn refuse_if_used(_tree: &Folder) -> Result<(), InUse> {
    Ok(())
}
