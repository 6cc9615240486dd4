//! Each way in which a tree can differ, done to a tree that a real containerd unpacked: it causes exactly that difference.

#![expect(clippy::unwrap_used, reason = "a test")]

mod layer_common;

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use layer_common::{Snapshotter, Unpacker, compare_at, complaints, found};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};
use testdata::bed::{self, Compression};
use testdata::layers::{Entry, Layer};

/// A base, and a layer with one of everything.
fn stack() -> [Vec<u8>; 2] {
    let base = [
        Entry::folder("hidden/"),
        Entry::file("hidden/x", b"x"),
        Entry::file("gone", b"g"),
        Entry::folder("opaque/"),
    ];
    let top = [
        Entry::folder("d/").mode(0o750).mtime(1000, 0),
        Entry::file("d/file", vec![b'a'; 600_000]).mode(0o640).owner(10, 20).mtime(2000, 5),
        Entry::file("d/other", b"other bytes"),
        Entry::file("d/empty", b""),
        Entry::file("xattr", b"x")
            .xattr("user.a", b"1")
            .xattr("security.capability", b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        Entry::symlink("link", "d/file"),
        Entry::hard_link("hard", "d/other"),
        Entry::char_device("null", 1, 3),
        Entry::fifo("fifo"),
        Entry::whiteout("gone"),
        Entry::folder("opaque/"),
        Entry::opaque("opaque"),
        Entry::folder("sub/"),
        Entry::folder("sub/sub/"),
        Entry::file("sub/sub/deep", b"deep"),
    ];
    [Layer::of(&base), Layer::of(&top)]
}

type Damage = (&'static str, fn(&Path), &'static [(&'static str, &'static str)]);

fn set_mtime(path: PathBuf, seconds: i64) {
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// Does something to a file's bytes and puts its time back.
fn change(path: PathBuf, change: impl FnOnce(&std::fs::File)) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let time = file.metadata().unwrap().modified().unwrap();
    change(&file);
    file.set_modified(time).unwrap();
}

/// Does something in a folder and puts its time back.
fn within(folder: PathBuf, change: impl FnOnce(&Path)) {
    let time = std::fs::symlink_metadata(&folder).unwrap().modified().unwrap();
    change(&folder);
    std::fs::File::open(folder).unwrap().set_modified(time).unwrap();
}

fn mode(path: PathBuf, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn make(path: PathBuf, kind: FileType, device: u64) {
    rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(0o600), device).unwrap();
}

const DAMAGES: &[Damage] = &[
    ("nothing", |_| {}, &[]),
    (
        "emptied, as by a power cut",
        |tree| change(tree.join("d/file"), |file| file.set_len(0).unwrap()),
        &[("d/file", "size")],
    ),
    (
        "cut short",
        |tree| change(tree.join("d/file"), |file| file.set_len(599_999).unwrap()),
        &[("d/file", "size")],
    ),
    (
        "one byte",
        |tree| {
            change(tree.join("d/file"), |file| {
                std::os::unix::fs::FileExt::write_all_at(file, b"b", 555_555).unwrap();
            });
        },
        &[("d/file", "content")],
    ),
    (
        "zeros of the right length",
        |tree| {
            change(tree.join("d/file"), |file| {
                file.set_len(0).unwrap();
                file.set_len(600_000).unwrap();
            });
        },
        &[("d/file", "content")],
    ),
    (
        "removed",
        |tree| within(tree.join("d"), |d| std::fs::remove_file(d.join("file")).unwrap()),
        &[("d/file", "missing")],
    ),
    (
        "a folder removed",
        |tree| std::fs::remove_dir_all(tree.join("sub")).unwrap(),
        &[("sub", "missing"), ("sub/sub", "missing"), ("sub/sub/deep", "missing")],
    ),
    (
        "added",
        |tree| within(tree.join("d"), |d| std::fs::write(d.join("new"), b"n").unwrap()),
        &[("d/new", "unexpected")],
    ),
    (
        "a folder added",
        |tree| std::fs::create_dir_all(tree.join("new/er")).unwrap(),
        &[("new", "unexpected")],
    ),
    (
        "a folder instead of a file",
        |tree| {
            within(tree.join("d"), |d| {
                std::fs::remove_file(d.join("file")).unwrap();
                std::fs::create_dir(d.join("file")).unwrap();
            });
        },
        &[("d/file", "type")],
    ),
    (
        "a fifo instead of a file",
        |tree| {
            within(tree.join("d"), |d| {
                std::fs::remove_file(d.join("file")).unwrap();
                make(d.join("file"), FileType::Fifo, 0);
            });
        },
        &[("d/file", "type")],
    ),
    (
        "a link out of the tree instead of a file",
        |tree| {
            within(tree.join("d"), |d| {
                std::fs::remove_file(d.join("file")).unwrap();
                symlink("/etc/passwd", d.join("file")).unwrap();
            });
        },
        &[("d/file", "type")],
    ),
    (
        "a link out of the tree instead of a folder",
        |tree| {
            std::fs::remove_dir_all(tree.join("sub")).unwrap();
            symlink("/", tree.join("sub")).unwrap();
        },
        &[("sub", "type"), ("sub/sub", "missing"), ("sub/sub/deep", "missing")],
    ),
    ("mode", |tree| mode(tree.join("d/file"), 0o641), &[("d/file", "mode")]),
    ("a folder's mode", |tree| mode(tree.join("d"), 0o755), &[("d", "mode")]),
    ("owner", |tree| chown(tree.join("d/file"), Some(11), None).unwrap(), &[("d/file", "owner")]),
    ("group", |tree| chown(tree.join("d"), None, Some(1)).unwrap(), &[("d", "owner")]),
    ("mtime", |tree| set_mtime(tree.join("d/file"), 2001), &[("d/file", "mtime")]),
    ("a folder's mtime", |tree| set_mtime(tree.join("d"), 1001), &[("d", "mtime")]),
    ("an empty file's mtime", |tree| set_mtime(tree.join("d/empty"), 5), &[("d/empty", "mtime")]),
    (
        "link target",
        |tree| {
            std::fs::remove_file(tree.join("link")).unwrap();
            symlink("d/filf", tree.join("link")).unwrap();
            set_mtime(tree.join("link"), 1_600_000_000);
        },
        &[("link", "link-target")],
    ),
    (
        "device",
        |tree| {
            std::fs::remove_file(tree.join("null")).unwrap();
            make(tree.join("null"), FileType::CharacterDevice, rustix::fs::makedev(1, 5));
            set_mtime(tree.join("null"), 1_600_000_000);
        },
        &[("null", "device")],
    ),
    (
        "attribute changed",
        |tree| rustix::fs::setxattr(tree.join("xattr"), "user.a", b"2", XattrFlags::empty()).unwrap(),
        &[("xattr", "xattr")],
    ),
    (
        "attribute removed",
        |tree| rustix::fs::removexattr(tree.join("xattr"), "user.a").unwrap(),
        &[("xattr", "xattr")],
    ),
    (
        "attribute added",
        |tree| rustix::fs::setxattr(tree.join("d/file"), "user.new", b"2", XattrFlags::empty()).unwrap(),
        &[("d/file", "xattr")],
    ),
    (
        "capability lost",
        |tree| rustix::fs::removexattr(tree.join("xattr"), "security.capability").unwrap(),
        &[("xattr", "xattr")],
    ),
    (
        "the host's label",
        |tree| {
            rustix::fs::setxattr(tree.join("d/file"), "security.ima", b"x", XattrFlags::empty())
                .unwrap_or(());
        },
        &[],
    ),
    ("whiteout lost", |tree| std::fs::remove_file(tree.join("gone")).unwrap(), &[("gone", "whiteout")]),
    (
        "whiteout replaced",
        |tree| {
            std::fs::remove_file(tree.join("gone")).unwrap();
            std::fs::write(tree.join("gone"), b"back").unwrap();
        },
        &[("gone", "whiteout")],
    ),
    (
        "no longer opaque",
        |tree| rustix::fs::removexattr(tree.join("opaque"), "trusted.overlay.opaque").unwrap(),
        &[("opaque", "opaque")],
    ),
    (
        "suddenly opaque",
        |tree| {
            rustix::fs::setxattr(tree.join("d"), "trusted.overlay.opaque", b"y", XattrFlags::empty())
                .unwrap();
        },
        &[("d", "opaque")],
    ),
    (
        "a hard link that is a copy",
        |tree| {
            let from = tree.join("hard");
            let stat = std::fs::metadata(&from).unwrap();
            std::fs::copy(&from, tree.join("copy")).unwrap();
            std::fs::rename(tree.join("copy"), &from).unwrap();
            set_mtime(from, stat.mtime());
        },
        // Whichever of the two names the file system lists last.
        &[("*", "hard-link")],
    ),
    (
        "files that became one",
        |tree| {
            within(tree.join("d"), |d| {
                std::fs::remove_file(d.join("empty")).unwrap();
                std::fs::hard_link(tree.join("fifo"), d.join("empty")).unwrap();
            });
        },
        &[("d/empty", "type")],
    ),
];

#[test]
fn each_damage_is_one_difference() {
    let Some(bed) = bed::gate() else { return };
    let generation = *bed.generations().last().unwrap();
    let layers = stack();
    for (name, damage, expected) in DAMAGES {
        let root = tempfile::tempdir().unwrap();
        let mut unpacker = Unpacker::start(&bed, generation, root.path(), Snapshotter::Overlayfs);
        let trees = unpacker.import(Compression::Gzip, &layers).unwrap();
        complaints(Snapshotter::Overlayfs, &trees, &layers).unwrap();
        damage(&trees[1]);
        let report = compare_at(Snapshotter::Overlayfs, &trees, &layers, 1).unwrap();
        let mut seen = found(&report);
        if expected.first().is_some_and(|(path, _)| *path == "*") {
            seen.iter_mut().for_each(|(path, _)| "*".clone_into(path));
        }
        let expected: Vec<(String, &str)> =
            expected.iter().map(|(path, kind)| ((*path).to_owned(), *kind)).collect();
        assert_eq!(seen, expected, "{name}: {:#?}", report.differences);
        assert!(
            compare_at(Snapshotter::Overlayfs, &trees, &layers, 0).unwrap().is_same(),
            "{name}: the base"
        );
    }
}

/// A file system that is mounted over a file or a folder of a tree hides it: a gap, no damage, and nothing of it is read.
#[test]
fn what_is_mounted_over_is_a_gap() {
    let Some(bed) = bed::gate() else { return };
    let root = tempfile::tempdir().unwrap();
    let layers = stack();
    let mut unpacker =
        Unpacker::start(&bed, *bed.generations().last().unwrap(), root.path(), Snapshotter::Overlayfs);
    let trees = unpacker.import(Compression::Gzip, &layers).unwrap();
    let mount = trees[1].join("sub");
    let mounted = bed::LoopFs::new(bed::FsKind::Ext4, 64 << 20);
    bed::succeed(
        std::process::Command::new("mount").arg("--bind").arg(mounted.path()).arg(&mount),
        Duration::from_secs(9),
    );
    let report = compare_at(Snapshotter::Overlayfs, &trees, &layers, 1);
    bed::succeed(std::process::Command::new("umount").arg(&mount), Duration::from_secs(9));
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    assert!(report.is_same(), "{:?}", report.differences);
    assert!(report.unread.is_some());
}
