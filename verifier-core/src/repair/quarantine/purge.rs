//! The runs that are kept, and how they go.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::disk::{Dir, Disk};
use super::journal::{self, Line};
use super::run::ITEMS;
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
    /// Things that it took out of the store.
    pub items: u64,
    /// What it occupies, in bytes.
    pub size_bytes: u64,
}

/// How much is kept of former runs.
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
        Retention { age_seconds: 30 * 86_400, size_bytes: 10 << 30 }
    }
}

/// The runs of a root, the oldest first.
///
/// # Errors
/// The folder of runs cannot be read; that there is none is no error.
pub fn runs(root: &Folder) -> io::Result<Vec<KeptRun>> {
    let folder = match root.folder(RUNS) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut ids = Vec::new();
    folder.list(&mut |entry| {
        ids.extend(entry.name.to_str().map(str::to_owned));
        Ok(())
    })?;
    ids.sort_unstable();
    ids.into_iter().map(|id| kept(&folder, id)).collect()
}

fn kept(folder: &Folder, id: String) -> io::Result<KeptRun> {
    let run = folder.folder(&id)?;
    let lines = journal::read(&run).unwrap_or_default();
    let began = lines.iter().find_map(|line| match line {
        Line::Begin { began, .. } => Some(began.clone()),
        _ => None,
    });
    let outcome = lines.iter().rev().find_map(|line| match line {
        Line::End { outcome } => Some(outcome.clone()),
        _ => None,
    });
    let (items, size_bytes) = occupied(&run)?;
    Ok(KeptRun {
        began: began.unwrap_or_default(),
        outcome,
        undone: run.stat(UNDONE).is_ok(),
        items,
        size_bytes,
        id,
    })
}

/// Items, and the bytes of all that is in the folder.
fn occupied(run: &Folder) -> io::Result<(u64, u64)> {
    let (mut items, mut bytes) = (0, 0);
    let mut left = vec![PathBuf::new()];
    while let Some(path) = left.pop() {
        let folder = if path.as_os_str().is_empty() { run.folder(".") } else { run.folder(&path) }?;
        folder.list(&mut |entry| {
            let stat = folder.stat(entry.name)?;
            items += u64::from(path == Path::new(ITEMS));
            bytes += stat.blocks_512.saturating_mul(512);
            if stat.kind == FileKind::Folder {
                left.push(path.join(entry.name));
            }
            Ok(())
        })?;
    }
    Ok((items, bytes))
}

/// Deletes the run `id` for good.
///
/// # Errors
/// There is no such run, or something of it could not be deleted: what is left goes with the next try.
pub fn purge(disk: Disk<'_>, id: &str) -> io::Result<()> {
    let runs = disk.dir(Path::new(RUNS))?;
    let mut queue = VecDeque::from([OsString::from(id)]);
    let mut next = 0_u64;
    // A folder that is not empty first gives its folders to the top: no depth that a hostile tree chooses.
    while let Some(name) = queue.pop_front() {
        let dir = runs.dir(Path::new(&name))?;
        for (child, kind) in names(&dir)? {
            if kind != FileKind::Folder {
                dir.remove_file(&child)?;
            } else if dir.remove_dir(&child).is_err() {
                let to = loop {
                    next += 1;
                    let to = OsString::from(format!("{id}.purge-{next}"));
                    match dir.rename(&child, &runs, &to) {
                        Err(error) if error.raw_os_error() == Some(Errno::EXIST.raw_os_error()) => {}
                        other => break other.map(|()| to)?,
                    }
                };
                queue.push_back(to);
            }
        }
        runs.remove_dir(&name)?;
    }
    runs.sync()
}

fn names(dir: &Dir<'_>) -> io::Result<Vec<(OsString, FileKind)>> {
    let mut names = Vec::new();
    dir.folder().list(&mut |entry| {
        let kind = dir.folder().stat(entry.name)?.kind;
        names.push((OsStr::to_owned(entry.name), kind));
        Ok(())
    })?;
    Ok(names)
}

/// Deletes what `retention` does not keep; returns what went.
///
/// # Errors
/// As [`runs`] and [`purge`].
pub fn retain(disk: Disk<'_>, retention: Retention) -> io::Result<Vec<KeptRun>> {
    let all = runs(disk.root())?;
    let now = Timestamp::now().seconds;
    let mut size_bytes: u64 = all.iter().map(|run| run.size_bytes).sum();
    let mut gone = Vec::new();
    for run in all {
        let age = Timestamp::parse(&run.began).map(|began| now.saturating_sub(began.seconds));
        let too_old = age.is_none_or(|age| age > retention.age_seconds);
        if too_old || size_bytes > retention.size_bytes {
            purge(disk, &run.id)?;
            size_bytes = size_bytes.saturating_sub(run.size_bytes);
            gone.push(run);
        }
    }
    Ok(gone)
}
