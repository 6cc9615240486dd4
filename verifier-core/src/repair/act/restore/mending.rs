//! From what differs to what must be done.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::error::Refused;
use super::expected::Expected;
use super::source::Source;
use crate::compare::{Inheritance, Modelled, as_path};
use crate::finding::{Difference, DifferenceKind};
use crate::io::{FileKind, Folder};
use crate::layer::tree::{InodeId, NodeId, Tree};
use crate::repair::Change;

const CAPABILITY: &[u8] = b"security.capability";
pub(super) const OPAQUE: &[u8] = b"trusted.overlay.opaque";

/// What to do in one round. All paths are below the snapshot's tree.
#[derive(Debug, Default)]
pub(super) struct Mending {
    /// Names to take away.
    pub(super) take: Vec<PathBuf>,
    /// Names that get a new inode, folders before what is in them.
    pub(super) make: Vec<NodeId>,
    /// Attributes to change in place.
    pub(super) change: BTreeMap<PathBuf, Change>,
    /// Paths that nothing can be done about.
    pub(super) refused: BTreeMap<PathBuf, Refused>,
}

/// Whether a name that differs so gets a new inode.
fn needs_new_inode(kind: &DifferenceKind) -> bool {
    matches!(
        kind,
        DifferenceKind::Missing { .. }
            | DifferenceKind::Type { .. }
            | DifferenceKind::Size { .. }
            | DifferenceKind::Content { .. }
            | DifferenceKind::Unreadable { .. }
            | DifferenceKind::LinkTarget { .. }
            | DifferenceKind::Device { .. }
            | DifferenceKind::Whiteout { .. }
            | DifferenceKind::HardLink { .. }
    )
}

impl Mending {
    /// What to do about `differences` of `tree`, which come in the order of their paths. Those of `refused` paths are left.
    pub(super) fn of(
        differences: &[Difference],
        compared: &Modelled,
        tree: &Folder,
        source: &Source<'_>,
        refused: &BTreeMap<PathBuf, Refused>,
    ) -> Mending {
        let Modelled { model, inheritance, .. } = compared;
        let (wanted, mending) = (BTreeSet::new(), Mending::default());
        let mut planner = Planner { model, inheritance, tree, source, wanted, mending };
        for of_path in differences.chunk_by(|one, other| one.path == other.path) {
            if let Some(path) = of_path.first().map(|first| first.path.as_path())
                && !refused.contains_key(path)
                && let Err(why) = planner.path(path, of_path)
            {
                planner.mending.refused.insert(path.into(), why);
            }
        }
        planner.finish()
    }
}

struct Planner<'a> {
    model: &'a Tree,
    inheritance: &'a Inheritance,
    tree: &'a Folder,
    source: &'a Source<'a>,
    wanted: BTreeSet<NodeId>,
    mending: Mending,
}

