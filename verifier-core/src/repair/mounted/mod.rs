//! Whether a tree is in use by a mount, in any mount namespace: as a layer of an overlay, bound to another place, or with
//! something mounted in it.
//!
//! A file that is replaced under a mounted overlay stays the old one for whoever has looked it up, so such a tree is left
//! alone; and so it is where that cannot be told.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::check::Checked;
use crate::finding::{Code, Subject};
use crate::io::locks::sees_all_processes;
use crate::io::mounts::{self, Mount, Overlay, garbled, parse};
use crate::io::{Folder, Time};
use crate::scan::Mode;
use crate::snapshot::Driver;
use crate::time::Timestamp;

/// Why a tree must not be changed now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InUse {
    /// It is part of a mount.
    #[error("in use: mounted at {} in the mount namespace of process {pid}", .point.display())]
    Mounted {
        /// Where, as that process sees it.
        point: PathBuf,
        /// A process that sees it.
        pid: u32,
    },
    /// An overlay may be made of it: its folders cannot be looked up from here.
    #[error("perhaps in use: the overlay at {} of process {pid} is made of {}", .point.display(), .layer.display())]
    Perhaps {
        /// Where, as that process sees it.
        point: PathBuf,
        /// A process that sees it.
        pid: u32,
        /// The folder that may be this one, as it was given.
        layer: PathBuf,
    },
    /// Not all processes of the machine show: this one is in a process namespace of its own, or they are hidden from it.
    #[error("cannot tell what is mounted: the machine's processes do not show here")]
    OtherProcesses,
    /// A process hides its mounts.
    #[error("cannot tell what is mounted: process {pid} does not show its mounts ({errno})", errno = io::Error::from_raw_os_error(*.errno))]
    Hidden {
        /// The process.
        pid: u32,
        /// The error's number.
        errno: i32,
    },
    /// A mount namespace without processes is kept by a mount.
    #[error("cannot tell what is mounted: a mount namespace without processes is kept at {}", .point.display())]
    KeptNamespace {
        /// Where.
        point: PathBuf,
    },
    /// `/proc` does not tell.
    #[error("cannot tell what is mounted: {0}")]
    System(#[from] io::Error),
}

/// What of a store's damaged trees and of its waste is in use, or may be: how, in words.
#[derive(Debug, Clone, Default)]
pub struct Mounted {
    /// By snapshotter and backend key.
    snapshots: BTreeMap<(String, String), String>,
    /// Folders that nothing names, below the root.
    waste: BTreeMap<PathBuf, String>,
}

/// What nothing names and was changed later than this many seconds ago a running containerd may be about to name, or to remove.
const SETTLED_SECONDS: i64 = 3600;

impl Mounted {
    /// Asks for each snapshot that `checked` found to differ from its layer, and for each folder that nothing names.
    #[must_use]
    pub fn find(root: &Folder, checked: &Checked) -> Mounted {
        let is_wrong = |code| matches!(code, Code::SnapshotDiffers | Code::SnapshotParentsBare);
        let findings = checked.report.findings.iter().filter(|one| is_wrong(one.code()));
        let damaged: BTreeSet<&Subject> = findings.map(|finding| &finding.subject).collect();
        let mut mounted = Mounted::default();
        let mounts = Mounts::read();
        for task in checked.plan.snapshots.iter().filter(|task| damaged.contains(&task.subject())) {
            // One that cannot be opened is for whoever restores it to say.
            let Ok(tree) = root.folder(&task.tree) else { continue };
            if let Some(used) = used(&mounts, &tree) {
                let snapshot = (task.snapshotter.to_string(), task.backend_key.to_string());
                mounted.snapshots.insert(snapshot, used);
            }
        }
        let is_live = checked.report.mode == Mode::Live;
        for finding in &checked.report.findings {
            let (path, used) = match (finding.code(), &finding.subject) {
                (
                    Code::SnapshotFolderUnreferenced | Code::TmpmountLeftover | Code::CriLeftover,
                    Subject::Path { path },
                ) => (path.clone(), folder_in_use(root, &mounts, path, is_live)),
                (Code::IngestStale, Subject::Ingest { folder }) => {
                    let mut ingests = checked.inventory.ingests.iter();
                    let Some(ingest) = ingests.find(|ingest| ingest.name == folder.as_os_str()) else {
                        continue;
                    };
                    (
                        ingest.path(),
                        ingest.modified.filter(|time| is_live && is_recent(*time)).map(|_| RECENT.into()),
                    )
                }
                _ => continue,
            };
            mounted.waste.extend(used.map(|used| (path, used)));
        }
        mounted
    }

