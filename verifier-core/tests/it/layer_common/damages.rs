//! Ways in which a tree can differ.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};
use testdata::layers::{Entry, Layer};

/// A base, and a layer with one of everything.
pub(crate) fn stack() -> [Vec<u8>; 2] {
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

/// A name, what is done, and what then differs.
pub(crate) type Damage = (&'static str, fn(&Path), &'static [(&'static str, &'static str)]);

pub(crate) fn set_mtime(path: PathBuf, seconds: i64) {
    set_time(&path, (seconds, 0));
}

/// Sets when a name was changed: seconds and nanoseconds.
pub(crate) fn set_time(path: &Path, (seconds, nanoseconds): (i64, i64)) {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
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

pub(crate) const DAMAGES: &[Damage] = &[
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
