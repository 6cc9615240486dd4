//! The runs that are kept, and how they go.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use super::disk::Disk;
use super::lines::{Journal, JournalFault};
use super::run::ITEMS;
use super::tree::walk;
use super::undo::UNDONE;
use crate::io::{FileKind, Folder};
use crate::layout::RUNS;
use crate::time::Timestamp;

/// A run that is kept.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct KeptRun {
    /// Its name.
    pub id: String,
    /// When it began, RFC 3339; empty when its journal cannot be read.
    pub began: String,
    /// How it ended: `done`, `incomplete`; `None` when it was cut off.
    pub outcome: Option<String>,
    /// Whether it was undone.
    pub undone: bool,
    /// Why its journal does not tell all that it did; `None` when it does.
    pub journal: Option<JournalFault>,
    /// Things that it took out of the store.
    pub items: u64,
    /// What it occupies, in bytes.
    pub size_bytes: u64,
}

/// Something among the runs that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stray {
    /// Its name.
    pub name: OsString,
    /// What it is.
    pub kind: FileKind,
}

/// How much is kept of former runs. The newest is kept whatever it is, and so is what there is any doubt about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Runs that began earlier go.
    pub age_seconds: i64,
    /// The oldest go until the others occupy no more than this.
    pub size_bytes: u64,
}

impl Default for Retention {
    /// Thirty days, 10 GiB.
    fn default() -> Self {
        Retention { age_seconds: 30 * DAY, size_bytes: 10 << 30 }
    }
}

/// What a retention did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Retained {
    /// The runs that went.
    pub deleted: Vec<KeptRun>,
    /// Those that should have gone, and why they did not.
    pub failed: Vec<(String, io::Error)>,
}

const DAY: i64 = 86_400;
/// No run was made before (2020-09-13): a clock that says so was not set.
const EARLIEST: i64 = 1_600_000_000;

/// The runs of a root, the oldest first. One that cannot be read says so, and hides no other.
///
/// # Errors
/// The folder of runs cannot be read; that there is none is no error.
pub fn runs(root: &Folder) -> io::Result<Vec<KeptRun>> {
    let Some((folder, names)) = listed(root)? else { return Ok(Vec::new()) };
    let mut ids: Vec<String> = names
        .into_iter()
        .filter_map(|(name, kind)| name.into_string().ok().filter(|_| kind == FileKind::Folder))
        .collect();
    ids.sort_unstable();
    Ok(ids.into_iter().map(|id| kept(&folder, id)).collect())
}

/// What is among the runs of a root and is none: left as it is.
///
/// # Errors
/// As [`runs`].
pub fn strays(root: &Folder) -> io::Result<Vec<Stray>> {
    let Some((_, names)) = listed(root)? else { return Ok(Vec::new()) };
    let mut strays: Vec<Stray> = names
        .into_iter()
        .filter(|(name, kind)| *kind != FileKind::Folder || name.to_str().is_none())
        .map(|(name, kind)| Stray { name, kind })
        .collect();
    strays.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(strays)
}

/// The folder of runs, and what is in it.
fn listed(root: &Folder) -> io::Result<Option<(Folder, Vec<(OsString, FileKind)>)>> {
    let folder = match root.folder(RUNS) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut names = Vec::new();
    folder.list(&mut |entry| {
        let kind = folder.stat(entry.name).map_or(entry.kind, |stat| stat.kind);
        names.push((entry.name.to_owned(), kind));
        Ok(())
    })?;
    Ok(Some((folder, names)))
}

fn kept(folder: &Folder, id: String) -> KeptRun {
    let mut kept = KeptRun {
        id,
        began: String::new(),
        outcome: None,
        undone: false,
        journal: None,
        items: 0,
        size_bytes: 0,
    };
    let looked = look(folder, &mut kept);
    if let Err(error) = looked {
        kept.journal = Some(JournalFault::Unreadable { why: error.to_string() });
    }
    kept
}

