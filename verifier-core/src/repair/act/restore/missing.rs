//! A snapshot whose folder is missing: it is made beside the store, compared there, and takes its name as one.
//!
//! ```text
//! overlayfs   <id> 0700   <id>/fs 0755   <id>/work 0711
//! native      <id> 0755
//! ```
//!
//! Sources: `createSnapshot` and `prepareDirectory` of plugins/snapshots/{overlay,native} (containerd 2.1; snapshots/ in 1.6 and
//! 1.7): the folder begins as a temporary one (0700), native's then is given 0755.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use super::error::{PathLeft, Refused, RestoreError};
use super::mending::{OPAQUE, below};
use super::place::{RefusedPaths, put_all};
use super::round::Restored;
use super::source::Source;
use super::stage::{Stage, remove_tree};
use crate::io::FileKind;
use crate::layer::tree::NodeId;
use crate::repair::{Put, Run};
use crate::snapshot::Driver;

const LABEL: &[u8] = b"security.selinux";

/// What is made, and where it goes.
struct Whole {
    item: OsString,
    /// The tree, below the items.
    tree: PathBuf,
    /// What the item becomes, below the root.
    path: PathBuf,
}

/// Makes a snapshot's folder, or the tree that is missing in it.
pub(super) fn make_whole(run: &mut Run<'_>, source: &Source<'_>) -> Result<Restored, RestoreError> {
    if source.task.remapped {
        let why = Refused::OwnerUnknown;
        let left = vec![PathLeft { path: PathBuf::new(), why }];
        return Err(RestoreError::Left { tree: source.task.tree.clone(), paths: 1, left, unread: None });
    }
    let item = run.new_item();
    let made = begin(run, source, &item)
        .map_err(|error| RestoreError::system(&source.task.tree, error))
        .and_then(|whole| fill(run, source, &whole));
    if made.is_err() {
        // What is left of it takes space, and does no harm.
        let _ = remove_tree(run.items(), &item);
    }
    made
}

/// Makes the folders, as the snapshotter does.
fn begin(run: &Run<'_>, source: &Source<'_>, item: &OsStr) -> io::Result<Whole> {
    let (items, root, tree) = (run.items(), run.disk().root(), &source.task.tree);
    let folder = tree.parent().unwrap_or(Path::new("."));
    let parts = Driver::of(&source.task.snapshotter).map(Driver::parts).unwrap_or_default();
    let part = parts.first().map(|(name, _)| OsStr::new(*name));
    let has_folder = part.is_some() && root.stat(folder).is_ok_and(|stat| stat.kind == FileKind::Folder);
    let whole = match part.filter(|_| !has_folder) {
        Some(part) => Whole { item: item.into(), tree: Path::new(item).join(part), path: folder.into() },
        None => Whole { item: item.into(), tree: item.into(), path: tree.clone() },
    };
    items.make_dir(item, 0o700)?;
    let inside = match part.filter(|_| !has_folder) {
        Some(part) => Some((items.dir(Path::new(item))?, part)),
        None => None,
    };
    if let Some((inside, _)) = &inside {
        for (name, mode) in parts {
            inside.make_dir(OsStr::new(name), *mode)?;
            inside.set_mode(OsStr::new(name), *mode)?;
        }
    }
    let (dir, name) = inside.as_ref().map_or((items, item), |(inside, part)| (inside, *part));
    // As the snapshotter makes it: that of the snapshot below, on disk, proves nothing.
    dir.set_owner(name, (0, 0))?;
    dir.set_mode(name, 0o755)?;
    let siblings = whole.path.parent().and_then(|siblings| root.xattrs(siblings).ok()).unwrap_or_default();
    if let Some((label, value)) = siblings.iter().find(|(name, _)| name == LABEL) {
        dir.set_xattr(name, label, value)?;
    }
    Ok(whole)
}

/// Makes all that is in the tree, compares it, and puts it in place.
fn fill(run: &mut Run<'_>, source: &Source<'_>, whole: &Whole) -> Result<Restored, RestoreError> {
    let path = run.items().folder().path().join(&whole.tree);
    let in_run = |error| RestoreError::system("", error);
    let tree = run.disk().root().folder(&path).map_err(in_run)?;
    let compared = source.compare(&tree, 0)?;
    let model = &compared.model;
    if model.inode(NodeId::ROOT).is_some_and(|(_, top)| top.is_opaque()) {
        let (dir, name) = run.disk().parent(&path).map_err(in_run)?;
        dir.set_xattr(name, OPAQUE, b"y").map_err(in_run)?;
    }
    let mut stage = Stage::new(run, &compared, source, (&tree, &source.task.tree));
    stage.set_folder(NodeId::ROOT, whole.tree.clone());
    stage.make(&below(model, NodeId::ROOT))?;
    let (files, bytes) = (stage.files, stage.bytes);
    let paths = compared.report.paths;
    drop(compared);
    let report = source.compare(&tree, 1000)?.report;
    if !report.is_same() || report.unread.is_some() {
        let still = |path: PathBuf| PathLeft { path, why: Refused::StillDiffers };
        let left = report.differences.into_iter().map(|one| still(one.path)).collect();
        return Err(RestoreError::Left {
            tree: source.task.tree.clone(),
            paths: report.paths,
            left,
            unread: report.unread,
        });
    }
    let mut refused = RefusedPaths::new();
    let put = Put { item: whole.item.clone(), path: whole.path.clone() };
    put_all(run, vec![put], &mut refused)?;
    if let Some(why) = refused.into_values().next() {
        let left = vec![PathLeft { path: PathBuf::new(), why }];
        return Err(RestoreError::Left { tree: source.task.tree.clone(), paths, left, unread: None });
    }
    Ok(Restored { paths, files, bytes, rounds: 1, whole: true })
}
