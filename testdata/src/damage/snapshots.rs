//! Damages to unpacked snapshots (F6, F7).

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::hit;
use super::kind::Damage;
use super::reach::Reach;
use super::subject::Subject;
use crate::builder::{Sample, snapshotter_folder};

const MISSING: &str = "snapshot-folder-missing";
const USAGE: &str = "snapshot-usage-differs";
const DIFFERS: &str = "snapshot-differs";

/// The lowest snapshot of `default` in overlayfs.
pub(super) fn base(sample: &Sample) -> (&str, &str) {
    ("overlayfs", sample.app.chain.first().map_or("", String::as_str))
}

/// The one above it, of [`Sample::APP`].
pub(super) fn app(sample: &Sample) -> (&str, &str) {
    ("overlayfs", sample.app.chain.get(1).map_or("", String::as_str))
}

/// The one whose layer was discarded.
pub(super) fn spare(sample: &Sample) -> (&str, &str) {
    ("overlayfs", sample.extra.chain.get(1).map_or("", String::as_str))
}

/// The highest of [`Sample::APP`], in native.
fn native(sample: &Sample) -> (&str, &str) {
    ("native", sample.app.chain.last().map_or("", String::as_str))
}

fn subject(sample: &Sample, (snapshotter, key): (&str, &str)) -> Subject {
    Subject::snapshot(sample, "default", snapshotter, key)
}

/// A snapshot's folder.
pub(super) fn folder(sample: &Sample, (snapshotter, key): (&str, &str)) -> PathBuf {
    let id = sample.store.snapshot("default", snapshotter, key).map_or(0, |snapshot| snapshot.id);
    snapshotter_folder(snapshotter).join(format!("snapshots/{id}"))
}

/// A path in the tree of an overlayfs snapshot.
fn inside(sample: &Sample, root: &Path, snapshot: (&str, &str), path: &str) -> PathBuf {
    root.join(folder(sample, snapshot)).join("fs").join(path)
}

/// A damage inside the base's tree.
macro_rules! base_tree {
    ($name:literal, $path:literal, |$file:ident| $change:expr) => {
        Damage::files(
            $name,
            |s| subject(s, base(s)),
            |s, root| {
                let $file = inside(s, root, base(s), $path);
                $change
            },
        )
        .reaching(Reach::BASE_IN_DEFAULT)
    };
}

