//! Thousands of small files are compared by several threads, some of them when later entries have already replaced them. What
//! comes of it is the same as one thread's, file after file, whatever is ready first.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use testdata::layers::{Entry, Layer};
use verifier_core::Interrupt;
use verifier_core::compare::{
    CompareOptions, LayerBlob, LayerComparison, LayerError, TreeReport, compare_layer,
};
use verifier_core::digest::Algorithm;
use verifier_core::io::{Folder, Gate, Op, Reader};
use verifier_core::layer::Flavour;

const FILES: u32 = 4000;
const TIME: u32 = 1_700_000_000;

/// A reader of files one at a time: a comparison keeps to its own thread then.
struct InTurn;

impl Reader for InTurn {
    fn opened(&self, _: &File) {}

    fn read(&self, file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        file.read_at(buf, offset)
    }
}

fn bytes(number: u32, salt: u8) -> Vec<u8> {
    let size = 1 + number.wrapping_mul(2_654_435_761) % 9000;
    (0..size).map(|at| (at.wrapping_mul(31) + number).to_le_bytes().first().unwrap() ^ salt).collect()
}

fn path(number: u32) -> String {
    format!("folder-{}/file-{number}", number / 100)
}

fn file(number: u32, salt: u8, mode: u32) -> Entry {
    Entry::file(path(number), bytes(number, salt)).mode(mode).mtime(TIME.into(), 0)
}

/// Files, some of which come again with other bytes, before or after all that follows went by; some after a hard link
/// to what was there before, which keeps it, or changes its mode and is replaced itself.
fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    for number in 0..FILES {
        entries.push(file(number, 0, 0o644));
        let link = |mode| {
            let name = format!("{}-link", path(number));
            Entry::hard_link(name, path(number)).mode(mode).mtime(TIME.into(), 0)
        };
        match number % 10 {
            1 => entries.push(file(number, 7, 0o600)),
            2 => entries.extend([link(0o644), file(number, 9, 0o644)]),
            3 => {
                let instead = Entry::file(format!("{}-link", path(number)), "instead").mode(0o644);
                entries.extend([link(0o640), instead.mtime(TIME.into(), 0)]);
            }
            _ => {}
        }
    }
    entries.extend((0..FILES).filter(|number| number % 10 == 4).map(|number| file(number, 3, 0o755)));
    entries
}

fn unpack(entries: &[Entry], tree: &Path) {
    for entry in entries {
        let place = |name: &[u8]| tree.join(std::str::from_utf8(name).unwrap());
        let to = place(&entry.name);
        let folder = to.parent().unwrap();
        if !folder.exists() {
            fs::create_dir(folder).unwrap();
            fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        }
        let _ = fs::remove_file(&to);
        match entry.link.as_slice() {
            b"" => fs::write(&to, &entry.data).unwrap(),
            link => fs::hard_link(place(link), &to).unwrap(),
        }
        fs::set_permissions(&to, Permissions::from_mode(entry.mode)).unwrap();
        set_time(&to);
    }
}

fn set_time(path: &Path) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(TIME.into());
    File::open(path).unwrap().set_modified(time).unwrap();
}

/// Does something to every 37th file; returns how many paths are wrong then.
fn damage(tree: &Path) -> u64 {
    let mut wrong = 0;
    for (count, number) in (0..FILES).step_by(37).enumerate() {
        let at = tree.join(path(number));
        wrong += 1;
        match count % 6 {
            0 => {
                let mut bytes = fs::read(&at).unwrap();
                *bytes.last_mut().unwrap() ^= 1;
                fs::write(&at, bytes).unwrap();
                set_time(&at);
            }
            1 => fs::remove_file(&at).unwrap(),
            2 => fs::set_permissions(&at, Permissions::from_mode(0o777)).unwrap(),
            3 => {
                fs::remove_file(&at).unwrap();
                symlink("/dev/null", &at).unwrap();
            }
            4 => File::options().write(true).open(&at).unwrap().set_len(0).unwrap(),
            _ => fs::write(tree.join(format!("{}-more", path(number))), "").unwrap(),
        }
    }
    wrong
}

fn compare(tar: &Vec<u8>, tree: &Path, gate: Gate, interrupt: &Interrupt) -> Result<TreeReport, LayerError> {
    let media_type = "application/vnd.oci.image.layer.v1.tar";
    let request = LayerComparison {
        layers: &[LayerBlob { blob: tar, media_type, algorithm: Algorithm::Sha256 }],
        tree: &Folder::open_root(tree, gate).unwrap(),
        flavour: Flavour::OverlayFirst,
        lowers: &[],
        options: CompareOptions::default().ignore_owners(),
    };
    compare_layer(&request, interrupt, &|_| {})
}

/// A gate that lets some wait, so that what begins later is ready first.
fn uneven() -> Gate {
    let turn = AtomicU32::new(0);
    Gate::new(move |op, _| {
        if op == Op::Open && turn.fetch_add(1, Ordering::Relaxed).is_multiple_of(50) {
            std::thread::sleep(Duration::from_millis(3));
        }
        Ok(())
    })
}

#[test]
fn several_threads_find_what_one_does() {
    let dir = tempfile::tempdir().unwrap();
    let (entries, never) = (entries(), Interrupt::default());
    let tar = Layer::of(&entries);
    unpack(&entries, dir.path());
    let in_turn = || Gate::default().reading_with(Arc::new(InTurn));
    for gate in [in_turn(), Gate::default(), uneven()] {
        let report = compare(&tar, dir.path(), gate, &never).unwrap();
        assert_eq!((report.paths, &report.differences[..]), (0, &[][..]));
    }
    let wrong = damage(dir.path());
    let expected = compare(&tar, dir.path(), in_turn(), &never).unwrap();
    // A file whose length, type or name is wrong may be another name's as well.
    assert!(expected.paths >= wrong, "{} of {wrong}", expected.paths);
    for round in 0..6 {
        let gate = if round % 2 == 0 { Gate::default() } else { uneven() };
        assert_eq!(compare(&tar, dir.path(), gate, &never).unwrap(), expected);
    }
}

#[test]
fn an_interrupt_ends_all_threads() {
    let dir = tempfile::tempdir().unwrap();
    let entries = entries();
    let tar = Layer::of(&entries);
    unpack(&entries, dir.path());
    for after in [0, 1, 100, 2000] {
        let interrupt = Interrupt::default();
        let (raise, opened) = (interrupt.clone(), AtomicU32::new(0));
        let gate = Gate::new(move |op, _| {
            if op == Op::Open && opened.fetch_add(1, Ordering::Relaxed) == after {
                raise.raise();
            }
            Ok(())
        });
        let compared = compare(&tar, dir.path(), gate, &interrupt);
        assert!(matches!(compared, Err(LayerError::Interrupted)), "after {after}");
    }
}

#[test]
fn errors_of_the_disk_are_each_files_own() {
    let dir = tempfile::tempdir().unwrap();
    let entries = entries();
    let tar = Layer::of(&entries);
    unpack(&entries, dir.path());
    let bad = |path: &Path| path.to_string_lossy().ends_with("55");
    let gate =
        Gate::new(
            move |op, path| {
                if op == Op::Read && bad(path) { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
            },
        );
    let report = compare(&tar, dir.path(), gate, &Interrupt::default()).unwrap();
    assert_eq!(report.counts.get("unreadable"), Some(&u64::from(FILES / 100)));
    assert_eq!(report.paths, u64::from(FILES / 100));
}
