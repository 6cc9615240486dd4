//! From one layer to the next, where a snapshot holds all of them.

use std::collections::HashMap;

use super::apply::Tree;
use super::arena::NodeId;
use super::inode::InodeId;
use crate::io::FileKind;

impl Tree {
    /// The next layer goes on top: nothing is written yet. Where the tree was copied (`native`, continuity's
    /// `CopyDir`) rather than cloned (`btrfs`), folders with something in them have the clock's time, and of what has
    /// several names only regular files still share them.
    pub fn next_layer(&mut self, copied: bool) {
        self.entries = 0;
        self.layer = self.layer.saturating_add(1);
        // Which name keeps the inode.
        let mut kept: HashMap<InodeId, NodeId> = HashMap::new();
        for node in self.arena.ids() {
            self.arena.set_written(node, false);
            let Some(id) = self.arena.inode(node).filter(|_| copied) else { continue };
            let Some(inode) = self.inode_at(node) else { continue };
            match inode.kind() {
                FileKind::Folder if self.children(node).next().is_some() => {
                    if let Some(inode) = self.inode_at_mut(node) {
                        inode.forget_mtime();
                    }
                }
                FileKind::Folder | FileKind::File => {}
                _ if inode.names > 1 && *kept.entry(id).or_insert(node) != node => {
                    let copy = inode.clone();
                    if let Some(inode) = self.inode_at_mut(node) {
                        inode.names -= 1;
                    }
                    // Fails only where there are four billion inodes already; then the names go on sharing one.
                    let _ = self.place(node, copy);
                }
                _ => {}
            }
        }
    }
}
