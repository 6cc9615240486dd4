//! What keeps the originals, under rot, hostile names, wrong clocks, and on other disks.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::disk::{Disk, Step, StepGate};
use super::journal::{Line, VERSION};
use super::purge::retain_at;
use super::{JournalFault, Put, Retention, Run, UndoError, lines, purge, runs, strays, undo};
use crate::io::{FileKind, Folder, Gate};
use crate::time::Timestamp;

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

fn open(root: &Path) -> Folder {
    Folder::open_root(root, Gate::default()).unwrap()
}

fn journal(root: &Path, id: &str) -> PathBuf {
    root.join("containerd-fsck/runs").join(id).join("journal")
}

/// A run that took ten files, one step each, out of `store/`.
fn ten_taken(root: &Path) -> String {
    fs::create_dir_all(root.join("store")).unwrap();
    let folder = open(root);
    let gate = StepGate::default();
    let mut run = Run::begin(Disk::new(&folder, &gate)).unwrap();
    for at in 0..10 {
        let path = PathBuf::from(format!("store/{at}"));
        fs::write(root.join(&path), format!("file {at}")).unwrap();
        run.take_all(&[path]).unwrap();
    }
    let id = run.id().to_owned();
    run.end("done").unwrap();
    id
}

fn back(root: &Path) -> Vec<u32> {
    (0..10).filter(|at| root.join(format!("store/{at}")).exists()).collect()
}

/// Begin, ten steps and the end are lines 1 to 12. A fault in one leaves what is before it, and the run, alone.
#[test]
fn a_journal_that_is_not_whole_is_undone_from_the_end_and_said() {
    type Edit = fn(&mut Vec<Vec<u8>>);
    let cases: [(&str, Edit, JournalFault, Vec<u32>); 4] = [
        ("a flipped bit", |lines| lines[4][40] ^= 1, JournalFault::Damaged { line: 5 }, (4..10).collect()),
        (
            "a line is missing",
            |lines| drop(lines.remove(4)),
            JournalFault::Damaged { line: 5 },
            (4..10).collect(),
        ),
        (
            "garbage",
            |lines| lines[4] = b"\0\0\n\xff\n".to_vec(),
            JournalFault::Damaged { line: 6 },
            (4..10).collect(),
        ),
        ("torn", |lines| lines[11].truncate(20), JournalFault::Torn, (0..10).collect()),
    ];
    for (name, edit, fault, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let id = ten_taken(root);
        let bytes = fs::read(journal(root, &id)).unwrap();
        let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(Vec::from).collect();
        assert_eq!(lines.len(), 12);
        edit(&mut lines);
        fs::write(journal(root, &id), lines.concat()).unwrap();
        let folder = open(root);
        let kept = runs(&folder).unwrap();
        assert_eq!(kept[0].journal, Some(fault.clone()), "{name}");
        let gate = StepGate::default();
        let disk = Disk::new(&folder, &gate);
        let undone = undo(disk, &id, None).unwrap();
        assert_eq!((undone.journal_fault, undone.steps), (Some(fault), expected.len() as u64), "{name}");
        assert_eq!(back(root), expected, "{name}");
        assert!(!runs(&folder).unwrap()[0].undone, "{name}: burnt");
        run_at(root, NOW);
        let retained = retain_at(disk, Retention { age_seconds: 0, size_bytes: 0 }, NOW).unwrap();
        assert!(retained.deleted.is_empty(), "{name}: deleted");
    }
}

/// As version 1 wrote them: objects, and no more.
#[test]
fn journals_of_version_1_are_read_and_those_of_a_newer_one_refused() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let id = ten_taken(root);
    let text = fs::read_to_string(journal(root, &id)).unwrap();
    let old: String = text.lines().map(|line| format!("{}\n", &line[line.find('{').unwrap()..])).collect();
    fs::write(journal(root, &id), old.replace("\"version\":2", "\"version\":1")).unwrap();
    let folder = open(root);
    assert_eq!(runs(&folder).unwrap()[0].journal, None);
    let gate = StepGate::default();
    let undone = undo(Disk::new(&folder, &gate), &id, None).unwrap();
    assert_eq!((undone.steps, undone.journal_fault), (10, None));
    assert!(undo(Disk::new(&folder, &gate), &id, None).unwrap().was_undone);

    let id = ten_taken(root);
    let mut newer = Vec::new();
    let begin = Line::Begin { version: VERSION + 1, began: String::new(), items: None };
    lines::write(&begin, 1, &mut newer).unwrap();
    fs::write(journal(root, &id), newer).unwrap();
    let refused = undo(Disk::new(&folder, &gate), &id, None).unwrap_err();
    assert!(matches!(refused, UndoError::Journal(JournalFault::Newer { version: 3 })), "{refused}");
}

