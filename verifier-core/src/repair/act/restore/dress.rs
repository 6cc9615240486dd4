//! What an inode has besides its bytes.

use std::io;

use rustix::io::Errno;

use super::expected::Expected;
use super::mending::OPAQUE;
use super::stage::{Place, Stage};
use crate::compare::as_path;
use crate::io::FileKind;
use crate::layer::tree::NodeId;

const LABEL: &[u8] = b"security.selinux";

impl Stage<'_, '_> {
    /// Gives what was made at `place` all that `node` has, in containerd's order; a folder's time comes when it is full.
    pub(super) fn dress(&mut self, node: NodeId, place: &Place) -> io::Result<()> {
        let expected = Expected::of(self.model, node, self.inheritance);
        let mut expected = expected.map_err(|why| io::Error::other(why.to_string()))?;
        let path = self.model.path(node);
        if self.source.task.remapped {
            let before = self.tree.stat(as_path(&path))?;
            (expected.uid, expected.gid) = (before.uid, Some(before.gid));
        }
        let label = self.label(&path);
        let is_folder = self.model.inode(node).is_some_and(|(_, inode)| inode.kind() == FileKind::Folder);
        let dir = self.dir(&place.folder)?;
        let gid = match expected.gid {
            Some(gid) => gid,
            None => dir.stat(&place.name)?.map_or(0, |stat| stat.gid),
        };
        dir.set_owner(&place.name, (expected.uid, gid))?;
        let opaque = expected.opaque.then(|| (OPAQUE.to_vec(), b"y".to_vec()));
        for (name, value) in expected.attributes.iter().chain(&opaque).chain(&label) {
            match dir.set_xattr(&place.name, name, value) {
                // containerd goes on without them, too.
                Err(error) if error.raw_os_error() == Some(Errno::NOTSUP.raw_os_error()) => {}
                other => other?,
            }
        }
        if let Some(mode) = expected.mode {
            dir.set_mode(&place.name, mode)?;
        }
        match expected.mtime {
            Some(mtime) if !is_folder => dir.set_mtime(&place.name, mtime),
            _ => Ok(()),
        }
    }

    /// The host's label of what has the name now, or of the nearest folder.
    fn label(&mut self, path: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        if !self.is_labelled {
            return None;
        }
        let label_of = |path| self.tree.xattrs(path).ok()?.into_iter().find(|(name, _)| name == LABEL);
        as_path(path).ancestors().find_map(label_of)
    }
}

/// Whether the host labels its files.
pub(super) fn is_labelled(tree: &crate::io::Folder) -> bool {
    tree.xattrs("").is_ok_and(|found| found.iter().any(|(name, _)| name == LABEL))
}
