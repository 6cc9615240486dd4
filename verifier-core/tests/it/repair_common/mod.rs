//! A repair as the command does it, and a picture of a store.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use verifier_core::Interrupt;
use verifier_core::bolt::{Database, Visitor};
use verifier_core::event::Unobserved;
use verifier_core::finding::{Code, Finding, Severity};
use verifier_core::repair::disk::{Disk, StepGate};
use verifier_core::repair::locked::{Alone, LockedStore};
use verifier_core::repair::plan::RepairOptions;
use verifier_core::repair::source::Source;
use verifier_core::repair::{Repair, Setup, Undone};
use verifier_core::scan::Mode;
use verifier_core::{CheckOptions, Store, look};

use crate::restore_common::{Facts, picture};

/// A folder in memory where there is one: thousands of repairs wait for a disk otherwise.
pub(crate) fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
}

/// What came of a repair.
#[derive(Debug)]
pub(crate) struct Repaired {
    pub(crate) before: Vec<Code>,
    pub(crate) run: Option<String>,
    /// Actions that failed, and why.
    pub(crate) failed: Vec<(String, String)>,
    pub(crate) refused: Vec<Code>,
    /// What a full check of everything finds afterwards.
    pub(crate) after: Vec<Finding>,
}

pub(crate) fn repair(root: &Path, options: &RepairOptions) -> Repaired {
    repair_with(root, options, &StepGate::default()).unwrap()
}

/// Repairs a stopped store; an error means that the run could not be begun or ended.
pub(crate) fn repair_with(root: &Path, options: &RepairOptions, gate: &StepGate) -> io::Result<Repaired> {
    repair_checked(root, options, gate, &CheckOptions::default().threads(1))
}

/// As [`repair_with`], of what a check with these options finds.
pub(crate) fn repair_checked(
    root: &Path,
    options: &RepairOptions,
    gate: &StepGate,
    check: &CheckOptions,
) -> io::Result<Repaired> {
    repair_from(root, options, gate, check, Vec::new())
}

/// As [`repair_checked`], with sources of right bytes.
pub(crate) fn repair_from(
    root: &Path,
    options: &RepairOptions,
    gate: &StepGate,
    check: &CheckOptions,
    sources: Vec<Source>,
) -> io::Result<Repaired> {
    let store = Store::open(root).unwrap();
    let setup = Setup::default().check(check.clone()).options(options.clone()).gate(gate.clone());
    let done = three_calls(&store, &setup, sources)?;
    let failed = done.actions().filter_map(|(action, outcome)| {
        Some((format!("{:?}", action.kind), outcome?.as_ref().err()?.to_string()))
    });
    let severe = |finding: &&Finding| finding.severity() > Severity::Info;
    let after = look(&store, check, None, &Unobserved, &Interrupt::default()).unwrap();
    Ok(Repaired {
        before: done.before().unwrap().findings.iter().filter(severe).map(Finding::code).collect(),
        failed: failed.collect(),
        refused: done.plan.refusals.iter().map(|refusal| refusal.code).collect(),
        after: after.report.findings,
        run: done.run,
    })
}

/// What the command does.
pub(crate) fn three_calls(
    store: &Store,
    setup: &Setup,
    sources: Vec<Source>,
) -> io::Result<verifier_core::repair::Repaired> {
    let interrupt = Interrupt::default();
    let mut repair = Repair::open(store, setup, sources).map_err(io::Error::other)?;
    let planned = repair.plan(&Unobserved, &interrupt).map_err(io::Error::other)?;
    let mut repaired = repair.apply(planned, &Unobserved, &interrupt);
    match repaired.trouble.take() {
        Some(error) => Err(io::Error::other(error)),
        None => Ok(repaired),
    }
}

