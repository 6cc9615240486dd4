//! Names, in one piece of memory.

use std::hash::{BuildHasher, RandomState};

use super::inode::InodeId;

/// A name at its place in the tree, whether or not it stands for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    /// The top of the tree.
    pub const ROOT: NodeId = NodeId(0);
}

const NONE: u32 = u32::MAX;

/// The layer has written it (containerd's `unpackedPaths`).
const WRITTEN: u8 = 1;
/// It is in its folder's list.
const LISTED: u8 = 2;
/// It was seen on disk.
const SEEN: u8 = 4;

#[derive(Debug, Clone)]
struct Node {
    parent: u32,
    name_at: u32,
    inode: u32,
    first_child: u32,
    next: u32,
    name_len: u8,
    flags: u8,
}

/// The names of a tree.
#[derive(Debug, Clone)]
pub(super) struct Arena {
    bytes: Vec<u8>,
    nodes: Vec<Node>,
    /// Open addressing by parent and name; at most three quarters are taken.
    slots: Vec<u32>,
    hasher: RandomState,
    nodes_max: usize,
    bytes_max: usize,
}

/// The tree has more names than its owner allows.
#[derive(Debug)]
pub(super) struct Full;

impl Arena {
    pub(super) fn new(nodes_max: usize, bytes_max: usize) -> Arena {
        let root = Node {
            parent: 0,
            name_at: 0,
            inode: 0,
            first_child: NONE,
            next: NONE,
            name_len: 0,
            flags: LISTED,
        };
        Arena {
            bytes: Vec::new(),
            nodes: vec![root],
            slots: vec![NONE; 64],
            hasher: RandomState::new(),
            nodes_max: nodes_max.min(NONE as usize),
            bytes_max: bytes_max.min(NONE as usize),
        }
    }

    fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0 as usize)
    }

    fn node_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.nodes.get_mut(id.0 as usize)
    }

    /// Bytes of a link's target or a name.
    pub(super) fn bytes(&self, at: u32, len: usize) -> &[u8] {
        self.bytes.get(at as usize..).and_then(|rest| rest.get(..len)).unwrap_or_default()
    }

    /// Keeps `bytes`; where they are.
    pub(super) fn keep(&mut self, bytes: &[u8]) -> Result<u32, Full> {
        let at = self.bytes.len();
        if at + bytes.len() > self.bytes_max {
            return Err(Full);
        }
        self.bytes.extend_from_slice(bytes);
        u32::try_from(at).map_err(|_| Full)
    }

    pub(super) fn name(&self, id: NodeId) -> &[u8] {
        self.node(id).map_or(&[], |node| self.bytes(node.name_at, usize::from(node.name_len)))
    }

    pub(super) fn parent(&self, id: NodeId) -> NodeId {
        NodeId(self.node(id).map_or(0, |node| node.parent))
    }

    pub(super) fn inode(&self, id: NodeId) -> Option<InodeId> {
        self.node(id).map(|node| node.inode).filter(|inode| *inode != NONE).map(InodeId)
    }

    pub(super) fn set_inode(&mut self, id: NodeId, inode: Option<InodeId>) {
        if let Some(node) = self.node_mut(id) {
            node.inode = inode.map_or(NONE, |inode| inode.0);
        }
    }

    /// All names that there ever were, in the order in which they came up.
    pub(super) fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..u32::try_from(self.nodes.len()).unwrap_or(NONE)).map(NodeId)
    }

    pub(super) fn first_child(&self, folder: NodeId) -> Option<NodeId> {
        self.node(folder).map(|node| node.first_child).filter(|child| *child != NONE).map(NodeId)
    }

    pub(super) fn next(&self, id: NodeId) -> Option<NodeId> {
        self.node(id).map(|node| node.next).filter(|next| *next != NONE).map(NodeId)
    }

    /// The list of a folder's names begins anew.
    pub(super) fn clear_children(&mut self, folder: NodeId) {
        let mut next = self.first_child(folder);
        while let Some(child) = next {
            next = self.next(child);
            if let Some(node) = self.node_mut(child) {
                node.flags &= !LISTED;
            }
        }
        if let Some(node) = self.node_mut(folder) {
            node.first_child = NONE;
        }
    }

    pub(super) fn is_written(&self, id: NodeId) -> bool {
        self.node(id).is_some_and(|node| node.flags & WRITTEN != 0)
    }

    pub(super) fn set_written(&mut self, id: NodeId, written: bool) {
        self.flag(id, WRITTEN, written);
    }

    pub(super) fn is_seen(&self, id: NodeId) -> bool {
        self.node(id).is_some_and(|node| node.flags & SEEN != 0)
    }

    pub(super) fn set_seen(&mut self, id: NodeId) {
        self.flag(id, SEEN, true);
    }

    fn flag(&mut self, id: NodeId, flag: u8, on: bool) {
        if let Some(node) = self.node_mut(id) {
            node.flags = if on { node.flags | flag } else { node.flags & !flag };
        }
    }

    fn slot(&self, parent: NodeId, name: &[u8]) -> usize {
        // The table's length is a power of two.
        #[expect(clippy::cast_possible_truncation, reason = "the low bits of a hash")]
        let hash = self.hasher.hash_one((parent.0, name)) as usize;
        hash & (self.slots.len() - 1)
    }

    /// The place of `name` in `folder`, if there ever was one.
    pub(super) fn find(&self, folder: NodeId, name: &[u8]) -> Option<NodeId> {
        let mut slot = self.slot(folder, name);
        loop {
            let id = NodeId(*self.slots.get(slot).filter(|id| **id != NONE)?);
            if self.parent(id) == folder && id != NodeId::ROOT && self.name(id) == name {
                return Some(id);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }

    /// The place of `name` in `folder`'s list.
    pub(super) fn insert(&mut self, folder: NodeId, name: &[u8]) -> Result<NodeId, Full> {
        let id = match self.find(folder, name) {
            Some(id) => id,
            None => self.add(folder, name)?,
        };
        let first = self.node(folder).map_or(NONE, |node| node.first_child);
        let unlisted = self.node_mut(id).filter(|node| node.flags & LISTED == 0);
        if let Some(node) = unlisted {
            node.flags |= LISTED;
            node.next = first;
            if let Some(folder) = self.node_mut(folder) {
                folder.first_child = id.0;
            }
        }
        Ok(id)
    }

    fn add(&mut self, folder: NodeId, name: &[u8]) -> Result<NodeId, Full> {
        if self.nodes.len() >= self.nodes_max {
            return Err(Full);
        }
        let name_len = u8::try_from(name.len()).map_err(|_| Full)?;
        let id = NodeId(u32::try_from(self.nodes.len()).map_err(|_| Full)?);
        let name_at = self.keep(name)?;
        let (parent, inode, first_child, next) = (folder.0, NONE, NONE, NONE);
        self.nodes.push(Node { parent, name_at, inode, first_child, next, name_len, flags: 0 });
        if self.nodes.len() > self.slots.len() / 4 * 3 {
            self.grow();
        } else {
            self.put(id);
        }
        Ok(id)
    }

    fn grow(&mut self) {
        let len = self.slots.len() * 2;
        self.slots.clear();
        self.slots.resize(len, NONE);
        for id in self.ids().skip(1) {
            self.put(id);
        }
    }

    fn put(&mut self, id: NodeId) {
        let mut slot = self.slot(self.parent(id), self.name(id));
        loop {
            let mask = self.slots.len() - 1;
            match self.slots.get_mut(slot) {
                Some(place) if *place == NONE => {
                    *place = id.0;
                    return;
                }
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    /// The path of a name, without a leading slash; the root's is empty.
    pub(super) fn path(&self, id: NodeId) -> Vec<u8> {
        let mut names = Vec::new();
        let mut at = id;
        while at != NodeId::ROOT {
            names.push(self.name(at));
            at = self.parent(at);
        }
        names.reverse();
        names.join(&b'/')
    }

    /// How long [`Arena::path`] is, in bytes.
    pub(super) fn path_len(&self, id: NodeId) -> usize {
        let mut len = 0;
        let mut at = id;
        while at != NodeId::ROOT {
            len += self.name(at).len() + 1;
            at = self.parent(at);
        }
        len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again_after_growing() {
        let mut arena = Arena::new(100_000, 10_000_000);
        let mut folders = vec![NodeId::ROOT];
        for number in 0..5_000_usize {
            let folder = folders[number % folders.len()];
            let id = arena.insert(folder, number.to_string().as_bytes()).unwrap();
            assert_eq!(arena.insert(folder, number.to_string().as_bytes()).unwrap(), id);
            folders.push(id);
        }
        for id in arena.ids().skip(1) {
            assert_eq!(arena.find(arena.parent(id), arena.name(id)), Some(id));
        }
        assert_eq!(arena.find(NodeId::ROOT, b"x"), None);
        let deep = *folders.last().unwrap();
        assert_eq!(arena.path(deep).len() + 1, arena.path_len(deep));
    }

    #[test]
    fn a_cleared_folder_lists_only_what_comes_back() {
        let mut arena = Arena::new(100, 1000);
        let (a, b) = (arena.insert(NodeId::ROOT, b"a").unwrap(), arena.insert(NodeId::ROOT, b"b").unwrap());
        arena.set_written(a, true);
        arena.clear_children(NodeId::ROOT);
        assert_eq!(arena.first_child(NodeId::ROOT), None);
        assert_eq!(arena.insert(NodeId::ROOT, b"a").unwrap(), a);
        assert!(arena.is_written(a) && !arena.is_written(b));
        assert_eq!((arena.first_child(NodeId::ROOT), arena.next(a)), (Some(a), None));
    }

    #[test]
    fn there_is_a_limit() {
        let mut arena = Arena::new(3, 1000);
        assert!(arena.insert(NodeId::ROOT, b"a").is_ok());
        assert!(arena.insert(NodeId::ROOT, b"b").is_ok());
        assert!(arena.insert(NodeId::ROOT, b"c").is_err());
        assert!(arena.insert(NodeId::ROOT, b"b").is_ok());
        assert!(Arena::new(100, 3).insert(NodeId::ROOT, b"long").is_err());
    }
}
