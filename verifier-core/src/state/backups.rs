//! The last consistent copies of the databases, for a rebuild.
//!
//! `backups/<database>/<seconds>-<txid>-<keys>.zst`: the pages of one transaction, from byte 0 to the high water mark, in
//! one zstd frame with a checksum. `<database>` is `meta`, or `snapshotter-<name>`; `<seconds>` since 1970, when the copy was
//! made; `<keys>` how many keys are in it. A copy is made when there is a new transaction and no fault in it, and is read
//! back and walked before it gets its name.
//!
//! The newest few are kept, and the one with the most keys: a containerd that came up on an empty database, and was swept
//! every night since, must not have pushed out the last copy that knows anything.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::state_dir::{Lock, StateDir};
use crate::bolt::{Database, OpenError, ReadAt, ViewError, consistent};
use crate::io::{Beside, Folder, open_file};
use crate::layout;

/// A copy of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Where it is.
    pub path: PathBuf,
    /// When it was made, in seconds since 1970.
    pub seconds: i64,
    /// The transaction it is of.
    pub txid: u64,
    /// How many keys are in it.
    pub keys: u64,
    /// What the file takes, compressed.
    pub bytes: u64,
}

/// How much is kept of each database.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// Copies, the one with the most keys not counted.
    pub copies: usize,
    /// Bytes of all of them; the newest is kept whatever it takes.
    pub bytes: u64,
}

impl Default for Keep {
    fn default() -> Self {
        Keep { copies: 5, bytes: 512 << 20 }
    }
}

