//! `lstat` in a tree of the model.

use super::apply::Tree;
use super::arena::NodeId;
use super::path::{components, split};
use super::resolve::{Lookup, Names, Trail};
use crate::io::FileKind;

/// How many links the kernel follows on a path.
const LINKS_MAX: usize = 40;

/// What stands at a name in a folder.
enum Found {
    Lookup(Lookup),
    Folder(NodeId),
}

impl Names for Tree {
    fn lookup(&self, path: &[u8], trail: &mut Trail) -> Lookup {
        let (folder, name) = split(path);
        let folder = folder.strip_suffix(b"/").unwrap_or(folder);
        let from = match trail.folder {
            Some(node) if trail.path == folder => Some(node),
            _ => self.plain_folder(folder),
        };
        let Some(from) = from else { return self.follow(path) };
        match self.enter(from, name) {
            Found::Lookup(found) => found,
            Found::Folder(node) => {
                trail.path.clear();
                trail.path.extend_from_slice(path);
                trail.folder = Some(node);
                Lookup::Other
            }
        }
    }
}

impl Tree {
    fn enter(&self, folder: NodeId, name: &[u8]) -> Found {
        let Some(node) = self.arena.find(folder, name) else { return Found::Lookup(Lookup::Missing) };
        match self.inode_at(node) {
            None => Found::Lookup(Lookup::Missing),
            Some(inode) if inode.kind() == FileKind::Symlink => {
                Found::Lookup(Lookup::Link(self.target(inode).to_vec()))
            }
            Some(inode) if inode.kind() == FileKind::Folder => Found::Folder(node),
            Some(_) => Found::Lookup(Lookup::Other),
        }
    }

    /// The folder at `path`, if only folders lead there.
    fn plain_folder(&self, path: &[u8]) -> Option<NodeId> {
        components(path).try_fold(NodeId::ROOT, |at, name| match self.enter(at, name) {
            Found::Folder(node) => Some(node),
            Found::Lookup(_) => None,
        })
    }

    /// A path with links on the way.
    fn follow(&self, path: &[u8]) -> Lookup {
        let mut links = 0;
        // What is still to be gone, the next part last.
        let mut rest = vec![path];
        let mut at = NodeId::ROOT;
        while let Some(name) = next_component(&mut rest) {
            match name {
                b"." => continue,
                // That would be outside of the tree, where nothing is known.
                b".." if at == NodeId::ROOT => return Lookup::Missing,
                b".." => {
                    at = self.arena.parent(at);
                    continue;
                }
                _ => {}
            }
            let node = match self.enter(at, name) {
                Found::Folder(node) => {
                    at = node;
                    continue;
                }
                Found::Lookup(Lookup::Link(_)) if !is_at_end(&rest) => self.arena.find(at, name),
                Found::Lookup(Lookup::Other) if !is_at_end(&rest) => return Lookup::NotFolder,
                Found::Lookup(found) => return found,
            };
            let target =
                node.and_then(|node| self.inode_at(node)).map_or(&[][..], |inode| self.target(inode));
            links += 1;
            if links > LINKS_MAX {
                return Lookup::Loop;
            }
            if target.first() == Some(&b'/') {
                return Lookup::Missing;
            }
            rest.push(target);
        }
        Lookup::Other
    }
}

fn next_component<'a>(rest: &mut Vec<&'a [u8]>) -> Option<&'a [u8]> {
    loop {
        let part = rest.last_mut()?;
        let start = part.iter().position(|byte| *byte != b'/');
        let Some(begun) = start.and_then(|start| part.get(start..)) else {
            rest.pop();
            continue;
        };
        let end = begun.iter().position(|byte| *byte == b'/').unwrap_or(begun.len());
        let (name, behind) = begun.split_at_checked(end)?;
        *part = behind;
        return Some(name);
    }
}

fn is_at_end(rest: &[&[u8]]) -> bool {
    rest.iter().all(|part| part.iter().all(|byte| *byte == b'/'))
}