#[test]
fn a_sparse_journal_is_told_and_not_read_into_memory() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let id = ten_taken(root);
    let file = fs::OpenOptions::new().write(true).open(journal(root, &id)).unwrap();
    for (length, fault) in
        [(100 << 20, JournalFault::Torn), (1 << 30, JournalFault::TooLong { size_bytes: 1 << 30 })]
    {
        file.set_len(length).unwrap();
        assert_eq!(runs(&open(root)).unwrap()[0].journal, Some(fault));
    }
    // In the midst, with lines behind it.
    file.write_all_at(b"\n", (100 << 20) - 1).unwrap();
    file.set_len(100 << 20).unwrap();
    assert_eq!(runs(&open(root)).unwrap()[0].journal, Some(JournalFault::Damaged { line: 13 }));
}

/// A part of a line that could not be written is not continued by the next one.
#[test]
fn a_line_that_could_not_be_written_leaves_the_journal_whole() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::create_dir(root.join("store")).unwrap();
    fs::write(root.join("store/one"), "1").unwrap();
    let fails = Arc::new(AtomicBool::new(false));
    let once = Arc::clone(&fails);
    // The bytes are in the file by then.
    let gate = StepGate::new(move |step, path| {
        let is_journal = step == Step::Sync && path.ends_with("journal");
        if is_journal && once.swap(false, Ordering::Relaxed) {
            Err(std::io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    });
    let folder = open(root);
    let mut run = Run::begin(Disk::new(&folder, &gate)).unwrap();
    fails.store(true, Ordering::Relaxed);
    assert!(run.take_all(&["store/one".into()]).is_err());
    assert!(root.join("store/one").exists());
    run.take_all(&["store/one".into()]).unwrap();
    run.end("incomplete").unwrap();
    assert_eq!(runs(&folder).unwrap()[0].journal, None);
}

/// A run that began so many seconds after 1970, with an item of 100 kB.
fn run_at(root: &Path, seconds: i64) -> String {
    let began = Timestamp { seconds, nanoseconds: 0 }.to_string();
    let id = began.replace(['-', ':'], "");
    let run = root.join("containerd-fsck/runs").join(&id);
    fs::create_dir_all(run.join("items")).unwrap();
    fs::write(run.join("items/1"), vec![1; 100_000]).unwrap();
    let mut bytes = Vec::new();
    lines::write(&Line::Begin { version: VERSION, began, items: None }, 1, &mut bytes).unwrap();
    fs::write(run.join("journal"), bytes).unwrap();
    id
}

fn retained(times: &[i64], retention: Retention, now: i64) -> Vec<i64> {
    let dir = tempfile::tempdir().unwrap();
    let ids: Vec<String> = times.iter().map(|seconds| run_at(dir.path(), *seconds)).collect();
    let folder = open(dir.path());
    let deleted = retain_at(Disk::new(&folder, &StepGate::default()), retention, now).unwrap().deleted;
    let deleted: Vec<String> = deleted.into_iter().map(|run| run.id).collect();
    let left: Vec<String> = runs(&folder).unwrap().into_iter().map(|run| run.id).collect();
    let is_left = |id: &String| left.contains(id);
    assert!(ids.iter().all(|id| is_left(id) != deleted.contains(id)), "{deleted:?} {left:?}");
    times.iter().zip(&ids).filter(|(_, id)| is_left(id)).map(|(seconds, _)| *seconds).collect()
}

#[test]
fn the_retention_never_deletes_on_a_doubt() {
    let (month, tiny) = (Retention::default(), Retention { size_bytes: 1, ..Retention::default() });
    let (old, older, today) = (NOW - 40 * DAY, NOW - 50 * DAY, NOW - 60);
    for (times, retention, now, left) in [
        // Too old, and too much: all but the newest go.
        (vec![older, old, today], month, NOW, vec![today]),
        (vec![NOW - 5 * DAY, NOW - 3 * DAY, today], tiny, NOW, vec![today]),
        // The last run, however old and large it is.
        (vec![old], month, NOW, vec![old]),
        (vec![older, old], Retention { age_seconds: 60 * DAY, size_bytes: 1 }, NOW, vec![old]),
        // A clock that is a month ahead makes nothing old.
        (vec![NOW - DAY, today], month, NOW + 31 * DAY, vec![NOW - DAY, today]),
        // Of less than a day, whatever it occupies.
        (vec![NOW - 3600, today], tiny, NOW, vec![NOW - 3600, today]),
        // Made before the clock was set; made by a clock that was ahead; looked at before the clock was set.
        (vec![5, today], month, NOW, vec![5, today]),
        (vec![NOW - 2 * DAY, today, NOW + 90 * DAY], month, NOW, vec![NOW - 2 * DAY, today, NOW + 90 * DAY]),
        (vec![older, old, today], tiny, 60, vec![older, old, today]),
    ] {
        assert_eq!(retained(&times, retention, now), left, "{times:?} {retention:?} {now}");
    }
}

#[test]
fn a_stray_among_the_runs_is_named_and_hides_no_run() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let id = run_at(root, NOW - 40 * DAY);
    let at = |name: &str| root.join("containerd-fsck/runs").join(name);
    fs::write(at("0-file"), "").unwrap();
    symlink("/", at("0-link")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, at("0-fifo"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    fs::create_dir(at("0-empty")).unwrap();
    let folder = open(root);
    let kept = runs(&folder).unwrap();
    assert_eq!(kept.iter().map(|run| run.id.as_str()).collect::<Vec<_>>(), ["0-empty", id.as_str()]);
    assert!(matches!(kept[0].journal, Some(JournalFault::Unreadable { .. })) && kept[1].journal.is_none());
    let found = strays(&folder).unwrap();
    let kinds: Vec<FileKind> = found.iter().map(|stray| stray.kind).collect();
    assert_eq!(kinds, [FileKind::Fifo, FileKind::File, FileKind::Symlink]);
    retain_at(Disk::new(&folder, &StepGate::default()), Retention::default(), NOW).unwrap();
    assert_eq!(strays(&folder).unwrap(), found);
}

#[test]
fn a_tree_of_any_depth_is_counted_and_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let id = ten_taken(root);
    let items = root.join("containerd-fsck/runs").join(&id).join("items");
    let mut at: std::os::fd::OwnedFd = fs::File::open(&items).unwrap().into();
    for _ in 0..3000 {
        rustix::fs::mkdirat(&at, "folder", rustix::fs::Mode::RWXU).unwrap();
        at =
            rustix::fs::openat(&at, "folder", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty()).unwrap();
    }
    rustix::fs::symlinkat("/", &at, "link").unwrap();
    let folder = open(root);
    let kept = runs(&folder).unwrap();
    assert_eq!((kept[0].items, &kept[0].journal), (11, &None));
    let gate = StepGate::default();
    let disk = Disk::new(&folder, &gate);
    undo(disk, &id, None).unwrap();
    purge(disk, &id).unwrap();
    assert!(runs(&folder).unwrap().is_empty());
    assert!(purge(disk, "nothing").is_err());
}

/// An undo that was cut off between a step and the time of its folder is finished by the next one.
#[test]
fn an_undo_after_a_failed_undo_gives_folders_their_times() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::create_dir(root.join("store")).unwrap();
    for at in 0..10 {
        fs::write(root.join(format!("store/{at}")), "").unwrap();
    }
    let time =
        |root: &Path| root.join("store").metadata().map(|stat| (stat.mtime(), stat.mtime_nsec())).unwrap();
    let before = time(root);
    let folder = open(root);
    let open_gate = StepGate::default();
    let mut run = Run::begin(Disk::new(&folder, &open_gate)).unwrap();
    let paths: Vec<PathBuf> = (0..10).map(|at| format!("store/{at}").into()).collect();
    run.take_all(&paths).unwrap();
    let id = run.id().to_owned();
    run.end("done").unwrap();
    let no_times = StepGate::new(|step, _| match step {
        Step::Times => Err(std::io::ErrorKind::PermissionDenied.into()),
        _ => Ok(()),
    });
    assert!(!undo(Disk::new(&folder, &no_times), &id, None).unwrap().left.is_empty());
    assert_ne!(time(root), before);
    let undone = undo(Disk::new(&folder, &open_gate), &id, None).unwrap();
    assert!(undone.left.is_empty() && undone.steps == 1, "{undone:?}");
    assert_eq!(time(root), before);
}

