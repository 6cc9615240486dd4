//! A run on a folder, cut off at every step, and undone.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Change, Put, Run};
use crate::io::{Folder, Gate, Time};
use crate::repair::quarantine::disk::{Disk, StepGate};
use crate::repair::quarantine::undo;

/// Everything of a tree that a run may change: kind, bytes, mode, time.
fn picture(root: &Path) -> BTreeMap<PathBuf, (Vec<u8>, u32, i64, i64, u64)> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.join("store")];
    while let Some(path) = left.pop() {
        let stat = std::fs::symlink_metadata(&path).unwrap();
        let bytes = if stat.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            b"folder".to_vec()
        } else {
            std::fs::read(&path).unwrap()
        };
        found.insert(path, (bytes, stat.mode(), stat.mtime(), stat.mtime_nsec(), stat.ino()));
    }
    found
}

fn store() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("store/a/deep")).unwrap();
    for (path, bytes) in [("a/wrong", "wrong"), ("a/deep/extra", "extra"), ("a/mode", "mode")] {
        std::fs::write(dir.path().join("store").join(path), bytes).unwrap();
    }
    dir
}

/// A run with a step of every kind.
fn work(root: &Path, gate: &StepGate) -> io::Result<String> {
    let folder = Folder::open_root(root, Gate::default())?;
    let mut run = Run::begin(Disk::new(&folder, gate))?;
    let id = run.id().to_owned();
    run.begin_action("everything")?;
    let mut puts = Vec::new();
    for path in ["store/a/wrong", "store/a/missing", "store/a/deep/missing too"] {
        let item = run.new_item();
        let mut file = run.items().create_file(&item)?;
        file.write_all(b"right")?;
        puts.push(Put { item, path: path.into() });
    }
    run.put_all(&puts)?;
    run.take_all(&["store/a/deep/extra".into()])?;
    let mtime = Some(Time { seconds: 5, nanoseconds: 6 });
    let xattrs = vec![(b"user.fsck".to_vec(), Some(b"1".to_vec()))];
    let change = Change { mode: Some(0o4711), mtime, owner: None, xattrs };
    run.change_all(&[("store/a/mode".into(), change)])?;
    run.take_all(&["store/a/deep".into()])?;
    run.end("done")?;
    Ok(id)
}

fn undo_all(root: &Path) -> usize {
    let folder = Folder::open_root(root, Gate::default()).unwrap();
    let gate = StepGate::default();
    let runs = root.join("containerd-fsck/runs");
    let Ok(runs) = std::fs::read_dir(runs) else { return 0 };
    let mut count = 0;
    for run in runs {
        let id = run.unwrap().file_name().into_string().unwrap();
        // Cut off before its first line, there is nothing to undo; `undo` says that it cannot be read.
        if let Ok(undone) = undo(Disk::new(&folder, &gate), &id, None) {
            assert!(undone.left.is_empty(), "{:?}", undone.left);
            count += 1;
        }
    }
    count
}

#[test]
fn a_run_is_undone_to_the_last_time() {
    let dir = store();
    let before = picture(dir.path());
    let id = work(dir.path(), &StepGate::default()).unwrap();
    let after = picture(dir.path());
    assert_eq!(after[&dir.path().join("store/a/wrong")].0, b"right");
    assert_eq!(after[&dir.path().join("store/a/mode")].1 & 0o7777, 0o4711);
    assert!(!after.contains_key(&dir.path().join("store/a/deep")));
    assert_eq!(undo_all(dir.path()), 1);
    assert_eq!(picture(dir.path()), before);
    // Once more changes nothing.
    assert_eq!(undo_all(dir.path()), 1);
    assert_eq!(picture(dir.path()), before);
    assert!(dir.path().join("containerd-fsck/runs").join(id).join("undone").exists());
}

#[test]
fn a_run_cut_off_at_any_step_is_undone() {
    let mut cut_at = 0;
    loop {
        let dir = store();
        let before = picture(dir.path());
        let steps = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&steps);
        let gate = StepGate::new(move |_, _| match count.fetch_add(1, Ordering::Relaxed) {
            step if step < cut_at => Ok(()),
            _ => Err(io::ErrorKind::Interrupted.into()),
        });
        let done = work(dir.path(), &gate).is_ok();
        undo_all(dir.path());
        assert_eq!(picture(dir.path()), before, "cut off at step {cut_at}");
        if done {
            break;
        }
        cut_at += 1;
    }
    assert!(cut_at > 30, "only {cut_at} steps");
}

#[test]
fn what_changed_since_is_left_alone() {
    let dir = store();
    work(dir.path(), &StepGate::default()).unwrap();
    let path = dir.path().join("store/a/wrong");
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "newer").unwrap();
    std::fs::create_dir(dir.path().join("store/a/deep")).unwrap();
    let folder = Folder::open_root(dir.path(), Gate::default()).unwrap();
    let id = std::fs::read_dir(dir.path().join("containerd-fsck/runs")).unwrap().next().unwrap();
    let id = id.unwrap().file_name().into_string().unwrap();
    let undone = undo(Disk::new(&folder, &StepGate::default()), &id, None).unwrap();
    assert!(undone.left.len() >= 2, "{:?}", undone.left);
    assert_eq!(std::fs::read(&path).unwrap(), b"newer");
}

#[test]
fn nothing_leads_out() {
    let dir = store();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("file"), "outside").unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("store/link")).unwrap();
    let folder = Folder::open_root(dir.path(), Gate::default()).unwrap();
    let gate = StepGate::default();
    let mut run = Run::begin(Disk::new(&folder, &gate)).unwrap();
    assert!(run.take_all(&["store/link/file".into()]).is_err());
    assert!(run.take_all(&["store/../../file".into()]).is_err());
    let change = Change { mode: Some(0o777), ..Change::default() };
    assert!(run.change_all(&[("store/link".into(), change)]).is_err());
    let disk = Disk::new(&folder, &gate);
    for name in ["..", ".", "", "a/b"] {
        assert!(disk.dir(Path::new("store")).unwrap().remove_file(OsStr::new(name)).is_err(), "{name}");
    }
    assert_eq!(std::fs::read(outside.path().join("file")).unwrap(), b"outside");
    assert_ne!(std::fs::metadata(outside.path()).unwrap().permissions().mode() & 0o777, 0o777);
}
