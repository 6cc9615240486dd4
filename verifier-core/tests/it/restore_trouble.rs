//! What keeps a snapshot from being restored: a full disk, immutable files, a damaged blob, a subvolume. Nothing gets worse.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::layer_common::{self, damages::stack};
use crate::layer_common::{Snapshotter, Unpacker};
use crate::restore_common::{self, heal, is_clock, look, picture, restore_all, restore_with, tasks, unlike};
use testdata::bed::{self, Compression, FsKind, LoopFs};
use testdata::layers::{Entry, Layer};
use verifier_core::Interrupt;
use verifier_core::event::{Event, Observer, Unobserved};
use verifier_core::finding::Depth;
use verifier_core::io::{Folder, Gate, Op, errno};
use verifier_core::repair::Run;
use verifier_core::repair::disk::{Disk, StepGate};
use verifier_core::repair::restore::{Refused, RestoreError, RestoreOptions, restore};

/// Bytes that no file system makes smaller.
fn noise(len: usize) -> Vec<u8> {
    let mut number = 1_u64;
    let mut next = || {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (number >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn unpack(root: &Path, snapshotter: Snapshotter, layers: &[Vec<u8>]) -> Vec<PathBuf> {
    let bed = bed::gate();
    let newest = *bed.generations().last().unwrap();
    let mut unpacker = Unpacker::start(&bed, newest, root, snapshotter);
    let trees = unpacker.import(Compression::None, layers).unwrap();
    unpacker.containerd.stop();
    trees
}

/// Nothing may be left among the items of any run.
fn items(root: &Path) -> Vec<PathBuf> {
    let runs = std::fs::read_dir(root.join("containerd-fsck/runs")).unwrap();
    let items = runs.flat_map(|run| std::fs::read_dir(run.unwrap().path().join("items")).unwrap());
    items.map(|item| item.unwrap().path()).collect()
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn the_disk_is_full() {
    let fs = LoopFs::new(FsKind::Ext4, 96 << 20);
    let root = fs.path().join("root");
    let layer = Layer::of(&[
        Entry::file("large", noise(20 << 20)),
        Entry::file("small", b"small"),
        Entry::folder("d/"),
        Entry::file("d/other", b"other"),
    ]);
    let trees = unpack(&root, Snapshotter::Overlayfs, &[layer]);
    let before = picture(&trees[0]);
    for file in ["large", "small"] {
        std::fs::write(trees[0].join(file), "").unwrap();
    }
    std::fs::remove_dir_all(trees[0].join("d")).unwrap();
    let damaged = picture(&trees[0]);
    let junk = fs.path().join("junk");
    let free = rustix::fs::statvfs(fs.path()).unwrap();
    let bytes = usize::try_from(free.f_bavail * free.f_frsize).unwrap() - (6 << 20);
    std::fs::write(&junk, noise(bytes)).unwrap();
    fs.sync();
    let (_, outcomes) = restore_all(&root);
    let outcome = outcomes.into_iter().next().unwrap().1;
    let full = rustix::io::Errno::NOSPC.raw_os_error();
    assert!(
        matches!(&outcome, Err(RestoreError::System { source, .. }) if errno(source) == full),
        "{outcome:?}"
    );
    let unlike_damaged = unlike(&damaged, &picture(&trees[0]), &|_| false);
    assert!(unlike_damaged.is_empty(), "{}", unlike_damaged.join("\n"));
    assert_eq!(items(&root), Vec::<PathBuf>::new());
    std::fs::remove_file(&junk).unwrap();
    heal(&root, &tasks(&root), "with space");
    let unlike = unlike(&before, &picture(&trees[0]), &|path| is_clock(&before, path));
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
    assert_eq!(look(&root, Depth::Full).findings, []);
}

fn chattr(flag: &str, path: &Path) {
    bed::succeed(Command::new("chattr").arg(flag).arg(path), Duration::from_secs(9));
}

/// What is immutable is left and named; all else is restored.
#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn immutable_files_and_folders() {
    let fs = LoopFs::new(FsKind::Ext4, 1 << 30);
    let root = fs.path().join("root");
    let trees = unpack(&root, Snapshotter::Overlayfs, &stack());
    let tree = &trees[1];
    let before = picture(tree);
    for file in ["d/file", "d/other", "xattr"] {
        std::fs::write(tree.join(file), "").unwrap();
    }
    std::fs::write(tree.join("sub/sub/deep"), "").unwrap();
    std::fs::write(tree.join("sub/sub/added"), "").unwrap();
    chattr("+i", &tree.join("d/file"));
    chattr("+i", &tree.join("sub/sub"));
    let (_, outcomes) = restore_all(&root);
    let outcome = &outcomes[1].1;
    let Err(RestoreError::Left { left, .. }) = outcome else { panic!("{outcome:?}") };
    let named: Vec<&str> = left.iter().map(|left| left.path.to_str().unwrap()).collect();
    assert!(
        left.iter().all(|left| left.why == Refused::Immutable || left.path == Path::new("d")),
        "{left:?}"
    );
    for path in ["d/file", "sub/sub/deep", "sub/sub/added"] {
        assert!(named.contains(&path), "{named:?}");
    }
    assert!(!named.contains(&"d/other") && !named.contains(&"xattr"), "{named:?}");
    chattr("-i", &tree.join("d/file"));
    chattr("-i", &tree.join("sub/sub"));
    heal(&root, &tasks(&root), "no longer immutable");
    let unlike = unlike(&before, &picture(tree), &|path| is_clock(&before, path));
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
}

/// A blob that is not what its name says tells nothing.
#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn the_blob_is_damaged() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let trees = unpack(root, Snapshotter::Overlayfs, &stack());
    std::fs::write(trees[1].join("d/other"), "").unwrap();
    let damaged = picture(&trees[1]);
    let digest = tasks(root)[1].layers.get(0).unwrap().digest.to_string();
    let blob = root.join("io.containerd.content.v1.content/blobs").join(digest.replace(':', "/"));
    let mut bytes = std::fs::read(&blob).unwrap();
    // In the bytes of a file.
    let at = bytes.windows(11).position(|window| window == b"other bytes").unwrap();
    bytes[at] = b'O';
    std::fs::write(&blob, bytes).unwrap();
    let (_, outcomes) = restore_all(root);
    assert!(matches!(outcomes[1].1, Err(RestoreError::LayerDamaged { .. })), "{outcomes:?}");
    let unlike = unlike(&damaged, &picture(&trees[1]), &|_| false);
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
    assert_eq!(items(root), Vec::<PathBuf>::new());
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn btrfs_is_refused() {
    let fs = LoopFs::new(FsKind::Btrfs, 1 << 30);
    let root = fs.path().join("root");
    unpack(&root, Snapshotter::Btrfs, &stack());
    let (_, outcomes) = restore_all(&root);
    assert!(!outcomes.is_empty());
    for (_, outcome) in outcomes {
        assert!(matches!(outcome, Err(RestoreError::ReadOnlySubvolume)), "{outcome:?}");
    }
}

/// A disk of its own for the snapshots: what is made in the root cannot be renamed there.
#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn another_file_system() {
    let _bed = bed::gate();
    let (root, fs) = (tempfile::tempdir().unwrap(), LoopFs::new(FsKind::Ext4, 256 << 20));
    let point = root.path().join("io.containerd.snapshotter.v1.overlayfs");
    std::fs::create_dir(&point).unwrap();
    let bind = || {
        let mut mount = Command::new("mount");
        bed::succeed(mount.arg("--bind").arg(fs.path()).arg(&point), Duration::from_secs(9));
    };
    bind();
    let trees = unpack(root.path(), Snapshotter::Overlayfs, &stack());
    // Stopping containerd has unmounted what was below its root.
    bind();
    std::fs::write(trees[1].join("d/file"), "").unwrap();
    std::fs::remove_dir_all(trees[0].parent().unwrap()).unwrap();
    let (_, outcomes) = restore_all(root.path());
    bed::succeed(Command::new("umount").arg(&point), Duration::from_secs(9));
    for (_, outcome) in outcomes {
        assert!(matches!(outcome, Err(RestoreError::OtherFileSystem)), "{outcome:?}");
    }
}

/// Few paths a round: many rounds, and the same tree.
#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn many_rounds() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let entries: Vec<Entry> = (0..30)
        .flat_map(|at| {
            [Entry::folder(format!("d{at}/")), Entry::file(format!("d{at}/file"), format!("{at}"))]
        })
        .collect();
    let trees = unpack(root, Snapshotter::Overlayfs, &[Layer::of(&entries)]);
    let before = picture(&trees[0]);
    for at in 0..30 {
        match at % 3 {
            0 => std::fs::remove_dir_all(trees[0].join(format!("d{at}"))).unwrap(),
            1 => std::fs::write(trees[0].join(format!("d{at}/file")), "").unwrap(),
            _ => std::fs::write(trees[0].join(format!("d{at}/more")), "").unwrap(),
        }
    }
    let options = RestoreOptions::default().paths_per_round(3);
    let (_, outcomes) = restore_with(root, &tasks(root), &StepGate::default(), &options).unwrap();
    let restored = outcomes[0].1.as_ref().unwrap();
    assert!(restored.rounds > 5, "{restored:?}");
    let unlike = unlike(&before, &picture(&trees[0]), &|path| is_clock(&before, path));
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
}

/// What another security module of the host's says of a file is kept, and new ones have what their folder has.
#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn labels_of_the_host_are_kept() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let trees = unpack(root, Snapshotter::Overlayfs, &stack());
    let tree = &trees[1];
    let label = |path: &Path, value: &str| {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::lsetxattr(path, "security.selinux", value.as_bytes(), flags).unwrap();
    };
    label(root.join("io.containerd.snapshotter.v1.overlayfs/snapshots").as_path(), "snapshots");
    for path in picture(tree).keys() {
        label(&tree.join(path), &format!("of {}", path.display()));
    }
    let labels = || {
        let of = |facts: &restore_common::Facts| facts.xattrs.get(b"security.selinux".as_slice()).cloned();
        let picture = picture(tree);
        picture.iter().map(|(path, facts)| (path.clone(), of(facts))).collect::<BTreeMap<_, _>>()
    };
    let before = labels();
    std::fs::write(tree.join("d/file"), "").unwrap();
    std::fs::remove_file(tree.join("d/other")).unwrap();
    std::fs::remove_dir_all(tree.join("sub")).unwrap();
    std::fs::set_permissions(tree.join("d"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    heal(root, &tasks(root), "labelled");
    let after = labels();
    for (path, before) in &before {
        let expected = match path.to_str().unwrap() {
            // Two names of one inode; the first is made, and it is gone.
            "d/other" | "hard" => Some(b"of d".to_vec()),
            path if path.starts_with("sub") => Some(b"of ".to_vec()),
            _ => before.clone(),
        };
        assert_eq!(after[path], expected, "{}", path.display());
    }
    std::fs::remove_dir_all(tree.parent().unwrap()).unwrap();
    heal(root, &tasks(root), "labelled, as a whole");
    assert!(labels().values().all(|label| label.as_deref() == Some(b"snapshots")));
}

/// Where owners are shifted, a file that is there tells its owner; one that is missing does not.
#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn shifted_owners() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let trees = unpack(root, Snapshotter::Overlayfs, &stack());
    let tree = &trees[1];
    for path in picture(tree).keys() {
        let stat = std::fs::symlink_metadata(tree.join(path)).unwrap();
        let (uid, gid) = (Some(stat.uid() + 100_000), Some(stat.gid() + 100_000));
        lchown(tree.join(path), uid, gid).unwrap();
        if !stat.is_symlink() {
            std::fs::set_permissions(tree.join(path), stat.permissions()).unwrap();
        }
    }
    let mut tasks = tasks(root);
    tasks.iter_mut().for_each(|task| task.remapped = task.tree.ends_with("2/fs"));
    let upper = tasks.iter().find(|task| task.remapped).unwrap().clone();
    // Its capability went with the old owner.
    heal(root, &tasks, "shifted");
    let before = picture(tree);
    std::fs::write(tree.join("d/file"), "").unwrap();
    heal(root, std::slice::from_ref(&upper), "a file that is there");
    let unlike = unlike(&before, &picture(tree), &|path| is_clock(&before, path));
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
    std::fs::remove_file(tree.join("d/file")).unwrap();
    let options = RestoreOptions::default();
    let (_, outcomes) = restore_with(root, &[upper], &StepGate::default(), &options).unwrap();
    let Err(RestoreError::Left { left, .. }) = &outcomes[0].1 else { panic!("{outcomes:?}") };
    let missing = left.iter().find(|left| left.path == Path::new("d/file")).unwrap();
    assert_eq!(missing.why, Refused::OwnerUnknown);
    let rootless = RestoreOptions::default().rootless(true);
    let (_, outcomes) = restore_with(root, &tasks, &StepGate::default(), &rootless).unwrap();
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Err(RestoreError::UserNamespace))));
}