fn look(folder: &Folder, kept: &mut KeptRun) -> io::Result<()> {
    let run = folder.folder(&kept.id)?;
    kept.undone = run.stat(UNDONE).is_ok();
    (kept.items, kept.size_bytes) = occupied(&run)?;
    let told = Journal::open(&run)?.told;
    kept.began = told.began.unwrap_or_default();
    kept.outcome = told.outcome;
    kept.journal = told.fault;
    Ok(())
}

/// Items, and the bytes of all that is in the folder.
fn occupied(run: &Folder) -> io::Result<(u64, u64)> {
    let (mut items, mut bytes) = (0, 0);
    match run.folder(ITEMS) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => other?.list(&mut |_| {
            items += 1;
            Ok(())
        })?,
    }
    let each = &mut |_: &Folder, _: &OsStr, stat: &crate::io::Stat| {
        bytes += stat.blocks_512.saturating_mul(512);
        Ok(())
    };
    walk(run.folder(".")?, each, &mut |_, _| Ok(()))?;
    Ok((items, bytes))
}

/// Deletes the run `id` for good.
///
/// # Errors
/// There is no such run, or something of it could not be deleted: what is left goes with the next try.
pub fn purge(disk: Disk<'_>, id: &str) -> io::Result<()> {
    let runs = disk.dir(Path::new(RUNS))?;
    let run = runs.dir(Path::new(id))?;
    // The journal goes last: as long as something is left, it is known what that is.
    match run.dir(Path::new(ITEMS)) {
        Ok(items) => {
            empty(disk, items.folder().folder(".")?)?;
            run.remove_dir(OsStr::new(ITEMS))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    empty(disk, run.folder().folder(".")?)?;
    runs.remove_dir(OsStr::new(id))?;
    runs.sync()
}

/// Removes all that is in a folder.
fn empty(disk: Disk<'_>, top: Folder) -> io::Result<()> {
    let each = &mut |folder: &Folder, name: &OsStr, stat: &crate::io::Stat| match stat.kind {
        FileKind::Folder => Ok(()),
        _ => disk.remove_in(folder, name, false),
    };
    walk(top, each, &mut |folder, name| disk.remove_in(folder, name, true))
}

/// Deletes what `retention` does not keep: never the newest run, and nothing on a doubt.
///
/// # Errors
/// As [`runs`].
pub fn retain(disk: Disk<'_>, retention: Retention) -> io::Result<Retained> {
    retain_at(disk, retention, Timestamp::now().seconds)
}

/// [`retain`] with the clock at `now`.
pub(in crate::repair) fn retain_at(disk: Disk<'_>, retention: Retention, now: i64) -> io::Result<Retained> {
    let all = runs(disk.root())?;
    let mut size_bytes: u64 = all.iter().map(|run| run.size_bytes).sum();
    let mut retained = Retained::default();
    let latest = all.iter().filter_map(began).filter(|began| *began <= now).max();
    // By name, which is by time, the last one is the newest: kept whatever it says.
    let older = all.len().saturating_sub(1);
    for run in all.into_iter().take(older) {
        // Not by the clock alone, which may be wrong today: what counts is how much later the latest run was.
        let age = began(&run).zip(latest).filter(|(began, _)| *began <= now && run.journal.is_none());
        let Some(age) = age.map(|(began, latest)| latest - began) else { continue };
        if age > retention.age_seconds || (size_bytes > retention.size_bytes && age > DAY) {
            match purge(disk, &run.id) {
                Ok(()) => {
                    size_bytes = size_bytes.saturating_sub(run.size_bytes);
                    retained.deleted.push(run);
                }
                Err(error) => retained.failed.push((run.id, error)),
            }
        }
    }
    Ok(retained)
}

/// When a run began, if its clock was set.
fn began(run: &KeptRun) -> Option<i64> {
    Timestamp::parse(&run.began).map(|time| time.seconds).filter(|seconds| *seconds >= EARLIEST)
}
