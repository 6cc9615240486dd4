//! containerd's `applyNaive`, entry by entry.

use std::collections::HashMap;

use super::arena::{Arena, Full, NodeId};
use super::attributes::{Attribute, Attributes};
use super::inode::{Inode, InodeId, Outcome};
use super::path::{NAME_MAX, PATH_MAX, clean, components, split};
use super::resolve::root_path;
use crate::io::FileKind;
use crate::layer::Refusal;
use crate::layer::tar::{EntryKind, Header, Time};

const OPAQUE: &[u8] = b".wh..wh..opq";
const WHITEOUT: &[u8] = b".wh.";

/// Which of containerd's ways to apply a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Whiteouts become overlay's (devices, an attribute); otherwise they remove what they name, at once.
    pub overlay: bool,
    /// containerd runs in a user namespace: devices are left out.
    pub user_namespace: bool,
}

/// Why an entry was not applied.
#[derive(Debug, PartialEq, Eq)]
pub enum ApplyError {
    /// containerd would have failed.
    Refused(Refusal),
    /// The tree has more names, or longer ones, than its limits allow.
    Full,
}

impl From<Refusal> for ApplyError {
    fn from(why: Refusal) -> Self {
        ApplyError::Refused(why)
    }
}

impl From<Full> for ApplyError {
    fn from(_: Full) -> Self {
        ApplyError::Full
    }
}

/// A folder's time, to be set when all entries are in.
#[derive(Debug, Clone, Copy)]
pub(super) struct FolderTime {
    pub(super) sequence: u32,
    pub(super) time: Time,
}

/// The tree that layers make, one after the other.
#[derive(Debug, Clone)]
pub struct Tree {
    pub(super) arena: Arena,
    pub(super) inodes: Vec<Inode>,
    /// Places in `inodes` that no name stands for any more.
    free: Vec<u32>,
    pub(super) attributes: Attributes,
    rules: Rules,
    pub(super) bytes_max: usize,
    /// Entries of this layer so far, and layers before it.
    pub(super) entries: u32,
    pub(super) layer: u16,
    /// By place, where no link was on the way.
    pub(super) folder_times: HashMap<NodeId, FolderTime>,
    /// By name, where one was.
    pub(super) linked_folder_times: HashMap<Vec<u8>, FolderTime>,
    outcomes: Vec<Outcome>,
}

impl Tree {
    /// An empty tree. It will take no more than `nodes_max` names, and `bytes_max` bytes of names and of attributes.
    #[must_use]
    pub fn new(rules: Rules, nodes_max: usize, bytes_max: usize) -> Tree {
        let mut tree = Tree {
            arena: Arena::new(nodes_max, bytes_max),
            inodes: vec![Inode::new(FileKind::Folder, 0o755)],
            free: Vec::new(),
            attributes: Attributes::new(),
            rules,
            bytes_max,
            entries: 0,
            layer: 0,
            folder_times: HashMap::new(),
            linked_folder_times: HashMap::new(),
            outcomes: Vec::new(),
        };
        if let Some(root) = tree.inodes.first_mut() {
            root.names = 1;
        }
        tree
    }