#[cfg(feature = "live")]
/// Repairs a store through the API of the containerd that serves it; an error means that the run could not be begun or ended.
pub(crate) fn repair_live(
    root: &Path,
    socket: &Path,
    gate: &StepGate,
) -> io::Result<verifier_core::repair::Repaired> {
    let store = Store::open(root).unwrap();
    let options = RepairOptions::default().mode(Some(Mode::Live));
    let setup = Setup::default().options(options).gate(gate.clone()).socket(socket.into());
    three_calls(&store, &setup, Vec::new())
}

/// A child that another test starts has all open files, and so holds all locks, until it runs its program.
pub(crate) fn patiently<T, E: std::fmt::Debug>(mut take: impl FnMut() -> Result<T, E>) -> T {
    for _ in 0..100 {
        if let Ok(taken) = take() {
            return taken;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    take().unwrap()
}

pub(crate) fn undo(root: &Path, run: &str) -> Undone {
    let store = Store::open(root).unwrap();
    let gate = StepGate::default();
    let disk = Disk::new(store.folder(), &gate);
    let alone = patiently(|| Alone::take(disk, "a test"));
    let locked = patiently(|| LockedStore::lock(disk, &alone));
    // Cut off before its first line, a run has no journal to read.
    verifier_core::repair::undo(disk, run, Some(&locked)).unwrap_or_default()
}

/// What a store is: its files, and of its databases what they say.
pub(crate) type Picture = (BTreeMap<PathBuf, Facts>, BTreeMap<PathBuf, Vec<String>>);

pub(crate) fn store_picture(root: &Path) -> Picture {
    let mut files = picture(root);
    // Ours, and the root's own time, which making it moved.
    files.retain(|path, _| !path.starts_with("containerd-fsck") && !path.as_os_str().is_empty());
    let mut databases = BTreeMap::new();
    for (path, facts) in &mut files {
        let name = path.file_name().unwrap().to_str().unwrap_or_default();
        let is_file = root.join(path).symlink_metadata().unwrap().is_file();
        if is_file && ["meta.db", "metadata.db"].contains(&name) {
            // It was written to, and back: bolt writes all the time.
            facts.mtime = (0, 0);
            let dump = dump(&root.join(path));
            if !dump.is_empty() {
                // Its bytes are another transaction's; what it says must be the same.
                facts.content.clear();
                databases.insert(path.clone(), dump);
            }
        }
    }
    (files, databases)
}

#[derive(Default)]
struct Dump(Vec<String>);

impl Visitor for Dump {
    fn enter(&mut self, path: &[Vec<u8>], sequence: u64) {
        self.0.push(format!("{path:x?} {sequence}"));
    }

    fn value(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) {
        self.0.push(format!("{path:x?} {key:x?} = {value:x?}"));
    }
}

fn dump(path: &Path) -> Vec<String> {
    let Ok(bytes) = std::fs::read(path) else { return Vec::new() };
    let Ok(database) = Database::open(&bytes) else { return Vec::new() };
    let mut dump = Dump::default();
    if database.walk(&mut dump).faults.is_empty() { dump.0 } else { Vec::new() }
}

/// Where two pictures of a store differ.
pub(crate) fn differences(before: &Picture, after: &Picture) -> Vec<String> {
    let mut found = Vec::new();
    for path in before.0.keys().chain(after.0.keys().filter(|path| !before.0.contains_key(*path))) {
        match (before.0.get(path), after.0.get(path)) {
            (Some(before), Some(after)) if before == after => {}
            (before, after) => found.push(format!("{}: {before:?} became {after:?}", path.display())),
        }
    }
    for (path, rows) in &before.1 {
        let now = after.1.get(path).map(Vec::as_slice).unwrap_or_default();
        let lost = rows.iter().filter(|row| !now.contains(row)).map(|row| format!("lost {row}"));
        let new = now.iter().filter(|row| !rows.contains(row)).map(|row| format!("new {row}"));
        found.extend(lost.chain(new).map(|row| format!("{}: {row}", path.display())));
    }
    found
}
