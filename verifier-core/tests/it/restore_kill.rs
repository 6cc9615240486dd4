//! A restore that is cut off at every step: the tree is never worse than before, nothing is lost, the run can be undone, and
//! restoring again finishes.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::layer_common::damages::{set_mtime, stack};
use crate::layer_common::{Snapshotter, Unpacker};
use crate::restore_common::{Facts, heal, is_clock, look, picture, restore_with, tasks, undo_run, unlike};
use testdata::bed::{self, Compression, FsKind, LoopFs};
use verifier_core::finding::Depth;
use verifier_core::finding::FindingKind;
use verifier_core::repair::disk::StepGate;
use verifier_core::repair::restore::RestoreOptions;

/// Some of everything, in the upper tree.
fn damage(tree: &Path) {
    let file = |path: &str| std::fs::File::options().write(true).open(tree.join(path)).unwrap();
    file("d/file").set_len(0).unwrap();
    std::fs::copy(tree.join("hard"), tree.join("copy")).unwrap();
    std::fs::rename(tree.join("copy"), tree.join("hard")).unwrap();
    rustix::fs::removexattr(tree.join("xattr"), "security.capability").unwrap();
    std::fs::remove_dir_all(tree.join("sub")).unwrap();
    std::fs::write(tree.join("d/new"), "new").unwrap();
    std::fs::create_dir_all(tree.join("new/er")).unwrap();
    std::fs::write(tree.join("new/er/file"), "newer").unwrap();
    std::fs::remove_file(tree.join("link")).unwrap();
    symlink("elsewhere", tree.join("link")).unwrap();
    std::fs::remove_file(tree.join("gone")).unwrap();
    std::fs::write(tree.join("gone"), "back").unwrap();
    rustix::fs::removexattr(tree.join("opaque"), "trusted.overlay.opaque").unwrap();
    chown(tree.join("d/empty"), Some(7), Some(8)).unwrap();
    std::fs::set_permissions(tree.join("d"), std::fs::Permissions::from_mode(0o700)).unwrap();
    set_mtime(tree.join("fifo"), 77);
}

type Trees = BTreeMap<PathBuf, BTreeMap<PathBuf, Facts>>;

fn pictures(root: &Path, trees: &[PathBuf]) -> Trees {
    trees.iter().map(|tree| (tree.clone(), picture(&root.join(tree)))).collect()
}

fn same(what: &str, before: &Trees, after: &Trees, exactly: bool) {
    for (tree, before) in before {
        let after = &after[tree];
        let unlike = unlike(before, after, &|path| !exactly && is_clock(before, path));
        assert!(unlike.is_empty(), "{what}: {}\n{}", tree.display(), unlike.join("\n"));
    }
}

/// The paths of all trees that a check says differ.
fn differing(root: &Path) -> BTreeSet<PathBuf> {
    let mut paths = BTreeSet::new();
    for finding in look(root, Depth::Full).findings {
        match finding.kind {
            FindingKind::SnapshotDiffers(damage) => {
                paths.extend(damage.differences.into_iter().map(|one| one.path));
            }
            other => panic!("{other:?}"),
        }
    }
    paths
}

fn inodes(folder: &Path) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    let mut left = vec![folder.to_path_buf()];
    while let Some(path) = left.pop() {
        for entry in std::fs::read_dir(&path).into_iter().flatten().flatten() {
            let stat = entry.metadata().unwrap();
            found.insert(stat.ino());
            if stat.is_dir() {
                left.push(entry.path());
            }
        }
    }
    found
}

fn gate(cut_at: usize) -> StepGate {
    let steps = Arc::new(AtomicUsize::new(0));
    StepGate::new(move |_, _| match steps.fetch_add(1, Ordering::Relaxed) {
        step if step < cut_at => Ok(()),
        _ => Err(std::io::ErrorKind::Interrupted.into()),
    })
}

fn copy(from: &Path, to: &Path) {
    bed::succeed(Command::new("cp").arg("-a").arg(from).arg(to), Duration::from_secs(60));
}