    /// Takes in the next entry. Returns the name and the inode that the data which follows it belongs to, if it is a
    /// regular file.
    ///
    /// # Errors
    /// [`ApplyError`]; the tree is then of no use.
    pub fn apply(&mut self, header: &Header) -> Result<Option<(NodeId, InodeId)>, ApplyError> {
        let entry = self.entries;
        self.entries = entry.checked_add(1).ok_or(ApplyError::Full)?;
        let device = matches!(header.kind, EntryKind::CharDevice | EntryKind::BlockDevice);
        if device && self.rules.user_namespace {
            return Ok(None);
        }
        let name = clean(&header.name);
        if name.contains(&0) {
            return Err(Refusal::Name.into());
        }
        let (folder, base) = split(&name);
        let (folder, linked) = self.parent(folder)?;
        if matches!(base, b"" | b"." | b"..") {
            return Ok(None);
        }
        let hidden = base.strip_prefix(WHITEOUT);
        // A whiteout's own name is never made: only that of what it hides is held to the limits.
        let made = hidden.unwrap_or(base);
        if made.len() > NAME_MAX || self.arena.path_len(folder) + made.len() > PATH_MAX {
            return Err(Refusal::Name.into());
        }
        if let Some(hidden) = hidden {
            self.whiteout(folder, base, hidden, header)?;
            return Ok(None);
        }
        let node = self.arena.insert(folder, base)?;
        if let Some(kind) = self.kind(node)
            && (kind != FileKind::Folder || header.kind != EntryKind::Folder)
        {
            self.remove(node);
        }
        self.create(node, header, entry)?;
        self.arena.set_written(node, true);
        if header.kind == EntryKind::Folder {
            let time = FolderTime { sequence: entry, time: header.mtime };
            if linked {
                self.linked_folder_times.insert(name, time);
                if self.linked_folder_times.len() > self.bytes_max / PATH_MAX {
                    return Err(ApplyError::Full);
                }
            } else {
                self.folder_times.insert(node, time);
            }
        }
        let is_file = header.kind == EntryKind::File;
        Ok(self.arena.inode(node).filter(|_| is_file).map(|inode| (node, inode)))
    }

    /// The folder at `path`, made if there is none (`fs.RootPath`, then `mkparent`); whether a link led there.
    fn parent(&mut self, path: &[u8]) -> Result<(NodeId, bool), ApplyError> {
        let mut at = NodeId::ROOT;
        for component in components(path) {
            if component == b".." {
                // A clean path has them at its start only: they lead nowhere.
                continue;
            }
            if component.len() > NAME_MAX {
                return Err(Refusal::Name.into());
            }
            let node = self.arena.insert(at, component)?;
            match self.kind(node) {
                Some(FileKind::Folder) => {}
                Some(FileKind::Symlink) => {
                    let resolved = root_path(self, path)?;
                    return Ok((self.make_folders(&resolved)?, true));
                }
                Some(_) => return Err(Refusal::ParentNotFolder.into()),
                None => self.make_folder(node)?,
            }
            at = node;
        }
        Ok((at, false))
    }

    fn make_folders(&mut self, resolved: &[u8]) -> Result<NodeId, ApplyError> {
        let mut at = NodeId::ROOT;
        for component in components(resolved) {
            if component.len() > NAME_MAX {
                return Err(Refusal::Name.into());
            }
            let node = self.arena.insert(at, component)?;
            match self.kind(node) {
                Some(FileKind::Folder) => {}
                Some(_) => return Err(Refusal::ParentNotFolder.into()),
                None => self.make_folder(node)?,
            }
            at = node;
        }
        Ok(at)
    }

    fn make_folder(&mut self, node: NodeId) -> Result<(), ApplyError> {
        if self.arena.path_len(node) > PATH_MAX {
            return Err(Refusal::Name.into());
        }
        let mut inode = Inode::new(FileKind::Folder, 0o755);
        if self.rules.overlay || self.rules.user_namespace {
            inode.set_inherited();
        }
        self.make(node, inode)
    }