/// `cp -a` to another place: other inodes, the same names, bytes, attributes.
#[test]
fn a_run_is_undone_in_a_copy_of_its_root() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    let id = ten_taken(&root);
    for (name, bytes) in [("wrong", "\0\0\0\0\0"), ("kept", "kept")] {
        fs::write(root.join("store").join(name), bytes).unwrap();
    }
    let folder = open(&root);
    let gate = StepGate::default();
    let mut run = Run::begin(Disk::new(&folder, &gate)).unwrap();
    let item = run.new_item();
    let mut file = run.items().create_file(&item).unwrap();
    file.write_all(b"right").unwrap();
    // Of the same size and time as what it replaces.
    let stat = folder.stat("store/wrong").unwrap();
    run.items().set_mode(&item, stat.mode).unwrap();
    run.items().set_mtime(&item, stat.mtime).unwrap();
    run.put_all(&[Put { item, path: "store/wrong".into() }]).unwrap();
    let change = super::Change { mode: Some(0o600), ..super::Change::default() };
    run.change_all(&[("store/kept".into(), change)]).unwrap();
    let second = run.id().to_owned();
    run.end("done").unwrap();

    let copy = dir.path().join("copy");
    assert!(std::process::Command::new("cp").arg("-a").args([&root, &copy]).status().unwrap().success());
    // Somebody changed it since: it is theirs.
    fs::write(copy.join("containerd-fsck/runs").join(&id).join("items/3"), "another").unwrap();
    let folder = open(&copy);
    let disk = Disk::new(&folder, &gate);
    let undone = undo(disk, &second, None).unwrap();
    assert_eq!((undone.steps, undone.left.len()), (2, 0), "{undone:?}");
    assert_eq!(fs::read(copy.join("store/wrong")).unwrap(), b"\0\0\0\0\0");
    let undone = undo(disk, &id, None).unwrap();
    assert_eq!((undone.steps, undone.left.len()), (9, 1), "{undone:?}");
    assert!(disk.dir(Path::new("store")).unwrap().stat(OsStr::new("9")).unwrap().is_some());
}