/// Unpacks the stack; the trees below the root.
fn unpack(root: &Path) -> Vec<PathBuf> {
    let bed = bed::gate();
    let newest = *bed.generations().last().unwrap();
    let mut unpacker = Unpacker::start(&bed, newest, root, Snapshotter::Overlayfs);
    let trees = unpacker.import(Compression::Gzip, &stack()).unwrap();
    unpacker.containerd.stop();
    trees.iter().map(|tree| tree.strip_prefix(root).unwrap().to_path_buf()).collect()
}

/// Restores with every step from `cut_at` on failing. Whether none was cut off, and the run's name if there is one.
fn cut_off(root: &Path, cut_at: usize) -> (bool, Option<String>) {
    let done = restore_with(root, &tasks(root), &gate(cut_at), &RestoreOptions::default());
    let is_done = done.is_ok_and(|(_, outcomes)| outcomes.iter().all(|(_, outcome)| outcome.is_ok()));
    let runs = std::fs::read_dir(root.join("containerd-fsck/runs")).into_iter().flatten().flatten();
    let journalled = |run: &std::fs::DirEntry| {
        std::fs::metadata(run.path().join("journal")).is_ok_and(|journal| journal.len() > 0)
    };
    let run = runs.filter(journalled).map(|run| run.file_name().into_string().unwrap()).next();
    (is_done, run)
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn cut_off_at_every_step() {
    let fs = LoopFs::new(FsKind::Ext4, 1 << 30);
    let template = fs.path().join("template");
    let trees = unpack(&template);
    let healthy = pictures(&template, &trees);
    damage(&template.join(&trees[1]));
    std::fs::write(template.join(&trees[0]).join("hidden/x"), "").unwrap();
    let damaged = pictures(&template, &trees);
    // A step may touch the folder of what it is about, and the other names of its inode.
    let mut allowed = differing(&template);
    let folders: Vec<PathBuf> = allowed.iter().filter_map(|path| Some(path.parent()?.into())).collect();
    allowed.extend(folders);
    allowed.insert("d/other".into());
    let mut cut_at = 0;
    loop {
        let root = fs.path().join(format!("root-{cut_at}"));
        copy(&template, &root);
        let before: BTreeSet<u64> = trees.iter().flat_map(|tree| inodes(&root.join(tree))).collect();
        let (is_done, run) = cut_off(&root, cut_at);
        let what = format!("cut off at step {cut_at}");
        let worse: Vec<PathBuf> = differing(&root).difference(&allowed).cloned().collect();
        assert!(worse.is_empty(), "{what}: {worse:?}");
        let lost: Vec<u64> = before.difference(&inodes(&root)).copied().collect();
        assert!(lost.is_empty(), "{what}: {} inodes are lost", lost.len());
        if let Some(run) = run.filter(|_| cut_at % 2 == 0) {
            undo_run(&root, &run);
            same(&format!("{what}, undone"), &damaged, &pictures(&root, &trees), true);
        }
        heal(&root, &tasks(&root), &what);
        same(&format!("{what}, and again"), &healthy, &pictures(&root, &trees), false);
        std::fs::remove_dir_all(&root).unwrap();
        if is_done {
            break;
        }
        cut_at += 1;
    }
    assert!(cut_at > 80, "only {cut_at} steps");
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_missing_folder_is_there_as_a_whole_or_not_at_all() {
    let fs = LoopFs::new(FsKind::Ext4, 1 << 30);
    let template = fs.path().join("template");
    let trees = unpack(&template);
    let healthy = pictures(&template, &trees);
    let id = trees[1].parent().unwrap();
    std::fs::remove_dir_all(template.join(id)).unwrap();
    let mut cut_at = 0;
    loop {
        let root = fs.path().join(format!("root-{cut_at}"));
        copy(&template, &root);
        let (is_done, run) = cut_off(&root, cut_at);
        let what = format!("cut off at step {cut_at}");
        if root.join(id).exists() {
            assert_eq!(differing(&root), BTreeSet::new(), "{what}");
        }
        if let Some(run) = run.filter(|_| cut_at % 2 == 0) {
            undo_run(&root, &run);
            assert!(!root.join(id).exists(), "{what}, undone");
        }
        heal(&root, &tasks(&root), &what);
        same(&format!("{what}, and again"), &healthy, &pictures(&root, &trees), false);
        std::fs::remove_dir_all(&root).unwrap();
        if is_done {
            break;
        }
        cut_at += 1;
    }
    assert!(cut_at > 60, "only {cut_at} steps");
}
