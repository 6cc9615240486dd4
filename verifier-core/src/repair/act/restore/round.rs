//! Compares, mends, and compares again.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{PathLeft, Refused, RestoreError};
use super::expected::time;
use super::mending::Mending;
use super::missing;
use super::place::{RefusedPaths, change_all, put_all, take_all};
use super::source::{Source, folder_if_any};
use super::stage::{Stage, remove_tree};
use crate::Interrupt;
use crate::compare::Modelled;
use crate::event::Observer;
use crate::finding::Difference;
use crate::io::{FileKind, Folder, Time};
use crate::layer::Flavour;
use crate::layer::tree::{NodeId, Tree};
use crate::metadata::Kind;
use crate::plan::SnapshotTask;
use crate::repair::mounted;
use crate::repair::{Change, Put, Run};
use crate::snapshot::Driver;
use crate::verify::FolderCache;

/// Limits and exceptions of [`restore`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RestoreOptions {
    /// Paths to mend in one round: what bounds the memory.
    pub paths_per_round: usize,
    /// Whether containerd runs in a user namespace.
    pub rootless: bool,
    /// Where to stop reading a layer: bytes of tar. `None`: as a comparison does.
    pub max_tar_bytes: Option<u64>,
    /// What layers make of their folders, for those above them: kept from one snapshot to the next.
    pub(crate) folders: Arc<FolderCache>,
}

impl Default for RestoreOptions {
    fn default() -> Self {
        RestoreOptions {
            paths_per_round: 20_000,
            rootless: false,
            max_tar_bytes: None,
            folders: Arc::default(),
        }
    }
}

impl RestoreOptions {
    /// Sets how many paths are mended in one round.
    #[must_use]
    pub fn paths_per_round(mut self, paths: usize) -> Self {
        self.paths_per_round = paths;
        self
    }

    /// Says that containerd runs in a user namespace.
    #[must_use]
    pub fn rootless(mut self, rootless: bool) -> Self {
        self.rootless = rootless;
        self
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// Paths that differed before.
    pub paths: u64,
    /// Files that were written.
    pub files: u64,
    /// Bytes of their contents.
    pub bytes: u64,
    /// Rounds that changed something.
    pub rounds: u32,
    /// Whether the folder was missing, and was made as a whole.
    pub whole: bool,
}

/// Makes the tree of the committed snapshot `task` what its layers make. Parents that its own layer does not mention have their
/// attributes from the layers below; where one of those is not to be had, such parents are left as they are.
///
/// `observer` is told how many more bytes of blobs were read. The steps are part of `run`; ending it is the caller's.
///
/// # Errors
/// [`RestoreError`]. [`RestoreError::Left`] when all was done that could be, and something still differs.
pub fn restore(
    run: &mut Run<'_>,
    task: &SnapshotTask,
    options: &RestoreOptions,
    interrupt: &Interrupt,
    observer: &dyn Observer,
) -> Result<Restored, RestoreError> {
    if task.kind != Kind::Committed || task.chain_id.is_none() || task.layers.is_empty() {
        return Err(RestoreError::NoLayer);
    }
    match task.flavour {
        _ if Driver::of(&task.snapshotter).is_some_and(|driver| !driver.can_restore()) => {
            return Err(RestoreError::ReadOnlySubvolume);
        }
        Flavour::OverlayUserNamespace => return Err(RestoreError::UserNamespace),
        _ if options.rootless => return Err(RestoreError::UserNamespace),
        _ => {}
    }
    let root = run.disk().root();
    let source = Source::open(root, task, options, (interrupt, observer))?;
    let tree = folder_if_any(root, &task.tree).map_err(|error| RestoreError::system(&task.tree, error))?;
    let nearest = task.tree.ancestors().find_map(|path| root.stat(path).ok());
    let items = run.items().folder().stat("").map_err(|error| RestoreError::system("", error))?;
    if nearest.is_some_and(|nearest| nearest.dev != items.dev) {
        return Err(RestoreError::OtherFileSystem);
    }
    let Some(tree) = tree else { return missing::make_whole(run, &source) };
    mounted::refuse_if_used(&tree)?;
    Restorer { run, source: &source, tree: &tree, refused: BTreeMap::new(), restored: Restored::default() }
        .rounds(options.paths_per_round)
}

struct Restorer<'r, 'd> {
    run: &'r mut Run<'d>,
    source: &'r Source<'r>,
    tree: &'r Folder,
    /// Paths below the tree that nothing can be done about.
    refused: BTreeMap<PathBuf, Refused>,
    restored: Restored,
}

impl Restorer<'_, '_> {
    fn rounds(mut self, paths_per_round: usize) -> Result<Restored, RestoreError> {
        let mut before = u64::MAX;
        loop {
            let limit = paths_per_round.max(1).saturating_add(self.refused.len().saturating_mul(4));
            let compared = self.source.compare(self.tree, limit)?;
            let report = &compared.report;
            if self.restored.rounds == 0 {
                self.restored.paths = report.paths;
            }
            let mendable = report.differences.iter().any(|one| !self.refused.contains_key(&one.path));
            let progressed = report.paths < before;
            before = report.paths;
            if !mendable || !progressed {
                return self.finish(&compared);
            }
            self.mend(&compared)?;
            self.restored.rounds += 1;
        }
    }