    /// How a snapshot is in use, if it is.
    #[must_use]
    pub fn get(&self, snapshotter: &str, backend_key: &str) -> Option<&str> {
        self.snapshots.get(&(snapshotter.to_owned(), backend_key.to_owned())).map(String::as_str)
    }

    /// How something that nothing names is in use, if it is.
    #[must_use]
    pub fn path(&self, path: &Path) -> Option<&str> {
        self.waste.get(path).map(String::as_str)
    }
}

const RECENT: &str = "changed less than an hour ago: containerd may be at work on it";

fn is_recent(time: Time) -> bool {
    Timestamp::now().seconds.saturating_sub(time.seconds) < SETTLED_SECONDS
}

/// A container may run on a snapshot whose row is lost; and on a live store a row may be about to come.
fn folder_in_use(
    root: &Folder,
    mounts: &Result<Mounts, InUse>,
    path: &Path,
    is_live: bool,
) -> Option<String> {
    if is_live && root.stat(path).is_ok_and(|stat| is_recent(stat.mtime)) {
        return Some(RECENT.into());
    }
    let mut trees = Driver::trees_in(path).filter_map(|tree| root.folder(tree).ok());
    trees.find_map(|tree| used(mounts, &tree))
}

/// How a tree is in use, in words; also that it cannot be told.
fn used(mounts: &Result<Mounts, InUse>, tree: &Folder) -> Option<String> {
    match mounts {
        Ok(mounts) => mounts.refuse(tree).err().map(|used| used.to_string()),
        Err(unclear) => Some(unclear.to_string()),
    }
}

/// Refuses a tree that is in use, or may be.
///
/// # Errors
/// [`InUse`].
pub fn refuse_if_used(tree: &Folder) -> Result<(), InUse> {
    Mounts::read()?.refuse(tree)
}

/// The mounts of all mount namespaces, read once.
#[derive(Debug, Default)]
struct Mounts {
    /// Each namespace's, with a process that sees them.
    tables: Vec<(u32, Vec<Mount>)>,
    seen: BTreeSet<PathBuf>,
}

impl Mounts {
    fn read() -> Result<Mounts, InUse> {
        if !sees_all_processes() {
            return Err(InUse::OtherProcesses);
        }
        let processes = numbers(Path::new("/proc"))?;
        if !processes.contains(&1) {
            // /proc is mounted with `hidepid`.
            return Err(InUse::OtherProcesses);
        }
        let mut mounts = Mounts::default();
        for pid in processes {
            mounts.add(pid)?;
        }
        Ok(mounts)
    }

    /// Adds the mounts that a process sees. Its threads may each see others.
    fn add(&mut self, pid: u32) -> Result<(), InUse> {
        let hidden = |error: &io::Error| InUse::Hidden { pid, errno: crate::io::errno(error) };
        let tasks = match numbers(&Path::new("/proc").join(pid.to_string()).join("task")) {
            Ok(tasks) => tasks,
            Err(error) if is_gone(&error) => return Ok(()),
            Err(error) => return Err(hidden(&error)),
        };
        for task in tasks {
            let task = PathBuf::from(format!("/proc/{pid}/task/{task}"));
            // Which namespace it is may be a secret where its mounts are none: then they are looked at once more.
            let namespace = std::fs::read_link(task.join("ns/mnt")).ok();
            if namespace.as_ref().is_some_and(|namespace| self.seen.contains(namespace)) {
                continue;
            }
            match std::fs::read(task.join("mountinfo")) {
                Ok(table) => {
                    self.tables.push((pid, parse(&table).ok_or_else(garbled)?));
                    self.seen.extend(namespace);
                }
                // EINVAL: it is ending, and has no mounts any more.
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(hidden(&error)),
            }
        }
        Ok(())
    }

    fn refuse(&self, tree: &Folder) -> Result<(), InUse> {
        let place = Place::of(tree)?;
        let mut search = Search { place: &place, unclear: BTreeMap::new(), kept: Vec::new() };
        for (pid, mounts) in &self.tables {
            search.table(*pid, mounts)?;
        }
        search.finish(&self.seen)
    }
}

/// The tree, as mount tables would name it.
#[derive(Debug)]
struct Place {
    /// Device and number of its inode.
    inode: (u64, u64),
    /// The file system, and where in it.
    dev: (u32, u32),
    inside: PathBuf,
    /// The last two components of its path.
    tail: PathBuf,
}

impl Place {
    fn of(tree: &Folder) -> Result<Place, InUse> {
        let stat = tree.stat("")?;
        let number = tree.fd().as_raw_fd();
        let path = std::fs::read_link(format!("/proc/self/fd/{number}"))?;
        let mount = mounts::of(tree.fd())?;
        let below = path.strip_prefix(&mount.point).map_err(io::Error::other)?;
        let names: Vec<_> = path.components().collect();
        let tail = names.get(names.len().saturating_sub(2)..).unwrap_or_default().iter().collect();
        Ok(Place { inode: (stat.dev, stat.ino), dev: mount.dev, inside: mount.root.join(below), tail })
    }
}