/// A root where one operation on the inode that has the name `path` now fails, as of a dying disk; the inode's number.
fn broken(root: &Path, path: &Path, op: Op) -> (Folder, u64) {
    let full = root.join(path);
    let old = std::fs::symlink_metadata(&full).unwrap().ino();
    let path = path.to_path_buf();
    let gate = Gate::new(move |asked, at| {
        let is_old = || std::fs::symlink_metadata(&full).is_ok_and(|stat| stat.ino() == old);
        match asked == op && at == path && is_old() {
            true => Err(std::io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())),
            false => Ok(()),
        }
    });
    (Folder::open_root(root, gate).unwrap(), old)
}

/// A file, and a folder, that the disk does not give back: they are made anew, and the old ones are kept.
#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn what_cannot_be_read_is_made_anew() {
    for (op, path) in [(Op::Read, "d/file"), (Op::List, "d"), (Op::List, "sub/sub"), (Op::Xattr, "d/empty")] {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let trees = unpack(root, Snapshotter::Overlayfs, &stack());
        // What has nothing odd about it is asked for its attributes while it is open.
        chattr_time(&trees[1].join("d/empty"));
        let before = picture(&trees[1]);
        let (folder, old) = broken(root, &trees[1].strip_prefix(root).unwrap().join(path), op);
        let steps = StepGate::default();
        let mut run = Run::begin(Disk::new(&folder, &steps)).unwrap();
        for task in tasks(root) {
            let restored =
                restore(&mut run, &task, &RestoreOptions::default(), &Interrupt::default(), &Unobserved);
            assert!(restored.is_ok(), "{op:?} {path}: {restored:?}");
        }
        run.end("done").unwrap();
        let unlike = unlike(&before, &picture(&trees[1]), &|path| {
            is_clock(&before, path) || path == Path::new("d/empty")
        });
        assert!(unlike.is_empty(), "{op:?} {path}\n{}", unlike.join("\n"));
        let kept = items(root).iter().any(|item| std::fs::symlink_metadata(item).unwrap().ino() == old);
        assert!(kept, "{op:?} {path}");
    }
}

