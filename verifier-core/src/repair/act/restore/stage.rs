//! New inodes, made whole among the run's items.
//!
//! What goes into a folder that is in the tree already becomes an item of its own; what goes into a new folder is made there.
//! A folder of the tree that hands something on to what is made in it (a default list of access, a group that no
//! entry of the layer tells) has a stand-in among the items for as long.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::dress::is_labelled;
use super::error::RestoreError;
use super::source::Source;
use crate::compare::{ExtractError, Inheritance, LayerError, Modelled, Piece, as_path, extract};
use crate::io::{FileKind, Folder};
use crate::layer::tree::{Inode, InodeId, NodeId, Tree};
use crate::repair::quarantine::disk::{Dir, NewFile};
use crate::repair::{Put, Run};

const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";
const ZEROS: &[u8] = &[0; 256 * 1024];

/// Where something is made: a folder below the items (empty: the items' own), and a name in it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) folder: PathBuf,
    pub(super) name: OsString,
}

/// What is being made for one tree.
pub(super) struct Stage<'s, 'd> {
    pub(super) run: &'s mut Run<'d>,
    pub(super) model: &'s Tree,
    pub(super) inheritance: &'s Inheritance,
    pub(super) source: &'s Source<'s>,
    /// The tree that it is made for, as it is.
    pub(super) tree: &'s Folder,
    /// Where that is, below the root.
    path: &'s Path,
    /// Whether its inodes have labels of the host's, which new ones then get as well.
    pub(super) is_labelled: bool,
    /// Folders that were made, below the items.
    folders: HashMap<NodeId, PathBuf>,
    /// Folders of the tree that need a stand-in, and those that do not.
    stand_ins: HashMap<NodeId, Option<PathBuf>>,
    /// The first name of each inode.
    made: HashMap<InodeId, Place>,
    /// All that was made among the items themselves, to be removed if it comes to nothing.
    tops: Vec<OsString>,
    /// What becomes an item of its own when it is whole.
    outgoing: Vec<(Place, OsString)>,
    puts: Vec<Put>,
    last: Option<(PathBuf, Dir<'d>)>,
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// The files that the second pass is to bring: by layer and entry, the name and where it is made.
type Wanted = BTreeMap<(u16, u32), (NodeId, Place)>;

impl<'s, 'd> Stage<'s, 'd> {
    pub(super) fn new(
        run: &'s mut Run<'d>,
        compared: &'s Modelled,
        source: &'s Source<'s>,
        (tree, path): (&'s Folder, &'s Path),
    ) -> Stage<'s, 'd> {
        Stage {
            run,
            model: &compared.model,
            inheritance: &compared.inheritance,
            source,
            tree,
            path,
            is_labelled: is_labelled(tree),
            folders: HashMap::new(),
            stand_ins: HashMap::new(),
            made: HashMap::new(),
            tops: Vec::new(),
            outgoing: Vec::new(),
            puts: Vec::new(),
            last: None,
            files: 0,
            bytes: 0,
        }
    }

    /// Says that the folder `node` is already made, at `path` below the items.
    pub(super) fn set_folder(&mut self, node: NodeId, path: PathBuf) {
        self.folders.insert(node, path);
    }

    /// Makes what `nodes` stand for, folders before what is in them: what is to be put where. When it fails, nothing
    /// of it is left.
    pub(super) fn make(&mut self, nodes: &[NodeId]) -> Result<Vec<Put>, RestoreError> {
        match self.try_make(nodes) {
            Ok(()) => Ok(std::mem::take(&mut self.puts)),
            Err(error) => {
                for top in std::mem::take(&mut self.tops) {
                    // What is left of it takes space, and does no harm.
                    let _ = remove_tree(self.run.items(), &top);
                }
                Err(error)
            }
        }
    }

    fn try_make(&mut self, nodes: &[NodeId]) -> Result<(), RestoreError> {
        let in_run = |error| RestoreError::system("", error);
        let (mut wanted, mut links, mut first) = (Wanted::new(), Vec::new(), HashSet::new());
        for node in nodes.iter().copied() {
            let Some((id, inode)) = self.model.inode(node) else { continue };
            let place = self.place(node).map_err(in_run)?;
            if inode.names() > 1 && !first.insert(id) {
                links.push((id, place));
                continue;
            }
            if inode.names() > 1 {
                self.made.insert(id, place.clone());
            }
            if inode.kind() == FileKind::File && inode.size_bytes() > 0 {
                wanted.insert(inode.source(), (node, place));
            } else {
                self.simple(node, inode, place).map_err(in_run)?;
            }
        }
        self.contents(&wanted)?;
        for (id, to) in links {
            if let Some(from) = self.made.get(&id).cloned() {
                self.link(&from, &to).map_err(in_run)?;
            }
        }
        self.folder_times(nodes).map_err(in_run)?;
        self.move_out().map_err(in_run)
    }

    fn place(&mut self, node: NodeId) -> io::Result<Place> {
        let folder = self.model.folder_of(node);
        let name = OsStr::from_bytes(self.model.name(node));
        if let Some(made) = self.folders.get(&folder) {
            return Ok(Place { folder: made.clone(), name: name.into() });
        }
        let item = self.run.new_item();
        self.puts.push(Put { item: item.clone(), path: self.path.join(as_path(&self.model.path(node))) });
        self.tops.push(item.clone());
        let Some(stand_in) = self.stand_in(folder)? else {
            return Ok(Place { folder: PathBuf::new(), name: item });
        };
        let place = Place { folder: stand_in, name: name.into() };
        self.outgoing.push((place.clone(), item));
        Ok(place)
    }

    /// A folder like `folder` of the tree, as far as what is made in it can tell.
    fn stand_in(&mut self, folder: NodeId) -> io::Result<Option<PathBuf>> {
        if let Some(known) = self.stand_ins.get(&folder) {
            return Ok(known.clone());
        }
        let path = self.model.path(folder);
        let path = as_path(&path);
        let (stat, attributes) = (self.tree.stat(path)?, self.tree.xattrs(path)?);
        let default_acl = attributes.iter().find(|(name, _)| name == DEFAULT_ACL);
        let stand_in = if default_acl.is_some() || stat.mode & 0o2000 != 0 {
            let name = self.run.new_item();
            self.tops.push(name.clone());
            let items = self.run.items();
            items.make_dir(&name, 0o700)?;
            items.set_owner(&name, (stat.uid, stat.gid))?;
            if let Some((attribute, value)) = default_acl {
                items.set_xattr(&name, attribute, value)?;
            }
            items.set_mode(&name, 0o700 | stat.mode & 0o2000)?;
            Some(PathBuf::from(name))
        } else {
            None
        };
        self.stand_ins.insert(folder, stand_in.clone());
        Ok(stand_in)
    }

    /// Makes what has no bytes of its own.
    fn simple(&mut self, node: NodeId, inode: &Inode, place: Place) -> io::Result<()> {
        let target = self.model.target(inode);
        let dir = self.dir(&place.folder)?;
        let device = |kind| dir.make_node(&place.name, kind, 0o600, inode.device());
        match inode.kind() {
            FileKind::Folder => dir.make_dir(&place.name, 0o755)?,
            FileKind::File => drop(dir.create_file(&place.name)?),
            FileKind::Symlink => dir.symlink(target, &place.name)?,
            FileKind::CharDevice => device(FileType::CharacterDevice)?,
            FileKind::BlockDevice => device(FileType::BlockDevice)?,
            FileKind::Fifo => device(FileType::Fifo)?,
            FileKind::Socket | FileKind::Unknown => return Err(io::ErrorKind::Unsupported.into()),
        }
        self.files += u64::from(inode.kind() == FileKind::File);
        self.dress(node, &place)?;
        if inode.kind() == FileKind::Folder {
            self.folders.insert(node, place.folder.join(&place.name));
        }
        Ok(())
    }

    /// Second pass: the files' bytes, in the archives' order.
    fn contents(&mut self, wanted: &Wanted) -> Result<(), RestoreError> {
        let source = self.source;
        let layers: BTreeSet<u16> = wanted.keys().map(|(layer, _)| *layer).collect();
        for layer in layers {
            let of_layer = wanted.range((layer, 0)..=(layer, u32::MAX));
            let entries: BTreeSet<u32> = of_layer.map(|((_, entry), _)| *entry).collect();
            let blob = source.layer(layer.into()).ok_or(RestoreError::NoLayer)?;
            let mut writing = None;
            let mut take = |entry, piece: Piece<'_>| {
                let (node, place) = wanted.get(&(layer, entry)).ok_or(io::ErrorKind::NotFound)?;
                self.piece(&mut writing, *node, place, &piece)
            };
            let extracted =
                extract(&blob, &entries, source.interrupt, &|bytes| source.read(bytes), &mut take);
            let digests = extracted.map_err(|error| match error {
                ExtractError::Interrupted => RestoreError::Interrupted,
                ExtractError::Taker(_) if source.interrupt.is_raised() => RestoreError::Interrupted,
                ExtractError::Taker(error) => RestoreError::system("", error),
                ExtractError::Read(source) => LayerError::Read { layer: layer.into(), source }.into(),
                ExtractError::Changed => source.damaged_layer(layer.into()),
            })?;
            source.prove(layer.into(), &digests)?;
        }
        Ok(())
    }

    fn piece(
        &mut self,
        writing: &mut Option<NewFile<'d>>,
        node: NodeId,
        place: &Place,
        piece: &Piece<'_>,
    ) -> io::Result<()> {
        let mut file = match writing.take() {
            Some(file) => file,
            None => self.dir(&place.folder)?.create_file(&place.name)?,
        };
        match piece {
            Piece::Bytes(bytes) => {
                file.write_all(bytes)?;
                self.bytes += bytes.len() as u64;
            }
            // containerd writes them, too: the space that a tree takes is on record.
            Piece::Zeros(count) => self.zeros(&mut file, *count)?,
            Piece::End => {
                drop(file);
                self.files += 1;
                return self.dress(node, place);
            }
        }
        *writing = Some(file);
        Ok(())
    }

    fn zeros(&mut self, file: &mut NewFile<'d>, count: u64) -> io::Result<()> {
        let mut left = count;
        while left > 0 {
            if self.source.interrupt.is_raised() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let zeros = ZEROS.get(..usize::try_from(left).unwrap_or(usize::MAX)).unwrap_or(ZEROS);
            file.write_all(zeros)?;
            left -= zeros.len() as u64;
        }
        self.bytes += count;
        Ok(())
    }

    fn link(&mut self, from: &Place, to: &Place) -> io::Result<()> {
        let path = self.run.items().folder().path().join(&from.folder);
        let from_dir = self.run.disk().dir(&path)?;
        from_dir.link(&from.name, self.dir(&to.folder)?, &to.name)
    }

    /// Gives new folders the times that the layer does: nothing more is made in them.
    fn folder_times(&mut self, nodes: &[NodeId]) -> io::Result<()> {
        for node in nodes {
            let Some(mtime) = self.model.inode(*node).and_then(|(_, inode)| inode.mtime()) else { continue };
            let Some(path) = self.folders.get(node).cloned() else { continue };
            let (folder, name) = (path.parent().unwrap_or(Path::new("")), path.file_name());
            let name = name.ok_or(io::ErrorKind::InvalidInput)?;
            self.dir(folder)?.set_mtime(name, super::expected::time(mtime))?;
        }
        Ok(())
    }

    /// What was made in stand-ins becomes items; the stand-ins go.
    fn move_out(&mut self) -> io::Result<()> {
        for (place, item) in std::mem::take(&mut self.outgoing) {
            let path = self.run.items().folder().path().join(&place.folder);
            self.run.disk().dir(&path)?.rename(&place.name, self.run.items(), &item)?;
        }
        for stand_in in self.stand_ins.values().flatten() {
            self.run.items().remove_dir(stand_in.as_os_str())?;
        }
        Ok(())
    }

    /// The folder `path` below the items.
    pub(super) fn dir(&mut self, path: &Path) -> io::Result<&Dir<'d>> {
        if path.as_os_str().is_empty() {
            return Ok(self.run.items());
        }
        if self.last.as_ref().is_none_or(|(known, _)| known != path) {
            self.last = Some((path.into(), self.run.items().dir(path)?));
        }
        self.last.as_ref().map(|(_, dir)| dir).ok_or(io::ErrorKind::NotFound.into())
    }
}

/// Removes what this run made and did not put anywhere: `name` among the items, with all that is in it.
pub(super) fn remove_tree(items: &Dir<'_>, name: &OsStr) -> io::Result<()> {
    match items.stat(name)? {
        None => return Ok(()),
        Some(stat) if stat.kind != FileKind::Folder => return items.remove_file(name),
        Some(_) => {}
    }
    let mut folders = vec![PathBuf::from(name)];
    while let Some(path) = folders.last().cloned() {
        let dir = items.dir(&path)?;
        let (mut names, before) = (Vec::new(), folders.len());
        dir.folder().list(&mut |entry| {
            names.push(entry.name.to_owned());
            Ok(())
        })?;
        for name in names {
            match dir.stat(&name)? {
                Some(stat) if stat.kind == FileKind::Folder => folders.push(path.join(name)),
                _ => dir.remove_file(&name)?,
            }
        }
        if folders.len() == before {
            folders.pop();
            match (path.parent().filter(|parent| !parent.as_os_str().is_empty()), path.file_name()) {
                (Some(parent), Some(name)) => items.dir(parent)?.remove_dir(name)?,
                _ => items.remove_dir(path.as_os_str())?,
            }
        }
    }
    Ok(())
}
