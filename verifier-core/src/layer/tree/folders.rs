//! What layers above can ask of a layer: its folders' attributes, its links, and which names are anything else.
//!
//! A model takes about 100 bytes a name and lives as long as its comparison; this takes 16, and is kept for the layers above.
//! Names are told apart by 64 bits of a keyed hash: nobody can make two of them meet.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::apply::Tree;
use super::attributes::Attribute;
use super::inode::{Inherits, Inode};
use super::resolve::{Lookup, Names, Trail};
use crate::io::FileKind;

/// A folder's attributes, as its layer makes them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FolderFacts {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    /// `None` where a set-gid folder of a layer below may have handed its own on.
    pub(crate) gid: Option<u32>,
    /// What of it comes from the layers below, if they have the folder.
    pub(crate) inherits: Inherits,
    /// Extended attributes, by name.
    pub(crate) attributes: Arc<[Attribute]>,
}

/// What stands at a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kind {
    Folder(FolderFacts),
    Link(Vec<u8>),
    /// A file, a whiteout, anything else that is no folder.
    Other,
}

/// What layers above can ask of a layer.
#[derive(Debug)]
pub struct Folders {
    hasher: RandomState,
    /// Names by their hash, each with the place of what it stands for. Sorted.
    names: Vec<(u64, u32)>,
    kinds: Vec<Kind>,
    size_bytes: usize,
}

impl Folders {
    /// Those of a finished layer.
    #[must_use]
    pub fn of(model: &Tree) -> Folders {
        let hasher = RandomState::new();
        let (mut names, mut kinds) = (Vec::new(), Vec::new());
        let mut places: HashMap<Kind, u32> = HashMap::new();
        let mut size_bytes = 0;
        for node in model.arena.ids() {
            let Some((_, inode)) = model.inode(node) else { continue };
            let kind = kind(model, inode);
            let place = match places.get(&kind) {
                Some(place) => *place,
                None => {
                    let place = u32::try_from(kinds.len()).unwrap_or(u32::MAX);
                    size_bytes += size_of::<Kind>() + heap_bytes(&kind);
                    kinds.push(kind.clone());
                    places.insert(kind, place);
                    place
                }
            };
            names.push((hasher.hash_one(model.path(node)), place));
        }
        names.sort_unstable();
        names.shrink_to_fit();
        size_bytes += names.len() * size_of::<(u64, u32)>();
        Folders { hasher, names, kinds, size_bytes }
    }

    /// About the memory that it takes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    fn kind(&self, path: &[u8]) -> Option<&Kind> {
        let path = path.strip_prefix(b"/").unwrap_or(path);
        let hash = self.hasher.hash_one(path.to_vec());
        let at = self.names.partition_point(|(other, _)| *other < hash);
        let (found, place) = self.names.get(at)?;
        self.kinds.get(*place as usize).filter(|_| *found == hash)
    }

    /// The folder at `path`, which leads through no link; `Err` if something else stands there.
    pub(crate) fn folder(&self, path: &[u8]) -> Result<Option<&FolderFacts>, NoFolder> {
        match self.kind(path) {
            None => Ok(None),
            Some(Kind::Folder(facts)) => Ok(Some(facts)),
            Some(Kind::Link(_) | Kind::Other) => Err(NoFolder),
        }
    }

    /// Whether `path` is a link's name.
    pub(crate) fn is_link(&self, path: &[u8]) -> bool {
        matches!(self.kind(path), Some(Kind::Link(_)))
    }
}

/// Something that is no folder has the name.
#[derive(Debug)]
pub(crate) struct NoFolder;

fn kind(model: &Tree, inode: &Inode) -> Kind {
    match inode.kind() {
        FileKind::Folder => Kind::Folder(FolderFacts {
            mode: inode.mode(),
            uid: inode.uid(),
            gid: (!inode.is_group_unknown()).then_some(inode.gid()),
            inherits: inode.inherits(),
            attributes: model.attributes(inode).into(),
        }),
        FileKind::Symlink => Kind::Link(model.target(inode).to_vec()),
        _ => Kind::Other,
    }
}

fn heap_bytes(kind: &Kind) -> usize {
    match kind {
        Kind::Folder(facts) => {
            facts.attributes.iter().map(|(name, value)| name.len() + value.len() + 64).sum()
        }
        Kind::Link(target) => target.len(),
        Kind::Other => 0,
    }
}

impl Names for Folders {
    fn lookup(&self, path: &[u8], _trail: &mut Trail) -> Lookup {
        match self.kind(path) {
            Some(Kind::Link(target)) => return Lookup::Link(target.clone()),
            Some(Kind::Folder(_) | Kind::Other) => return Lookup::Other,
            None => {}
        }
        // The nearest that there is on the way. A link: the next pass finds it resolved.
        let mut above = path;
        while let Some(at) = above.iter().rposition(|byte| *byte == b'/').filter(|at| *at > 0) {
            above = above.get(..at).unwrap_or_default();
            match self.kind(above) {
                None => {}
                Some(Kind::Other) => return Lookup::NotFolder,
                Some(Kind::Folder(_) | Kind::Link(_)) => break,
            }
        }
        Lookup::Missing
    }
}