fn chattr_time(path: &Path) {
    layer_common::damages::set_mtime(path.into(), 4711);
}

/// A name whose inode is lost can be neither moved nor replaced: it is named, and all else is restored.
#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn an_inode_that_is_lost() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let trees = unpack(root, Snapshotter::Overlayfs, &stack());
    let before = picture(&trees[1]);
    std::fs::write(trees[1].join("d/file"), "").unwrap();
    std::fs::write(trees[1].join("sub/sub/deep"), "").unwrap();
    let task = tasks(root).pop().unwrap();
    let (folder, _) = broken(root, &task.tree.join("d/other"), Op::Stat);
    let steps = StepGate::default();
    let mut run = Run::begin(Disk::new(&folder, &steps)).unwrap();
    let restored = restore(&mut run, &task, &RestoreOptions::default(), &Interrupt::default(), &Unobserved);
    run.end("done").unwrap();
    let Err(RestoreError::Left { left, .. }) = restored else { panic!("{restored:?}") };
    let errno = rustix::io::Errno::IO.raw_os_error();
    let lost = left.iter().find(|left| left.path == Path::new("d/other")).unwrap();
    assert_eq!(lost.why, Refused::System { errno }, "{left:?}");
    let after = picture(&trees[1]);
    for path in ["d/file", "sub/sub/deep"] {
        assert_eq!(after[Path::new(path)].content, before[Path::new(path)].content, "{path}");
    }
    heal(root, &[task], "the disk is well again");
    let unlike = unlike(&before, &picture(&trees[1]), &|path| is_clock(&before, path));
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
}

