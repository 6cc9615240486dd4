//! A disk that fails, a store that vanishes, and the promise to touch nothing.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustix::io::Errno;
use testdata::builder::{CONTENT, sample};
use testdata::in_parallel;
use verifier_core::Interrupt;
use verifier_core::event::Unobserved;
use verifier_core::finding::Depth;
use verifier_core::finding::{Code, Finding, FindingKind};
use verifier_core::io::{Gate, Op};
use verifier_core::report::{Outcome, Report};
use verifier_core::{CheckOptions, OpenError, Store, check};

fn written() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    sample().unwrap().store.write(folder.path()).unwrap();
    folder
}

fn look(root: &Path, depth: Depth, gate: Gate) -> Result<Report, OpenError> {
    let store = Store::open_with(root, gate)?;
    let options = CheckOptions::default().depth(depth).threads(1);
    Ok(check(&store, &options, &Unobserved, &Interrupt::default()).unwrap())
}

/// What is done to what, below the root.
type Call = (Op, PathBuf);

/// What the calls of a check on a healthy store are, in their order.
fn calls(root: &Path) -> Vec<Call> {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&calls);
    let gate = Gate::new(move |op, path| {
        log.lock().unwrap().push((op, path.to_path_buf()));
        Ok(())
    });
    look(root, Depth::Full, gate).unwrap();
    let calls = calls.lock().unwrap();
    calls.clone()
}

/// When a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// At this one time that it is made.
    Nth(usize),
    /// Every time.
    Always,
}

/// A gate at which that call fails. Calls are counted one by one: a comparison reads from several threads.
fn failing(call: &Call, when: When, errno: Errno) -> Gate {
    let (call, count) = (call.clone(), AtomicUsize::new(0));
    Gate::new(move |op, path| {
        let fails = op == call.0
            && path == call.1
            && (when == When::Always || when == When::Nth(count.fetch_add(1, Ordering::Relaxed)));
        if fails { Err(errno.into()) } else { Ok(()) }
    })
}

/// Looks at a healthy store with one call failing, in turn for each call that a look makes. No report may hold a finding
/// that is not `allowed`. Where the failure kept something that is there from being read, no report may be clean.
fn each_call_fails(errno: Errno, whens: fn(usize) -> Vec<When>, allowed: &(dyn Fn(&Finding) -> bool + Sync)) {
    let folder = written();
    let mut times: Vec<(Call, usize)> = Vec::new();
    for call in calls(folder.path()) {
        match times.iter_mut().find(|(other, _)| *other == call) {
            Some((_, times)) => *times += 1,
            None => times.push((call, 1)),
        }
    }
    assert!(times.len() > 100, "{times:?}");
    let faults = in_parallel(&times, |(call, times)| {
        let (op, path) = call;
        // What `stat` alone would tell is often told by something else.
        let needed = *op != Op::Stat && folder.path().join(path).exists();
        let fault = |when| {
            // A database is read until it holds still. A blob that was read the second time only was not looked into.
            let matters = needed && (when == When::Always || path.starts_with(CONTENT));
            // A root that cannot be opened is an error, and as loud as one.
            let report = look(folder.path(), Depth::Full, failing(call, when, errno)).ok()?;
            let clean = matters && report.outcome(true) == Outcome::Clean;
            let codes: Vec<Code> = report.findings.iter().map(Finding::code).collect();
            (clean || !report.findings.iter().all(allowed))
                .then(|| format!("{op:?} {} fails {when:?} of {times}: {codes:?}", path.display()))
        };
        whens(*times).into_iter().filter_map(fault).collect()
    });
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), times.len(), faults.join("\n"));
}

#[test]
fn a_failing_medium_is_reported_as_that() {
    let whens = |times| match times {
        1 => vec![When::Always],
        2 => vec![When::Nth(0), When::Nth(1), When::Always],
        more => vec![When::Nth(0), When::Nth(1), When::Nth(more - 1), When::Always],
    };
    each_call_fails(Errno::IO, whens, &|finding| match &finding.kind {
        FindingKind::BlobUnreadable(_) | FindingKind::PathUnreadable(_) => true,
        FindingKind::SnapshotDiffers(tree) => tree.counts.keys().eq(&["unreadable"]),
        _ => false,
    });
}

#[test]
fn what_may_not_be_read_is_never_called_damaged() {
    each_call_fails(Errno::ACCESS, |_| vec![When::Always], &|_| false);
}