/// Why no copy was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The database has faults; what is kept is better.
    #[error("the database is damaged")]
    Damaged,
    /// There is no consistent view.
    #[error(transparent)]
    View(#[from] ViewError),
    /// What was written is not what is read back.
    #[error("the copy does not read back")]
    NotVerified,
    /// The system says otherwise.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// No database that containerd could open is larger than this; more would only come out of a bomb.
const LIMIT_BYTES: u64 = 4 << 30;
const LEVEL: i32 = 3;

/// The name that the database at `path`, below the root, has among the backups.
#[must_use]
pub fn database_name(path: &Path) -> Option<String> {
    if path == Path::new(layout::META_DB) {
        return Some("meta".into());
    }
    layout::snapshotter_of_database(path).map(|snapshotter| format!("snapshotter-{snapshotter}"))
}

/// The copies of `database` that `state` keeps, the newest first.
#[must_use]
pub fn list(state: &StateDir, database: &str) -> Vec<Backup> {
    let Ok(entries) = fs::read_dir(folder(state, database)) else { return Vec::new() };
    let mut backups: Vec<Backup> = entries.flatten().filter_map(|entry| parse(&entry.path())).collect();
    backups.sort_by_key(|backup| std::cmp::Reverse((backup.seconds, backup.txid)));
    backups
}

/// The databases that `state` keeps copies of.
#[must_use]
pub fn databases(state: &StateDir) -> Vec<String> {
    let Ok(entries) = fs::read_dir(state.folder().join("backups")) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// The bytes of the database that `backup` is a copy of.
///
/// # Errors
/// What the system says, and [`io::ErrorKind::InvalidData`] for what is no frame of zstd or is not what was written.
pub fn open(backup: &Backup) -> io::Result<Vec<u8>> {
    decompress(&open_file(&backup.path, OFlags::RDONLY)?)
}

fn decompress(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut source = zstd::stream::read::Decoder::new(file)?.take(LIMIT_BYTES);
    source.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Copies the database at `path` below `root` if there is no copy of its last transaction yet; returns the new copy.
///
/// # Errors
/// [`BackupError`]; what is kept stays then.
pub fn keep(
    state: &StateDir,
    lock: &Lock,
    root: &Folder,
    path: &Path,
    seconds: i64,
    keep: Keep,
) -> Result<Option<Backup>, BackupError> {
    let _ = lock;
    let Some(database) = database_name(path) else { return Ok(None) };
    let file = root.file(path)?;
    let known = list(state, &database);
    let newest = known.first().map(|backup| backup.txid);
    if Database::open(&file).is_ok_and(|db| Some(db.meta().txid) == newest) {
        return Ok(None);
    }
    let folder = folder(state, &database);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    // Under a name of its own until it has been read back; the numbers of the name come out of the writing.
    let beside = Beside::begin(&folder.join(format!("{seconds}.zst")), 0o600)?;
    let (txid, keys) = write(&file, beside.file())?;
    let path = folder.join(format!("{seconds}-{txid}-{keys}.zst"));
    let bytes = beside.file().metadata()?.len();
    let made = Backup { path, seconds, txid, keys, bytes };
    verify(&made, beside.file())?;
    beside.place_as(&made.path)?;
    for old in superfluous(list(state, &database), keep) {
        let _ = fs::remove_file(&old.path);
    }
    Ok(Some(made))
}

/// Writes one transaction's pages; returns its txid and how many keys it has.
fn write(source: &dyn ReadAt, mut to: &File) -> Result<(u64, u64), BackupError> {
    let written = consistent(source, 20, |db| {
        let walk = db.walk(&mut ());
        if !walk.faults.is_empty() || !walk.complete {
            return Err(BackupError::Damaged);
        }
        // A view that did not hold is followed by another.
        to.set_len(0)?;
        to.rewind()?;
        let mut to = zstd::stream::write::Encoder::new(to, LEVEL)?;
        to.include_checksum(true)?;
        db.copy_to(&mut to)?;
        to.finish()?;
        Ok((db.meta().txid, walk.keys))
    });
    written?
}

/// Reads the copy back, and walks it.
fn verify(backup: &Backup, mut written: &File) -> Result<(), BackupError> {
    written.rewind()?;
    let bytes = decompress(written)?;
    let not_verified = |_: OpenError| BackupError::NotVerified;
    let db = Database::open(&bytes).map_err(not_verified)?;
    let walk = db.walk(&mut ());
    let is_same = walk.faults.is_empty() && walk.keys == backup.keys && db.meta().txid == backup.txid;
    if is_same { Ok(()) } else { Err(BackupError::NotVerified) }
}

/// The copies to remove, of all that there are, newest first.
fn superfluous(backups: Vec<Backup>, keep: Keep) -> Vec<Backup> {
    let richest = backups.iter().max_by_key(|backup| (backup.keys, backup.seconds)).cloned();
    let mut bytes = 0_u64;
    let mut kept = 0;
    let mut superfluous = Vec::new();
    for backup in backups {
        bytes = bytes.saturating_add(backup.bytes);
        let is_newest = kept == 0;
        if is_newest || (kept < keep.copies && bytes <= keep.bytes) || Some(&backup) == richest.as_ref() {
            kept += 1;
        } else {
            superfluous.push(backup);
        }
    }
    superfluous
}

fn folder(state: &StateDir, database: &str) -> PathBuf {
    state.folder().join("backups").join(database)
}

fn parse(path: &Path) -> Option<Backup> {
    let stat = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    let name = path.file_name()?.to_str()?.strip_suffix(".zst")?;
    let mut numbers = name.split('-');
    let (seconds, txid, keys) = (numbers.next()?, numbers.next()?, numbers.next()?);
    let (seconds, txid, keys) = (seconds.parse().ok()?, txid.parse().ok()?, keys.parse().ok()?);
    numbers.next().is_none().then(|| Backup { path: path.into(), seconds, txid, keys, bytes: stat.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Gate;
    use testdata::builder::{META_DB, sample};

    struct Bench {
        folder: tempfile::TempDir,
        state: StateDir,
        lock: Lock,
    }

    impl Bench {
        fn new() -> Bench {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().join("root");
            sample().unwrap().store.write(&root).unwrap();
            let state = StateDir::new(folder.path(), &root);
            state.make(&root).unwrap();
            let lock = state.lock("test").unwrap();
            Bench { folder, state, lock }
        }

        fn file(&self) -> PathBuf {
            self.folder.path().join("root").join(META_DB)
        }

        fn keep(&self, seconds: i64) -> Result<Option<Backup>, BackupError> {
            let root = Folder::open_root(&self.folder.path().join("root"), Gate::default()).unwrap();
            keep(
                &self.state,
                &self.lock,
                &root,
                Path::new(META_DB),
                seconds,
                Keep { copies: 2, bytes: 1 << 20 },
            )
        }
    }

    #[test]
    fn a_copy_is_the_database_and_is_made_once() {
        let bench = Bench::new();
        let made = bench.keep(5).unwrap().unwrap();
        assert_eq!(bench.keep(6).unwrap(), None);
        assert_eq!(list(&bench.state, "meta").first(), Some(&made));
        assert_eq!(databases(&bench.state), ["meta"]);
        let (copy, original) = (open(&made).unwrap(), fs::read(bench.file()).unwrap());
        assert_eq!(copy, original[..copy.len()]);
        assert!(made.keys > 100 && made.bytes < copy.len() as u64);
    }

    #[test]
    fn a_damaged_database_pushes_nothing_out() {
        let bench = Bench::new();
        let made = bench.keep(5).unwrap().unwrap();
        let mut bytes = fs::read(bench.file()).unwrap();
        let txid = bytes[64];
        bytes[4096 * 3..].fill(0);
        fs::write(bench.file(), &bytes).unwrap();
        fs::rename(
            &made.path,
            made.path.with_file_name(format!("5-{}-{}.zst", txid.wrapping_add(99), made.keys)),
        )
        .unwrap();
        assert!(matches!(bench.keep(7), Err(BackupError::Damaged)));
        assert_eq!(list(&bench.state, "meta").len(), 1);
    }

    #[test]
    fn a_copy_that_rotted_is_not_taken_for_one() {
        let bench = Bench::new();
        let made = bench.keep(5).unwrap().unwrap();
        let (whole, right) = (fs::read(&made.path).unwrap(), open(&made).unwrap());
        for at in 0..whole.len() {
            let mut rotten = whole.clone();
            rotten[at] ^= 1 << (at % 8);
            fs::write(&made.path, rotten).unwrap();
            // A bit that the format leaves unused changes nothing.
            let taken = open(&made).ok().filter(|_| verify(&made, &File::open(&made.path).unwrap()).is_ok());
            assert!(taken.is_none_or(|bytes| bytes == right), "byte {at}");
        }
        for length in 0..whole.len() {
            fs::write(&made.path, &whole[..length]).unwrap();
            assert!(verify(&made, &File::open(&made.path).unwrap()).is_err(), "{length} bytes of it");
        }
    }

    #[test]
    fn the_newest_are_kept_and_the_richest() {
        let backup = |seconds: u32, keys, bytes| Backup {
            path: seconds.to_string().into(),
            seconds: i64::from(seconds),
            txid: 1,
            keys,
            bytes,
        };
        let left = |backups: Vec<Backup>, keep| {
            let gone = superfluous(backups.clone(), keep);
            backups.into_iter().filter(|one| !gone.contains(one)).map(|one| one.seconds).collect::<Vec<_>>()
        };
        let all = || {
            (1..=9_u32).rev().map(|at| backup(at, if at == 2 { 900 } else { u64::from(at) }, 10)).collect()
        };
        assert_eq!(left(all(), Keep { copies: 3, bytes: 1000 }), [9, 8, 7, 2]);
        assert_eq!(left(all(), Keep { copies: 5, bytes: 25 }), [9, 8, 2]);
        assert_eq!(left(all(), Keep { copies: 1, bytes: 0 }), [9, 2]);
    }

    #[test]
    fn names() {
        for (path, name) in [
            (META_DB, Some("meta")),
            ("io.containerd.snapshotter.v1.overlayfs/metadata.db", Some("snapshotter-overlayfs")),
            ("x/y", None),
        ] {
            assert_eq!(database_name(Path::new(path)).as_deref(), name);
        }
    }
}
