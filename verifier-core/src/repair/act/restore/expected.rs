//! The attributes that a name must have.

use crate::compare::{Lower, LowerTrees, inherited};
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
    /// Those of `node`. What no entry of the layer tells comes from `lowers`, the nearest first; `None` if not all of them
    /// could be opened.
    pub(super) fn of(
        model: &Tree,
        node: NodeId,
        lowers: Option<&dyn LowerTrees>,
    ) -> Result<Expected, Refused> {
        let (_, inode) = model.inode(node).ok_or(Refused::StillDiffers)?;
        let inherits = inode.inherits();
        let gid = if inode.is_group_unknown() { handed_on(model, node, lowers) } else { Some(inode.gid()) };
        let mut expected = Expected {
            gid,
            uid: inode.uid(),
            mode: (inode.kind() != FileKind::Symlink).then_some(inode.mode()),
            attributes: model.attributes(inode).to_vec(),
            opaque: inode.is_opaque(),
            mtime: inode.mtime().map(time),
        };
        if !(inherits.mode || inherits.uid || inherits.gid || inherits.attributes) {
            return Ok(expected);
        }
        let lowers = lowers.ok_or(Refused::InheritedUnknown)?;
        let below = match inherited(lowers, &model.path(node)) {
            Lower::Folder(below) => below,
            Lower::None => return Ok(expected),
            Lower::Unknown => return Err(Refused::InheritedUnknown),
        };
        if inherits.mode {
            expected.mode = Some(below.stat.mode);
        }
        if inherits.uid {
            expected.uid = below.stat.uid;
        }
        if inherits.gid {
            expected.gid = Some(below.stat.gid);
        }
        if inherits.attributes {
            let own = |name: &[u8]| model.attributes(inode).iter().any(|(other, _)| other == name);
            expected.attributes.extend(below.attributes.into_iter().filter(|(name, _)| !own(name)));
        }
        Ok(expected)
    }
}

/// The group of what was made in a folder that no entry had made yet: the folder's, if it came with set-gid from below; else
/// containerd's own.
fn handed_on(model: &Tree, node: NodeId, lowers: Option<&dyn LowerTrees>) -> Option<u32> {
    const SET_GID: u32 = 0o2000;
    let mut folder = model.folder_of(node);
    loop {
        let (_, inode) = model.inode(folder)?;
        match inherited(lowers?, &model.path(folder)) {
            Lower::Folder(below) if below.stat.mode & SET_GID != 0 => return Some(below.stat.gid),
            Lower::Unknown => return None,
            Lower::Folder(_) | Lower::None => {}
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
