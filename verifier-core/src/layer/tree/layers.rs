//! The end of a layer, and the next one, where a snapshot holds all of them.

use std::collections::HashMap;

use super::apply::{FolderTime, Tree};
use super::arena::NodeId;
use super::inode::InodeId;
use super::resolve::root_path;
use crate::io::FileKind;
use crate::layer::Refusal;

impl Tree {
    /// All entries are in: folders get their times, in the archive's order, by what their names mean now.
    ///
    /// # Errors
    /// [`Refusal::FolderGone`] and what resolving a name can fail on.
    pub fn finish_layer(&mut self) -> Result<(), Refusal> {
        let by_place = std::mem::take(&mut self.folder_times);
        let by_name = std::mem::take(&mut self.linked_folder_times);
        let mut times: Vec<(FolderTime, Result<NodeId, Vec<u8>>)> =
            by_place.into_iter().map(|(node, time)| (time, Ok(node))).collect();
        times.extend(by_name.into_iter().map(|(name, time)| (time, Err(name))));
        times.sort_unstable_by_key(|(time, _)| time.sequence);
        for (FolderTime { time, .. }, place) in times {
            let node = match place {
                Ok(node) if self.is_plain(node) => node,
                Ok(node) => self.resolve(&self.arena.path(node))?,
                Err(name) => self.resolve(&name)?,
            };
            if let Some(inode) = self.inode_at_mut(node) {
                // By then it may be a file's name.
                inode.set_settled(false);
                inode.set_mtime(time);
            }
        }
        Ok(())
    }

    /// Whether a name stands for something, and its path leads through folders only and ends at no link.
    fn is_plain(&self, node: NodeId) -> bool {
        let mut at = node;
        let mut good = self.kind(at).is_some_and(|kind| kind != FileKind::Symlink);
        while good && at != NodeId::ROOT {
            at = self.arena.parent(at);
            good = self.kind(at) == Some(FileKind::Folder);
        }
        good
    }

    fn resolve(&self, name: &[u8]) -> Result<NodeId, Refusal> {
        let path = root_path(self, name)?;
        self.find(&path).filter(|node| self.arena.inode(*node).is_some()).ok_or(Refusal::FolderGone)
    }

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
