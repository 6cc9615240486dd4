//! What an entry makes at its place: containerd's `createTarFile`.

use super::acl;
use super::apply::{ApplyError, Tree};
use super::arena::NodeId;
use super::attributes::{self, ACL_ACCESS, ACL_DEFAULT, Attribute, CAPABILITY};
use super::inode::{Inode, InodeId};
use super::path::{NAME_MAX, PATH_MAX, join, split};
use super::resolve::root_path;
use crate::io::FileKind;
use crate::layer::Refusal;
use crate::layer::tar::{EntryKind, Header};

impl Tree {
    /// `createTarFile`.
    pub(super) fn create(&mut self, node: NodeId, header: &Header, entry: u32) -> Result<(), ApplyError> {
        let kind = match header.kind {
            EntryKind::Folder => FileKind::Folder,
            EntryKind::File => FileKind::File,
            EntryKind::Symlink => FileKind::Symlink,
            EntryKind::CharDevice => FileKind::CharDevice,
            EntryKind::BlockDevice => FileKind::BlockDevice,
            EntryKind::Fifo => FileKind::Fifo,
            EntryKind::HardLink => {
                let target = self.link_target(&header.link)?;
                self.share(node, target);
                return self.dress(node, header);
            }
            EntryKind::Global => return Ok(()),
            EntryKind::Other(_) => return Err(Refusal::EntryType.into()),
        };
        if self.arena.inode(node).is_none() {
            let mut inode = Inode::new(kind, 0);
            match kind {
                FileKind::File => {
                    inode.size = u64::try_from(header.size_bytes).unwrap_or(0);
                    (inode.compared_at, inode.entry, inode.layer) = (node, entry, self.layer);
                }
                FileKind::Symlink => {
                    if header.link.is_empty() || header.link.len() > PATH_MAX || header.link.contains(&0) {
                        return Err(Refusal::LinkTarget.into());
                    }
                    inode.size = header.link.len() as u64;
                    inode.target_at = self.arena.keep(&header.link)?;
                }
                FileKind::CharDevice | FileKind::BlockDevice => {
                    inode.size = device_number(header.device_major, header.device_minor);
                }
                _ => {}
            }
            self.make(node, inode)?;
        }
        self.dress(node, header)
    }

    /// Owner, attributes, mode and time, in containerd's order.
    fn dress(&mut self, node: NodeId, header: &Header) -> Result<(), ApplyError> {
        let Some(inode) = self.inode_at_mut(node) else { return Ok(()) };
        inode.set_settled(false);
        inode.chown(header.uid, header.gid);
        let (kind, number) = (inode.kind(), inode.attributes);
        let drops_capability = kind != FileKind::Folder && number != 0;
        if drops_capability || !header.xattrs.is_empty() {
            check_attributes(&header.xattrs, kind)?;
            let changed = self.attributes.change(number, self.bytes_max, |set| {
                if drops_capability {
                    set.retain(|(name, _)| name != CAPABILITY);
                }
                for (name, value) in &header.xattrs {
                    set_attribute(set, kind, name, value);
                }
            });
            let number = changed.ok_or(ApplyError::Full)?;
            if let Some(inode) = self.inode_at_mut(node) {
                inode.attributes = number;
            }
        }
        let Some(inode) = self.inode_at_mut(node) else { return Ok(()) };
        if kind != FileKind::Symlink {
            inode.chmod(header.mode);
        }
        // A folder's is set at the end.
        if kind != FileKind::Folder {
            inode.set_mtime(header.mtime);
        }
        Ok(())
    }

    /// What a hard link names (`hardlinkRootPath`): links are followed on the way, but not at the end. Behind a slash at the end
    /// there is nothing left: then all of it was on the way, and a file may stand there.
    fn link_target(&self, link: &[u8]) -> Result<InodeId, ApplyError> {
        let (folder, base) = split(link);
        let folder = root_path(self, folder)?;
        let target = join(&folder, base);
        let node = self.find(&target).ok_or(Refusal::LinkTargetMissing)?;
        match self.kind(node) {
            Some(FileKind::Folder) => Err(Refusal::LinkToFolder.into()),
            _ => Ok(self.arena.inode(node).ok_or(Refusal::LinkTargetMissing)?),
        }
    }
}

/// What the kernel makes of Go's `unix.Mkdev`: 12 bits of major, 20 of minor.
fn device_number(major: i64, minor: i64) -> u64 {
    let (major, minor) = (major.cast_unsigned() & 0xfff, minor.cast_unsigned() & 0xf_ffff);
    major << 8 | (minor & 0xff) | (minor & 0xf_ff00) << 12
}

/// What no kernel takes, whatever the file system.
fn check_attributes(xattrs: &[Attribute], kind: FileKind) -> Result<(), Refusal> {
    for (name, value) in xattrs.iter().filter(|(name, _)| !name.starts_with(b"trusted.")) {
        let default_acl = name == ACL_DEFAULT && kind != FileKind::Folder && value.len() > 4;
        let impossible =
            name.is_empty() || name.len() > NAME_MAX || value.len() > 64 * 1024 || name.contains(&0);
        if impossible || (default_acl && kind != FileKind::Symlink) {
            return Err(Refusal::Xattr);
        }
    }
    Ok(())
}

fn set_attribute(set: &mut Vec<Attribute>, kind: FileKind, name: &[u8], value: &[u8]) {
    let on_file_or_folder = matches!(kind, FileKind::File | FileKind::Folder);
    match name {
        ACL_ACCESS | ACL_DEFAULT if kind == FileKind::Symlink => {}
        // Lists that say nothing remove what was there.
        ACL_ACCESS if !acl::is_extended(value) => set.retain(|(other, _)| other != name),
        ACL_DEFAULT if value.len() <= 4 => set.retain(|(other, _)| other != name),
        CAPABILITY => attributes::set(set, name, attributes::readable_capability(value)),
        _ if name.starts_with(b"user.") && !on_file_or_folder => {}
        // `trusted.*` is never set; what is not judged is kept, for a file that is made anew is to have it.
        _ if !name.starts_with(b"trusted.") => attributes::set(set, name, value.to_vec()),
        _ => {}
    }
}