impl Planner<'_> {
    fn path(&mut self, path: &Path, differences: &[Difference]) -> Result<(), Refused> {
        let kinds = || differences.iter().map(|difference| &difference.kind);
        if kinds().any(|kind| matches!(kind, DifferenceKind::Unexpected { .. })) {
            self.mending.take.push(path.into());
            return Ok(());
        }
        let node = self.model.at(path.as_os_str().as_bytes()).ok_or(Refused::StillDiffers)?;
        let (_, inode) = self.model.inode(node).ok_or(Refused::StillDiffers)?;
        if !kinds().any(needs_new_inode) {
            let stat = self.tree.stat(path).map_err(|error| system(&error))?;
            // More names than the layer gives it: the others may be anywhere.
            let is_ours = inode.kind() == FileKind::Folder || stat.nlink == u64::from(inode.names());
            if is_ours {
                let expected = Expected::of(self.model, node, self.inheritance)?;
                let change = change(kinds(), &expected, stat.gid);
                self.mending.change.insert(path.into(), change);
                return Ok(());
            }
        }
        let unreadable = kinds().any(|kind| matches!(kind, DifferenceKind::Unreadable { .. }));
        match inode.kind() {
            FileKind::Folder if node == NodeId::ROOT => return Err(Refused::TopUnreadable),
            // What is in it was not compared: all of it is made anew.
            FileKind::Folder if unreadable => self.wanted.extend(below(self.model, node)),
            _ => {}
        }
        self.wanted.insert(node);
        Ok(())
    }

    fn finish(mut self) -> Mending {
        self.add_groups();
        self.add_parents();
        let mut make: Vec<NodeId> = self.wanted.iter().copied().collect();
        make.sort_by_cached_key(|node| self.model.path(*node));
        let mut blocked: HashMap<NodeId, Refused> = HashMap::new();
        for node in make {
            let above = blocked.get(&self.model.folder_of(node)).copied();
            match above.map_or_else(|| self.is_known(node), Err) {
                Ok(()) => self.mending.make.push(node),
                Err(why) => {
                    blocked.insert(node, why);
                    self.mending.refused.insert(as_path(&self.model.path(node)).into(), why);
                }
            }
        }
        for node in &self.mending.make {
            self.mending.change.remove(as_path(&self.model.path(*node)));
        }
        self.mending
    }

    /// Names that share an inode get the new one together.
    fn add_groups(&mut self) {
        let several = |node: &NodeId| self.model.inode(*node).filter(|(_, inode)| inode.names() > 1);
        let groups: BTreeSet<InodeId> = self.wanted.iter().filter_map(several).map(|(id, _)| id).collect();
        self.wanted.extend(self.model.names_of(&groups).into_values().flatten());
    }

    /// The folders that names will be put into must be there.
    fn add_parents(&mut self) {
        let mut present: BTreeSet<NodeId> = BTreeSet::from([NodeId::ROOT]);
        for node in self.wanted.clone() {
            let mut folder = self.model.folder_of(node);
            while !present.contains(&folder) && !self.wanted.contains(&folder) {
                let path = self.model.path(folder);
                if self.tree.stat(as_path(&path)).is_ok_and(|stat| stat.kind == FileKind::Folder) {
                    present.insert(folder);
                } else {
                    self.wanted.insert(folder);
                }
                folder = self.model.folder_of(folder);
            }
        }
    }

    /// Whether all is known that a new inode needs.
    fn is_known(&self, node: NodeId) -> Result<(), Refused> {
        Expected::of(self.model, node, self.inheritance)?;
        if self.source.task.remapped && self.tree.stat(as_path(&self.model.path(node))).is_err() {
            return Err(Refused::OwnerUnknown);
        }
        Ok(())
    }
}

/// All names in a folder and in those below it, folders before what is in them.
pub(super) fn below(model: &Tree, folder: NodeId) -> Vec<NodeId> {
    let mut found: Vec<NodeId> = model.names_in(folder).collect();
    let mut at = 0;
    while let Some(node) = found.get(at).copied() {
        found.extend(model.names_in(node));
        at += 1;
    }
    found
}

/// What to change in place. A new owner drops capabilities and set-id bits, a list of access changes the mode: what they
/// touch is set again.
fn change<'k>(kinds: impl Iterator<Item = &'k DifferenceKind>, expected: &Expected, gid: u32) -> Change {
    let mut change = Change::default();
    for kind in kinds {
        match kind {
            DifferenceKind::Owner { .. } => change.owner = Some((expected.uid, expected.gid.unwrap_or(gid))),
            DifferenceKind::Mode { .. } => change.mode = expected.mode,
            DifferenceKind::Mtime { .. } => change.mtime = expected.mtime,
            DifferenceKind::Xattr { name, expected, .. } => {
                change.xattrs.push((name.clone(), expected.clone()));
            }
            DifferenceKind::Opaque { expected } => {
                change.xattrs.push((OPAQUE.to_vec(), expected.then(|| b"y".to_vec())));
            }
            _ => {}
        }
    }
    let has_capability = change.xattrs.iter().any(|(name, _)| name == CAPABILITY);
    if change.owner.is_some() && !has_capability {
        let capability = expected.attributes.iter().find(|(name, _)| name == CAPABILITY);
        change.xattrs.extend(capability.map(|(name, value)| (name.clone(), Some(value.clone()))));
    }
    if change.owner.is_some() || !change.xattrs.is_empty() {
        change.mode = expected.mode;
    }
    change
}

pub(super) fn system(error: &std::io::Error) -> Refused {
    Refused::System { errno: crate::io::errno(error) }
}