    fn finish(self, compared: &Modelled) -> Result<Restored, RestoreError> {
        let report = &compared.report;
        // What this process may not read is a gap for the proof to tell, no path that differs.
        if report.is_same() {
            return Ok(self.restored);
        }
        let mut paths: Vec<&PathBuf> = report.differences.iter().map(|one| &one.path).collect();
        paths.dedup();
        let why = |path: &PathBuf| self.refused.get(path).copied().unwrap_or(Refused::StillDiffers);
        let left = paths.into_iter().map(|path| PathLeft { path: path.clone(), why: why(path) }).collect();
        let tree = self.source.task.tree.clone();
        Err(RestoreError::Left { tree, paths: report.paths, left, unread: report.unread })
    }

    fn mend(&mut self, compared: &Modelled) -> Result<(), RestoreError> {
        let differences: &[Difference] = &compared.report.differences;
        let model = &compared.model;
        let mending = Mending::of(differences, compared, self.tree, self.source, &self.refused);
        self.refused.extend(mending.refused);
        let top = &self.source.task.tree;
        let mut refused = RefusedPaths::new();
        // First, for folders hand some of it on to what is made in them.
        let changes = mending.change.into_iter().map(|(path, change)| (below(top, &path), change));
        let changes: Vec<(PathBuf, Change)> = changes.collect();
        if !changes.is_empty() {
            change_all(self.run, changes, &mut refused)?;
        }
        let mut stage = Stage::new(self.run, compared, self.source, (self.tree, top));
        let puts = stage.make(&mending.make)?;
        self.restored.files += stage.files;
        self.restored.bytes += stage.bytes;
        if let Err(used) = mounted::refuse_if_used(self.tree) {
            // Since it was asked before: containerd may be running.
            for put in puts {
                let _ = remove_tree(self.run.items(), &put.item);
            }
            return Err(used.into());
        }
        let takes: Vec<PathBuf> = mending.take.iter().map(|path| top.join(path)).collect();
        let touched = takes.iter().chain(puts.iter().map(|put| &put.path));
        let mut folders: BTreeSet<PathBuf> =
            touched.filter_map(|path| path.parent()).map(Path::to_path_buf).collect();
        if model.inode(NodeId::ROOT).is_some_and(|(_, inode)| inode.mtime().is_some()) {
            // A folder's entry led there, through a link: no comparison asks for it.
            folders.insert(top.clone());
        }
        let mut times = self.times(&folders, compared);
        let moved = puts.iter().map(|put| &put.path).chain(&takes);
        self.note_times(moved, &mut refused)?;
        times.extend(self.new_folders(&puts, model));
        put_all(self.run, puts, &mut refused)?;
        take_all(self.run, takes, &mut refused)?;
        let of_time = |(path, time)| (path, Change { mtime: Some(time), ..Change::default() });
        let times: Vec<(PathBuf, Change)> = times.into_iter().map(of_time).collect();
        if !times.is_empty() {
            change_all(self.run, times, &mut refused)?;
        }
        for (path, why) in refused {
            self.refused.insert(path.strip_prefix(top).unwrap_or(&path).into(), why);
        }
        Ok(())
    }

    /// Notes the times of folders that are about to be moved: xfs changes them on the way, and they can be undone only if
    /// they are in the journal.
    fn note_times<'p>(
        &mut self,
        moved: impl Iterator<Item = &'p PathBuf>,
        refused: &mut RefusedPaths,
    ) -> Result<(), RestoreError> {
        let root = self.run.disk().root();
        let mut noted = Vec::new();
        for path in moved {
            if let Ok(stat) = root.stat(path)
                && stat.kind == FileKind::Folder
            {
                noted.push((path.clone(), Change { mtime: Some(stat.mtime), ..Change::default() }));
            }
        }
        if noted.is_empty() { Ok(()) } else { change_all(self.run, noted, refused) }
    }

    /// The same for those that are put in place: their time is set once they are there.
    fn new_folders(&self, puts: &[Put], model: &Tree) -> Vec<(PathBuf, Time)> {
        let top = &self.source.task.tree;
        let time_of = |put: &Put| {
            let path = put.path.strip_prefix(top).unwrap_or(&put.path).as_os_str().as_bytes();
            let (_, inode) = model.inode(model.at(path)?)?;
            let mtime = inode.mtime().filter(|_| inode.kind() == FileKind::Folder)?;
            Some((put.path.clone(), time(mtime)))
        };
        puts.iter().filter_map(time_of).collect()
    }

    /// When folders are to have changed, once all is in place: the layer's time, or what it is now.
    fn times(&self, folders: &BTreeSet<PathBuf>, compared: &Modelled) -> Vec<(PathBuf, Time)> {
        let top = &self.source.task.tree;
        let mut times = Vec::with_capacity(folders.len());
        for folder in folders {
            let path = folder.strip_prefix(top).unwrap_or(folder);
            let node = compared.model.at(path.as_os_str().as_bytes());
            let by_layer = node.and_then(|node| compared.model.inode(node)?.1.mtime());
            let now = || self.tree.stat(path).ok().map(|stat| stat.mtime);
            if let Some(mtime) = by_layer.map(time).or_else(now) {
                times.push((folder.clone(), mtime));
            }
        }
        times
    }
}

/// `path` below `top`; the empty path is `top` itself.
fn below(top: &Path, path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { top.into() } else { top.join(path) }
}