    fn whiteout(
        &mut self,
        folder: NodeId,
        base: &[u8],
        hidden: &[u8],
        header: &Header,
    ) -> Result<(), ApplyError> {
        if base == OPAQUE {
            if self.rules.overlay {
                if let Some(inode) = self.inode_at_mut(folder) {
                    inode.set_opaque();
                }
            } else {
                self.remove_what_is_not_written(folder);
            }
            return Ok(());
        }
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(Refusal::WhiteoutName.into());
        }
        let node = self.arena.insert(folder, hidden)?;
        if !self.rules.overlay {
            self.remove(node);
            return Ok(());
        }
        if self.arena.inode(node).is_some() {
            return Err(Refusal::WhiteoutExists.into());
        }
        let mut inode = Inode::new(FileKind::CharDevice, 0);
        inode.set_whiteout();
        self.make(node, inode)?;
        if let Some(inode) = self.inode_at_mut(node) {
            inode.chown(header.uid, header.gid);
        }
        Ok(())
    }

    /// The place of a path that leads through folders only.
    pub(super) fn find(&self, path: &[u8]) -> Option<NodeId> {
        components(path).try_fold(NodeId::ROOT, |at, name| self.arena.find(at, name))
    }

    pub(super) fn kind(&self, node: NodeId) -> Option<FileKind> {
        self.inode_at(node).map(Inode::kind)
    }

    pub(super) fn inode_at(&self, node: NodeId) -> Option<&Inode> {
        self.inodes.get(self.arena.inode(node)?.0 as usize)
    }

    pub(super) fn inode_at_mut(&mut self, node: NodeId) -> Option<&mut Inode> {
        self.inodes.get_mut(self.arena.inode(node)?.0 as usize)
    }

    /// `node` becomes the name of something that is made in its folder.
    pub(super) fn make(&mut self, node: NodeId, mut inode: Inode) -> Result<(), ApplyError> {
        if let Some(folder) = self.inode_at(self.arena.parent(node)) {
            inode.take_group(folder);
        }
        self.place(node, inode)?;
        Ok(())
    }

    /// `node` becomes a name of a new inode.
    pub(super) fn place(&mut self, node: NodeId, mut inode: Inode) -> Result<InodeId, Full> {
        inode.names = 1;
        let id = match self.free.pop() {
            Some(id) => {
                if let Some(place) = self.inodes.get_mut(id as usize) {
                    *place = inode;
                }
                id
            }
            None => {
                self.inodes.push(inode);
                u32::try_from(self.inodes.len() - 1).map_err(|_| Full)?
            }
        };
        self.arena.set_inode(node, Some(InodeId(id)));
        self.touch(self.arena.parent(node));
        Ok(InodeId(id))
    }

    /// `node` becomes one more name of an inode.
    pub(super) fn share(&mut self, node: NodeId, inode: InodeId) {
        self.arena.set_inode(node, Some(inode));
        self.touch(self.arena.parent(node));
        if let Some(inode) = self.inodes.get_mut(inode.0 as usize) {
            inode.names += 1;
        }
    }

    /// A name came or went: the folder has the clock's time.
    fn touch(&mut self, folder: NodeId) {
        if let Some(inode) = self.inode_at_mut(folder) {
            inode.forget_mtime();
        }
    }

    /// `os.RemoveAll`.
    pub(super) fn remove(&mut self, node: NodeId) {
        if self.arena.inode(node).is_some() {
            self.touch(self.arena.parent(node));
        }
        let mut removed = vec![node];
        while let Some(node) = removed.pop() {
            let Some(id) = self.arena.inode(node) else { continue };
            if self.kind(node) == Some(FileKind::Folder) {
                removed.extend(self.children(node));
                self.arena.clear_children(node);
            }
            self.arena.set_inode(node, None);
            if let Some(inode) = self.inodes.get_mut(id.0 as usize) {
                inode.names = inode.names.saturating_sub(1);
                if inode.names == 0 {
                    self.free.push(id.0);
                }
            }
        }
    }

    /// The naive opaque marker: below `folder` all goes that no entry of this layer has written, with what is in it.
    fn remove_what_is_not_written(&mut self, folder: NodeId) {
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop() {
            let children: Vec<NodeId> = self.children(folder).collect();
            for child in children {
                if !self.arena.is_written(child) {
                    self.remove(child);
                } else if self.kind(child) == Some(FileKind::Folder) {
                    folders.push(child);
                }
            }
        }
    }

    /// The names in a folder that stand for something.
    pub(super) fn children(&self, folder: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::successors(self.arena.first_child(folder), |node| self.arena.next(*node))
            .filter(|node| self.arena.inode(*node).is_some())
    }

    pub(super) fn attribute_set(&self, number: u32) -> &[Attribute] {
        self.attributes.get(number)
    }

    pub(super) fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    pub(super) fn outcomes_mut(&mut self) -> &mut Vec<Outcome> {
        &mut self.outcomes
    }
}
