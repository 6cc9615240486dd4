//! A finished tree, to look at.

use std::collections::{BTreeMap, BTreeSet};

use super::apply::Tree;
use super::arena::NodeId;
use super::attributes::Attribute;
use super::inode::{Inode, InodeId, Outcome};
use crate::io::FileKind;

impl Tree {
    /// What a name stands for, if anything.
    #[must_use]
    pub fn inode(&self, node: NodeId) -> Option<(InodeId, &Inode)> {
        Some((self.arena.inode(node)?, self.inode_at(node)?))
    }

    /// The inode itself.
    #[must_use]
    pub fn get(&self, inode: InodeId) -> Option<&Inode> {
        self.inodes.get(inode.0 as usize)
    }

    /// `name` in a folder, if it stands for something.
    #[must_use]
    pub fn child(&self, folder: NodeId, name: &[u8]) -> Option<NodeId> {
        self.arena.find(folder, name).filter(|node| self.arena.inode(*node).is_some())
    }

    /// What stands at `path` (relative, without `.` and `..`), if only folders lead there.
    #[must_use]
    pub fn at(&self, path: &[u8]) -> Option<NodeId> {
        let node = self.find(path)?;
        let mut folder = node;
        while folder != NodeId::ROOT {
            folder = self.arena.parent(folder);
            self.kind(folder).filter(|kind| *kind == FileKind::Folder)?;
        }
        self.arena.inode(node).map(|_| node)
    }

    /// All names of each of these inodes.
    #[must_use]
    pub fn names_of(&self, inodes: &BTreeSet<InodeId>) -> BTreeMap<InodeId, Vec<NodeId>> {
        let mut found: BTreeMap<InodeId, Vec<NodeId>> = BTreeMap::new();
        let nodes = self.arena.ids().filter(|_| !inodes.is_empty());
        for (node, inode) in nodes.filter_map(|node| Some((node, self.arena.inode(node)?))) {
            if inodes.contains(&inode) {
                found.entry(inode).or_default().push(node);
            }
        }
        found
    }

    /// All names that stand for something, in no order.
    pub(crate) fn all(&self) -> impl Iterator<Item = (NodeId, &Inode)> + '_ {
        self.arena.ids().filter_map(|node| Some((node, self.inode_at(node)?)))
    }

    /// All names in a folder, in no order.
    pub fn names_in(&self, folder: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        self.children(folder)
    }

    /// A name's path from the top, without a leading slash; the top's is empty.
    #[must_use]
    pub fn path(&self, node: NodeId) -> Vec<u8> {
        self.arena.path(node)
    }

    /// A name's last component.
    #[must_use]
    pub fn name(&self, node: NodeId) -> &[u8] {
        self.arena.name(node)
    }

    /// The folder that a name is in.
    #[must_use]
    pub fn folder_of(&self, node: NodeId) -> NodeId {
        self.arena.parent(node)
    }

    /// A symbolic link's target.
    #[must_use]
    pub fn target(&self, inode: &Inode) -> &[u8] {
        if inode.kind() != FileKind::Symlink {
            return &[];
        }
        self.arena.bytes(inode.target_at, usize::try_from(inode.size).unwrap_or(0))
    }

    /// The extended attributes that the layer sets, by name.
    #[must_use]
    pub fn attributes(&self, inode: &Inode) -> &[Attribute] {
        self.attribute_set(inode.attributes)
    }

    /// Remembers what comparing a file's bytes came to; with the inode it is forgotten.
    pub fn set_outcome(&mut self, inode: InodeId, outcome: Outcome) {
        let number = match outcome {
            Outcome::None => 0,
            Outcome::Same => 1,
            other => {
                self.outcomes_mut().push(other);
                u32::try_from(self.outcomes().len() + 1).unwrap_or(0)
            }
        };
        if let Some(inode) = self.inodes.get_mut(inode.0 as usize) {
            inode.outcome = number;
        }
    }

    /// What comparing a file's bytes came to.
    #[must_use]
    pub fn outcome(&self, inode: &Inode) -> Outcome {
        match inode.outcome {
            0 => Outcome::None,
            1 => Outcome::Same,
            other => self.outcomes().get(other as usize - 2).copied().unwrap_or_default(),
        }
    }

    /// The name was found on disk.
    pub fn mark_seen(&mut self, node: NodeId) {
        self.arena.set_seen(node);
    }

    /// Whether the name was found on disk.
    #[must_use]
    pub fn is_seen(&self, node: NodeId) -> bool {
        self.arena.is_seen(node)
    }

    /// The only name of a file is on disk just what the layer makes of it. That holds until an entry says otherwise.
    pub fn settle(&mut self, inode: InodeId) {
        if let Some(inode) = self.inodes.get_mut(inode.0 as usize) {
            inode.set_settled(true);
        }
    }

    /// Whether nothing is left to be compared of a name.
    #[must_use]
    pub fn is_settled(&self, node: NodeId) -> bool {
        let settled = |inode: &Inode| inode.is_settled() && inode.compared_at == node && inode.names == 1;
        self.inode_at(node).is_some_and(settled)
    }

    /// Files whose bytes were compared under a name that is no longer theirs, by the layer
    /// and its entry that hold the bytes (both from 0): the inode, and a name that it has now.
    #[must_use]
    pub fn moved_files(&self) -> BTreeMap<(u16, u32), (InodeId, NodeId)> {
        let moved = |inode: InodeId, data: &Inode| {
            data.kind() == FileKind::File
                && data.size > 0
                && self.arena.inode(data.compared_at) != Some(inode)
        };
        let mut found = BTreeMap::new();
        for node in self.arena.ids() {
            if let Some((id, inode)) = self.inode(node)
                && moved(id, inode)
            {
                found.entry((inode.layer, inode.entry)).or_insert((id, node));
            }
        }
        found
    }
}
