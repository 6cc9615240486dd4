//! What an inode has besides its bytes.

use std::io;

use rustix::io::Errno;

use super::expected::Expected;
use super::mending::OPAQUE;
use super::stage::{Place, Stage};
use crate::compare::as_path;
use crate::io::FileKind;
use crate::layer::tree::{Attribute, NodeId, is_comparable};

const LABEL: &[u8] = b"security.selinux";

/// It belongs to one inode, and the kernel makes it.
const EVM: &[u8] = b"security.evm";

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
        let kept = self.kept(node, &path);
        expected.attributes.retain(|(name, _)| !kept.iter().any(|(other, _)| other == name));
        let label = self.label(&path).filter(|(label, _)| !kept.iter().any(|(name, _)| name == label));
        let is_folder = self.model.inode(node).is_some_and(|(_, inode)| inode.kind() == FileKind::Folder);
        let dir = self.dir(&place.folder)?;
        let gid = match expected.gid {
            Some(gid) => gid,
            None => dir.stat(&place.name)?.map_or(0, |stat| stat.gid),
        };
        dir.set_owner(&place.name, (expected.uid, gid))?;
        let opaque = expected.opaque.then(|| (OPAQUE.to_vec(), b"y".to_vec()));
        for (name, value) in expected.attributes.iter().chain(&kept).chain(&opaque).chain(&label) {
            match dir.set_xattr(&place.name, name, value) {
                // containerd goes on without them, too.
                Err(error) if error.raw_os_error() == Some(Errno::NOTSUP.raw_os_error()) => {}
                // Nobody judges it, and the host may not let it be set.
                Err(_) if !is_comparable(name) && name != OPAQUE && name != LABEL => {}
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

    /// What no comparison judges, of what has the name now: the host's labels, attributes of overlays. It is carried over.
    fn kept(&self, node: NodeId, path: &[u8]) -> Vec<Attribute> {
        let Some((_, inode)) = self.model.inode(node) else { return Vec::new() };
        let path = as_path(path);
        if !self.tree.stat(path).is_ok_and(|stat| stat.kind == inode.kind()) {
            return Vec::new();
        }
        let mut kept = self.tree.xattrs(path).unwrap_or_default();
        kept.retain(|(name, _)| !is_comparable(name) && !name.starts_with(b"trusted.") && name != EVM);
        kept
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
