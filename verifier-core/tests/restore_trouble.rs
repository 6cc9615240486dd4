//! What keeps a snapshot from being restored: a full disk, immutable files, a damaged blob, a subvolume. Nothing gets worse.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

mod layer_common;
mod restore_common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use layer_common::damages::stack;
use layer_common::{Snapshotter, Unpacker};
use restore_common::{heal, is_clock, look, picture, restore_all, restore_with, tasks, unlike};
use testdata::bed::{self, Compression, FsKind, LoopFs};
use testdata::layers::{Entry, Layer};
use verifier_core::io::errno;
use verifier_core::repair::disk::StepGate;
use verifier_core::repair::restore::{Refused, RestoreError, RestoreOptions};
use verifier_core::report::Depth;

/// Bytes that no file system makes smaller.
fn noise(len: usize) -> Vec<u8> {
    let mut number = 1_u64;
    let mut next = || {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (number >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn unpack(root: &Path, snapshotter: Snapshotter, layers: &[Vec<u8>]) -> Option<Vec<PathBuf>> {
    let bed = bed::gate()?;
    let newest = *bed.generations().last().unwrap();
    let mut unpacker = Unpacker::start(&bed, newest, root, snapshotter);
    let trees = unpacker.import(Compression::None, layers).unwrap();
    unpacker.containerd.stop();
    Some(trees)
}

/// Nothing may be left among the items of any run.
fn items(root: &Path) -> Vec<PathBuf> {
    let runs = std::fs::read_dir(root.join("containerd-fsck/runs")).unwrap();
    let items = runs.flat_map(|run| std::fs::read_dir(run.unwrap().path().join("items")).unwrap());
    items.map(|item| item.unwrap().path()).collect()
}

#[test]
fn the_disk_is_full() {
    let fs = LoopFs::new(FsKind::Ext4, 96 << 20);
    let root = fs.path().join("root");
    let layer = Layer::of(&[
        Entry::file("large", noise(20 << 20)),
        Entry::file("small", b"small"),
        Entry::folder("d/"),
        Entry::file("d/other", b"other"),
    ]);
    let Some(trees) = unpack(&root, Snapshotter::Overlayfs, &[layer]) else { return };
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
fn immutable_files_and_folders() {
    let fs = LoopFs::new(FsKind::Ext4, 1 << 30);
    let root = fs.path().join("root");
    let Some(trees) = unpack(&root, Snapshotter::Overlayfs, &stack()) else { return };
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
fn the_blob_is_damaged() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let Some(trees) = unpack(root, Snapshotter::Overlayfs, &stack()) else { return };
    std::fs::write(trees[1].join("d/other"), "").unwrap();
    let damaged = picture(&trees[1]);
    let digest = tasks(root)[1].layers[0].digest.to_string();
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
fn btrfs_is_refused() {
    let fs = LoopFs::new(FsKind::Btrfs, 1 << 30);
    let root = fs.path().join("root");
    let Some(_) = unpack(&root, Snapshotter::Btrfs, &stack()) else { return };
    let (_, outcomes) = restore_all(&root);
    assert!(!outcomes.is_empty());
    for (_, outcome) in outcomes {
        assert!(matches!(outcome, Err(RestoreError::ReadOnlySubvolume)), "{outcome:?}");
    }
}

/// Few paths a round: many rounds, and the same tree.
#[test]
fn many_rounds() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let entries: Vec<Entry> = (0..30)
        .flat_map(|at| {
            [Entry::folder(format!("d{at}/")), Entry::file(format!("d{at}/file"), format!("{at}"))]
        })
        .collect();
    let Some(trees) = unpack(root, Snapshotter::Overlayfs, &[Layer::of(&entries)]) else { return };
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
