//! The attributes that a name must have.

use crate::compare::{Inheritance, Lower};
use crate::io::{FileKind, Time};
use crate::layer::tree::{Attribute, NodeId, Tree};

use super::error::Refused;

/// What a new inode is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    /// `None`: as the folder it is made in hands it on.
    pub(super) gid: Option<u32>,
    pub(super) uid: u32,
    /// `None` for a symbolic link.
    pub(super) mode: Option<u32>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) opaque: bool,
    /// `None`: the clock's.
    pub(super) mtime: Option<Time>,
}

impl Expected {
    /// Those of `node`, with what it has from the layers below.
    pub(super) fn of(model: &Tree, node: NodeId, inheritance: &Inheritance) -> Result<Expected, Refused> {
        let (_, inode) = model.inode(node).ok_or(Refused::StillDiffers)?;
        let mut expected = Expected {
            gid: (!inode.is_group_unknown()).then_some(inode.gid()),
            uid: inode.uid(),
            mode: (inode.kind() != FileKind::Symlink).then_some(inode.mode()),
            attributes: model.attributes(inode).to_vec(),
            opaque: inode.is_opaque(),
            mtime: inode.mtime().map(time),
        };
        match inheritance.get(node) {
            None => {}
            Some(Lower::Unknown) => return Err(Refused::InheritedUnknown),
            Some(Lower::Known { whole, .. }) => {
                (expected.uid, expected.gid, expected.mode) = (whole.uid, whole.gid, Some(whole.mode));
                expected.attributes.clone_from(&whole.attributes);
            }
        }
        if inode.is_group_unknown() && expected.gid.is_none() {
            expected.gid = handed_on(model, node, inheritance);
        }
        Ok(expected)
    }
}

/// The group of what was made in a folder that no entry had made yet: the folder's, if it came with set-gid from below; else
/// containerd's own.
fn handed_on(model: &Tree, node: NodeId, inheritance: &Inheritance) -> Option<u32> {
    const SET_GID: u32 = 0o2000;
    let mut folder = model.folder_of(node);
    loop {
        let (_, inode) = model.inode(folder)?;
        match inheritance.implied(folder) {
            Some(Lower::Known { whole, .. }) if whole.mode & SET_GID != 0 => return whole.gid,
            Some(Lower::Unknown) => return None,
            Some(Lower::Known { .. }) | None => {}
        }
        let hands_on = inode.mode() & SET_GID != 0 && !inode.inherits().mode && inode.is_group_unknown();
        if folder == NodeId::ROOT || !hands_on {
            return Some(0);
        }
        folder = model.folder_of(folder);
    }
}

/// Nanoseconds since 1970.
pub(super) fn time(nanoseconds: u64) -> Time {
    Time {
        seconds: i64::try_from(nanoseconds / 1_000_000_000).unwrap_or(i64::MAX),
        nanoseconds: u32::try_from(nanoseconds % 1_000_000_000).unwrap_or(0),
    }
}