#[test]
fn a_store_may_vanish_at_any_moment() {
    let count = calls(written().path()).len();
    let moments: Vec<usize> = (0..count).step_by(count.div_ceil(25)).collect();
    let faults = in_parallel(&moments, |&nth| {
        [true, false].into_iter().filter_map(|whole| fault_of_vanishing(nth, whole)).collect()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What it says is its business, as long as it says it (files that went are missing), but what is gone is not corrupt.
fn fault_of_vanishing(nth: usize, whole: bool) -> Option<String> {
    let folder = written();
    let root = folder.path().to_path_buf();
    let gone = if whole { root.clone() } else { root.join(CONTENT) };
    let count = AtomicUsize::new(0);
    let gate = Gate::new(move |_, _| {
        if count.fetch_add(1, Ordering::Relaxed) == nth { fs::remove_dir_all(&gone) } else { Ok(()) }
    });
    let report = look(&root, Depth::Full, gate).ok()?;
    let corrupt = [Code::BlobDigestMismatch, Code::BlobUnreferencedCorrupt, Code::BlobUnreadable];
    let wrong = report.findings.iter().any(|finding| corrupt.contains(&finding.code()));
    wrong.then(|| format!("{nth} whole {whole}: {:?}", report.findings))
}

/// No byte is beyond the checker's wits; and each byte of a blob counts.
#[test]
fn any_byte_may_flip() {
    let seeds: Vec<u64> = (1..=8).collect();
    let faults = in_parallel(&seeds, |&seed| {
        let folder = written();
        let files: Vec<PathBuf> = tree(folder.path())
            .into_iter()
            .filter(|path| path.symlink_metadata().unwrap().is_file())
            .collect();
        let mut next = noise(seed);
        (0..60)
            .filter_map(|_| fault_of_flip(folder.path(), &files[next() % files.len()], &mut next))
            .collect()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Flips one bit of `file`, looks, and puts it back.
fn fault_of_flip(root: &Path, file: &Path, next: &mut dyn FnMut() -> usize) -> Option<String> {
    let good = fs::read(file).unwrap();
    if good.is_empty() {
        return None;
    }
    let mut bad = good.clone();
    // The first pages of a database are denser than the rest.
    let within = if next().is_multiple_of(2) { bad.len() } else { bad.len().min(64 * 1024) };
    let (at, bit) = (next() % within, next() % 8);
    bad[at] ^= 1 << bit;
    put(file, &bad);
    let report = look(root, Depth::Full, Gate::default()).unwrap();
    put(file, &good);
    let blob = file.strip_prefix(root).unwrap().starts_with(Path::new(CONTENT).join("blobs"));
    let codes: Vec<Code> = report.findings.iter().map(Finding::code).collect();
    (blob && codes != [Code::BlobDigestMismatch])
        .then(|| format!("bit {bit} of byte {at} of {}: {codes:?}", file.display()))
}

/// Writes `bytes` to `file` and leaves its mode and times as they are.
fn put(file: &Path, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt as _;
    let before = fs::metadata(file).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(file, bytes).unwrap();
    let times = fs::FileTimes::new().set_modified(before.modified().unwrap());
    fs::File::options().write(true).open(file).unwrap().set_times(times).unwrap();
    fs::set_permissions(file, before.permissions()).unwrap();
}

/// The same numbers every time (xorshift64*).
fn noise(mut state: u64) -> impl FnMut() -> usize {
    move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        usize::try_from(state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap()
    }
}

#[test]
fn a_check_touches_nothing() {
    let folder = written();
    let paths = tree(folder.path());
    let contents = contents(&paths);
    age(&paths);
    let before = stats(&paths);
    for depth in [Depth::Quick, Depth::Blobs, Depth::Full] {
        look(folder.path(), depth, Gate::default()).unwrap();
        for (path, (is, was)) in paths.iter().zip(stats(&paths).iter().zip(&before)) {
            assert_eq!(is, was, "{} at {depth:?}", path.display());
        }
    }
    assert_eq!(tree(folder.path()), paths);
    assert!(self::contents(&paths) == contents);
}

/// Inode, mode, size, and the three times, in nanoseconds where the file system has them.
type Stat = (u64, u32, u64, [i64; 6]);

fn stats(paths: &[PathBuf]) -> Vec<Stat> {
    let stat = |path: &PathBuf| {
        let stat = fs::symlink_metadata(path).unwrap();
        // The kernel notes the reading of a link, and there is no flag against it.
        let atime = if stat.is_symlink() { [0, 0] } else { [stat.atime(), stat.atime_nsec()] };
        let times = [atime[0], atime[1], stat.mtime(), stat.mtime_nsec(), stat.ctime(), stat.ctime_nsec()];
        (stat.ino(), stat.mode(), stat.size(), times)
    };
    paths.iter().map(stat).collect()
}

fn contents(paths: &[PathBuf]) -> Vec<Option<Vec<u8>>> {
    let regular = |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|stat| stat.is_file());
    paths.iter().map(|path| regular(path).then(|| fs::read(path).unwrap())).collect()
}

/// Gives everything a time of access before its time of change: the next reading would be noted, even with `relatime`.
fn age(paths: &[PathBuf]) {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};
    for path in paths {
        let last_access = Timespec { tv_sec: 1, tv_nsec: 0 };
        let last_modification = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        let times = Timestamps { last_access, last_modification };
        utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

/// All paths at and below `root`.
fn tree(root: &Path) -> Vec<PathBuf> {
    let mut paths = vec![root.to_path_buf()];
    let mut at = 0;
    while let Some(path) = paths.get(at).cloned() {
        at += 1;
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            paths.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    paths.sort();
    paths
}