/// What is known of an overlay one of whose folders is called as the tree is.
#[derive(Debug, Default)]
struct Unclear {
    /// Seen from somewhere, it is another folder.
    is_other: bool,
    /// From here it cannot be seen.
    unseen: Option<InUse>,
}

struct Search<'a> {
    place: &'a Place,
    /// By the overlay's own number: the same one shows in several namespaces.
    unclear: BTreeMap<(u32, u32), Unclear>,
    /// Mount namespaces that mounts keep, and where.
    kept: Vec<(PathBuf, PathBuf)>,
}

impl Search<'_> {
    fn table(&mut self, pid: u32, mounts: &[Mount]) -> Result<(), InUse> {
        let by_id: BTreeMap<u64, &Mount> = mounts.iter().map(|mount| (mount.id, mount)).collect();
        for mount in mounts {
            let used = InUse::Mounted { point: mount.point.clone(), pid };
            if mount.dev == self.place.dev && mount.root.starts_with(&self.place.inside) {
                return Err(used);
            }
            let below = by_id.get(&mount.parent).filter(|parent| parent.dev == self.place.dev);
            let at = below
                .and_then(|parent| Some(parent.root.join(mount.point.strip_prefix(&parent.point).ok()?)));
            if at.is_some_and(|at| at.starts_with(&self.place.inside)) {
                return Err(used);
            }
            if mount.fs == b"nsfs" && mount.root.to_string_lossy().starts_with("mnt:[") {
                self.kept.push((mount.root.clone(), mount.point.clone()));
            }
            if let Some(overlay) = mount.overlay() {
                self.overlay(pid, mount, &overlay)?;
            }
        }
        Ok(())
    }

    /// containerd gives long lists of folders relative to the one that holds all snapshots.
    fn overlay(&mut self, pid: u32, mount: &Mount, overlay: &Overlay) -> Result<(), InUse> {
        let base = overlay.upper.as_ref().and_then(|upper| upper.parent()?.parent());
        let own = overlay.upper.iter().chain(&overlay.work);
        for given in overlay.lowers.iter().chain(own).filter(|given| given.ends_with(&self.place.tail)) {
            let path = match base {
                Some(base) if given.is_relative() => base.join(given),
                _ => given.clone(),
            };
            let inodes = if path.is_absolute() { inodes_at(&path, pid) } else { Vec::new() };
            if inodes.contains(&self.place.inode) {
                return Err(InUse::Mounted { point: mount.point.clone(), pid });
            }
            let unclear = self.unclear.entry(mount.dev).or_default();
            if inodes.is_empty() {
                let (point, layer) = (mount.point.clone(), given.clone());
                unclear.unseen.get_or_insert(InUse::Perhaps { point, pid, layer });
            } else {
                unclear.is_other = true;
            }
        }
        Ok(())
    }

    fn finish(self, seen: &BTreeSet<PathBuf>) -> Result<(), InUse> {
        let unseen =
            self.unclear.into_values().find_map(|unclear| unclear.unseen.filter(|_| !unclear.is_other));
        if let Some(unseen) = unseen {
            return Err(unseen);
        }
        match self.kept.into_iter().find(|(namespace, _)| !seen.contains(namespace)) {
            Some((_, point)) => Err(InUse::KeptNamespace { point }),
            None => Ok(()),
        }
    }
}

/// The folders of that path, from here and as process `pid` sees it.
fn inodes_at(path: &Path, pid: u32) -> Vec<(u64, u64)> {
    let there = Path::new("/proc").join(pid.to_string()).join("root");
    let there = there.join(path.strip_prefix("/").unwrap_or(path));
    let inode = |path: &Path| std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    [inode(path), inode(&there)].into_iter().flatten().collect()
}

fn numbers(folder: &Path) -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        found.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    Ok(found)
}

fn is_gone(error: &io::Error) -> bool {
    let gone = [Errno::NOENT, Errno::SRCH, Errno::INVAL];
    gone.iter().any(|errno| Some(errno.raw_os_error()) == error.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Gate;

    #[test]
    fn a_folder_that_nobody_mounts() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open_root(dir.path(), Gate::default()).unwrap();
        match refuse_if_used(&folder) {
            // Where these tests run in a container or as a user, it cannot be told.
            Ok(()) | Err(InUse::OtherProcesses | InUse::Hidden { .. } | InUse::KeptNamespace { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
}