pub(super) const TABLE: &[Damage] = &[
    // F7
    Damage::files(
        "base-folder-missing",
        |s| subject(s, base(s)),
        |s, root| fs::remove_dir_all(root.join(folder(s, base(s)))),
    )
    .always(MISSING)
    .reaching(Reach::BASE_IN_DEFAULT),
    Damage::files(
        "leaf-folder-missing",
        |s| subject(s, app_top(s)),
        |s, root| fs::remove_dir_all(root.join(folder(s, app_top(s)))),
    )
    .always(MISSING)
    .reaching(Reach::APP),
    Damage::files(
        "fs-folder-missing",
        |s| subject(s, spare(s)),
        |s, root| fs::remove_dir_all(inside(s, root, spare(s), "")),
    )
    .always(MISSING)
    .reaching(Reach::EXTRA),
    Damage::files(
        "native-folder-missing",
        |s| subject(s, native(s)),
        |s, root| fs::remove_dir_all(root.join(folder(s, native(s)))),
    )
    .always(MISSING)
    .reaching(Reach::APP_ALONE),
    Damage::files(
        "container-folder-missing",
        |s| subject(s, web(s)),
        |s, root| fs::remove_dir_all(root.join(folder(s, web(s)))),
    )
    .always(MISSING)
    .reaching(Reach::WEB),
    Damage::files(
        "folder-is-a-file",
        |s| subject(s, spare(s)),
        |s, root| {
            let folder = root.join(folder(s, spare(s)));
            fs::remove_dir_all(&folder)?;
            fs::write(folder, b"")
        },
    )
    .always(MISSING)
    .reaching(Reach::EXTRA),
    // F6: what a power cut leaves.
    Damage::files(
        "all-files-emptied",
        |s| subject(s, base(s)),
        |s, root| hit::empty_tree(&inside(s, root, base(s), "")),
    )
    .always(USAGE)
    .at_full(DIFFERS)
    .reaching(Reach::BASE_IN_DEFAULT),
    Damage::files(
        "one-file-emptied",
        |s| subject(s, app(s)),
        |s, root| hit::empty(&inside(s, root, app(s), "etc/hosts")),
    )
    .always(USAGE)
    .at_full(DIFFERS)
    .reaching(Reach::APP),
    Damage::files(
        "native-file-emptied",
        |s| subject(s, native(s)),
        |s, root| hit::empty(&root.join(folder(s, native(s))).join("opt/app")),
    )
    .always(USAGE)
    .at_full(DIFFERS)
    .reaching(Reach::APP_ALONE),
    // No layer tells what it was: depth full has no better answer.
    Damage::files(
        "file-of-discarded-layer-emptied",
        |s| subject(s, spare(s)),
        |s, root| hit::empty(&inside(s, root, spare(s), "spare/part")),
    )
    .always(USAGE)
    .reaching(Reach::EXTRA),
    Damage::files(
        "file-committed-by-hand-emptied",
        |s| subject(s, saved(s)),
        |s, root| hit::empty(&inside(s, root, saved(s), "opt/saved")),
    )
    .always(USAGE)
    .reaching(Reach::DEFAULT),
    base_tree!("file-removed", "etc/hosts", |file| fs::remove_file(file)).always(USAGE).at_full(DIFFERS),
    base_tree!("file-added", "etc/added", |file| fs::write(file, b"")).always(USAGE).at_full(DIFFERS),
    base_tree!("hard-link-parted", "bin/sh", |file| {
        let bytes = fs::read(&file)?;
        let before = fs::metadata(&file)?;
        fs::remove_file(&file)?;
        fs::write(&file, bytes)?;
        fs::set_permissions(&file, before.permissions())?;
        fs::File::open(&file)?.set_times(fs::FileTimes::new().set_modified(before.modified()?))
    })
    .always(USAGE)
    .at_full(DIFFERS),
    // F6 without a trace in the numbers.
    base_tree!("file-flipped", "bin/busybox", |file| hit::flip(&file)).at_full(DIFFERS),
    base_tree!("file-shorter", "etc/motd", |file| hit::truncate(&file)).at_full(DIFFERS),
    base_tree!("mode-changed", "etc/hosts", |file| {
        fs::set_permissions(file, fs::Permissions::from_mode(0o600))
    })
    .at_full(DIFFERS),
    base_tree!("link-to-elsewhere", "bin/ls", |file| {
        fs::remove_file(&file)?;
        symlink("elsewhere", file)
    })
    .at_full(DIFFERS),
    base_tree!("empty-file-is-a-fifo", "etc/empty", |file| hit::fifo(&file)).at_full(DIFFERS),
    base_tree!("empty-file-is-a-link", "etc/empty", |file| {
        fs::remove_file(&file)?;
        symlink("/etc/passwd", file)
    })
    .at_full(DIFFERS),
    Damage::files(
        "whiteout-is-a-file",
        |s| subject(s, app(s)),
        |s, root| {
            let whiteout = inside(s, root, app(s), "etc/motd");
            fs::remove_file(&whiteout)?;
            fs::write(whiteout, b"")
        },
    )
    .at_full(DIFFERS)
    .reaching(Reach::APP),
    Damage::files(
        "parent-is-bare",
        |s| Subject::snapshot(s, "k8s.io", "overlayfs", tool(s).1),
        |s, root| {
            let id = s.store.snapshot("k8s.io", "overlayfs", tool(s).1).map_or(0, |snapshot| snapshot.id);
            let folder = snapshotter_folder("overlayfs").join(format!("snapshots/{id}/fs/tmp"));
            fs::set_permissions(root.join(folder), fs::Permissions::from_mode(0o755))
        },
    )
    .at_full("snapshot-parents-bare")
    .reaching(Reach::TOOL),
    Damage::files(
        "native-file-flipped",
        |s| subject(s, native(s)),
        |s, root| hit::flip(&root.join(folder(s, native(s))).join("opt/app")),
    )
    .at_full(DIFFERS)
    .reaching(Reach::APP_ALONE),
];

/// The highest of [`Sample::APP`], in overlayfs.
pub(super) fn app_top(sample: &Sample) -> (&str, &str) {
    ("overlayfs", native(sample).1)
}

/// The one of [`Sample::TOOL`] above the base.
fn tool(sample: &Sample) -> (&str, &str) {
    ("overlayfs", sample.tool.chain.get(1).map_or("", String::as_str))
}

fn web(_: &Sample) -> (&str, &str) {
    ("overlayfs", Sample::WEB)
}

fn saved(_: &Sample) -> (&str, &str) {
    ("overlayfs", "saved")
}