/// Stopped in the middle of the second pass: nothing has happened.
/// Asks for the end once more than so many bytes were read.
struct StopAfter {
    size_bytes: u64,
    read: AtomicU64,
    interrupt: Interrupt,
}

impl Observer for StopAfter {
    fn event(&self, event: Event) {
        if let Event::Read { bytes } = event
            && self.read.fetch_add(bytes, Ordering::Relaxed) + bytes > self.size_bytes
        {
            self.interrupt.raise();
        }
    }
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn interrupted() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let trees = unpack(root, Snapshotter::Overlayfs, &stack());
    std::fs::write(trees[1].join("d/file"), "").unwrap();
    let damaged = picture(&trees[1]);
    let task = tasks(root).pop().unwrap();
    let size_bytes = task.layers.get(0).unwrap().size_bytes;
    let folder = Folder::open_root(root, Gate::default()).unwrap();
    let steps = StepGate::default();
    let mut run = Run::begin(Disk::new(&folder, &steps)).unwrap();
    let interrupt = Interrupt::default();
    let progress = StopAfter { size_bytes, read: AtomicU64::new(0), interrupt: interrupt.clone() };
    let outcome = restore(&mut run, &task, &RestoreOptions::default(), &interrupt, &progress);
    assert!(matches!(outcome, Err(RestoreError::Interrupted)), "{outcome:?}");
    run.end("interrupted").unwrap();
    let unlike = unlike(&damaged, &picture(&trees[1]), &|_| false);
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
    assert_eq!(items(root), Vec::<PathBuf>::new());
}
