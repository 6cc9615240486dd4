//! Restoring, and an oracle of its own for what a tree is.

pub(crate) mod mutate;

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use verifier_core::Interrupt;
use verifier_core::event::Unobserved;
use verifier_core::finding::Depth;
use verifier_core::io::{Folder, Gate};
use verifier_core::metadata::Kind;
use verifier_core::plan::{Lowers, SnapshotTask};
use verifier_core::repair::Run;
use verifier_core::repair::disk::{Disk, StepGate};
use verifier_core::repair::restore::{RestoreError, RestoreOptions, Restored, restore};
use verifier_core::repair::undo;
use verifier_core::report::Report;
use verifier_core::{CheckOptions, Plan, Store, check, scan};

/// All committed snapshots with their layers, those that others stand on first.
pub(crate) fn tasks(root: &Path) -> Vec<SnapshotTask> {
    let store = Store::open(root).unwrap();
    let inventory = scan(&store, &Interrupt::default());
    let mut tasks = Plan::new(&inventory, &CheckOptions::default()).unwrap().snapshots;
    tasks.retain(|task| task.kind == Kind::Committed && !task.layers.is_empty());
    tasks.sort_by_key(|task| task.lowers.as_ref().map_or(0, Lowers::height));
    tasks
}

/// What came of restoring each snapshot.
pub(crate) type Outcome = (SnapshotTask, Result<Restored, RestoreError>);

/// Restores every snapshot there is, in one run. Whether the run itself could be begun and ended, its name, and what came
/// of each.
pub(crate) fn restore_with(
    root: &Path,
    tasks: &[SnapshotTask],
    gate: &StepGate,
    options: &RestoreOptions,
) -> std::io::Result<(String, Vec<Outcome>)> {
    let folder = Folder::open_root(root, Gate::default())?;
    let mut run = Run::begin(Disk::new(&folder, gate))?;
    let id = run.id().to_owned();
    let interrupt = Interrupt::default();
    let mut outcomes = Vec::new();
    for task in tasks {
        let outcome = restore(&mut run, task, options, &interrupt, &Unobserved);
        outcomes.push((task.clone(), outcome));
    }
    run.end("done")?;
    Ok((id, outcomes))
}

/// Restores these, and nothing may be left.
pub(crate) fn heal(root: &Path, tasks: &[SnapshotTask], what: &str) -> String {
    let (run, outcomes) =
        restore_with(root, tasks, &StepGate::default(), &RestoreOptions::default()).unwrap();
    for (task, outcome) in &outcomes {
        assert!(outcome.is_ok(), "{what}: {}: {outcome:#?}", task.tree.display());
    }
    run
}

pub(crate) fn restore_all(root: &Path) -> (String, Vec<Outcome>) {
    restore_with(root, &tasks(root), &StepGate::default(), &RestoreOptions::default()).unwrap()
}

/// Undoes a run, all of it.
pub(crate) fn undo_run(root: &Path, run: &str) {
    let folder = Folder::open_root(root, Gate::default()).unwrap();
    let gate = StepGate::default();
    let undone = undo(Disk::new(&folder, &gate), run, None).unwrap();
    assert!(undone.left.is_empty(), "{:?}", undone.left);
}

/// Whether a folder's time is the clock's: layers of tests have times of other days.
pub(crate) fn is_clock(tree: &BTreeMap<PathBuf, Facts>, path: &Path) -> bool {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let is_today = |facts: &Facts| facts.mtime.0.abs_diff(i64::try_from(now).unwrap()) < 86_400;
    tree.get(path).is_some_and(|facts| facts.kind == 0o040_000 && is_today(facts))
}

pub(crate) fn look(root: &Path, depth: Depth) -> Report {
    let store = Store::open(root).unwrap();
    let options = CheckOptions::default().depth(depth).threads(2);
    check(&store, &options, &Unobserved, &Interrupt::default()).unwrap()
}

/// All there is to know of a name, but for its inode's number and the times that no one can set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) kind: u32,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) mtime: (i64, i64),
    pub(crate) rdev: u64,
    /// Of a file the hash of its bytes, of a link its target.
    pub(crate) content: Vec<u8>,
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The first of the tree's names that share the inode, and how many there are.
    pub(crate) links: (PathBuf, u64),
}

/// A tree as it is, read with nothing of the library.
pub(crate) fn picture(tree: &Path) -> BTreeMap<PathBuf, Facts> {
    let mut found = BTreeMap::new();
    let mut inodes: BTreeMap<u64, (PathBuf, u64)> = BTreeMap::new();
    let mut left = vec![PathBuf::new()];
    while let Some(path) = left.pop() {
        let full = tree.join(&path);
        let stat = std::fs::symlink_metadata(&full).unwrap();
        let mut content = Vec::new();
        if stat.is_dir() {
            left.extend(std::fs::read_dir(&full).unwrap().map(|entry| path.join(entry.unwrap().file_name())));
        } else if stat.is_symlink() {
            content = std::fs::read_link(&full).unwrap().as_os_str().as_bytes().to_vec();
        } else if stat.is_file() {
            content = Sha256::digest(std::fs::read(&full).unwrap()).to_vec();
        }
        let (first, names) = inodes.entry(stat.ino()).or_insert_with(|| (path.clone(), 0));
        *names += 1;
        if path < *first {
            first.clone_from(&path);
        }
        let facts = Facts {
            kind: stat.mode() & 0o170_000,
            mode: stat.mode() & 0o7777,
            owner: (stat.uid(), stat.gid()),
            mtime: (stat.mtime(), stat.mtime_nsec()),
            rdev: stat.rdev(),
            content,
            xattrs: xattrs(&full),
            links: (PathBuf::from(stat.ino().to_string()), 0),
        };
        found.insert(path, facts);
    }
    for facts in found.values_mut() {
        let ino: u64 = facts.links.0.to_str().unwrap().parse().unwrap();
        facts.links.clone_from(&inodes[&ino]);
    }
    found
}

fn xattrs(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 65_536];
    let Ok(count) = rustix::fs::llistxattr(path, &mut names) else { return BTreeMap::new() };
    let names = names[..count].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let value = |name: &[u8]| {
        let mut value = vec![0; 65_536];
        let count = match rustix::fs::lgetxattr(path, std::ffi::OsStr::from_bytes(name), &mut value) {
            // The kernel keeps an empty capability, and does not show it.
            Err(rustix::io::Errno::INVAL) if name == b"security.capability" => 0,
            other => other.unwrap(),
        };
        value.truncate(count);
        value
    };
    names.map(|name| (name.to_vec(), value(name))).collect()
}

/// Where two trees are not the same, a line each. Whiteouts have the clock's time. `ignore_time` says of which names the time may differ.
pub(crate) fn unlike(
    before: &BTreeMap<PathBuf, Facts>,
    after: &BTreeMap<PathBuf, Facts>,
    ignore_time: &dyn Fn(&Path) -> bool,
) -> Vec<String> {
    let mut lines = Vec::new();
    for path in before.keys().chain(after.keys().filter(|path| !before.contains_key(*path))) {
        match (before.get(path), after.get(path)) {
            (Some(one), Some(other)) => {
                let mut other = other.clone();
                if ignore_time(path) || (one.kind == 0o020_000 && one.rdev == 0) {
                    other.mtime = one.mtime;
                }
                if *one != other {
                    lines.push(format!("{}:\n  {one:?}\n  {other:?}", path.display()));
                }
            }
            (one, _) => lines.push(format!(
                "{}: only {}",
                path.display(),
                if one.is_some() { "before" } else { "after" }
            )),
        }
    }
    lines
}
