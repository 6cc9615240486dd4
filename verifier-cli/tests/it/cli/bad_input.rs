//! Roots that are none, or that may not be read.

use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::support::{as_nobody, check, finish, fsck, open_folder, store};
use testdata::golden;

#[test]
fn what_is_no_root_is_a_mistake_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("x"), "").unwrap();
    for (path, why) in [
        (folder.path().join("missing"), "no such folder"),
        (folder.path().join("missing\n/x"), "no such folder"),
        (file.join("below"), "not a folder"),
        (file, "not a folder"),
        (other, "not a containerd root"),
    ] {
        for format in ["human", "json"] {
            let ran = check(&path, &["--format", format]);
            assert_eq!(ran.status, 16, "{ran:?}");
            let shown = path.to_str().unwrap().replace('\n', "\\n");
            let line = ran.complaint();
            assert!(line.starts_with(&format!("{shown}: ")) && line.contains(why), "{line}");
        }
    }
}

#[test]
fn a_root_that_may_not_be_opened_is_incomplete() {
    let folder = open_folder();
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::set_permissions(&root, Permissions::from_mode(0o000)).unwrap();
    let (_program, mut nobody) = as_nobody();
    let ran = finish(nobody.args(["check", "--root"]).arg(&root));
    assert_eq!(ran.status, 8, "{ran:?}");
    let line = ran.complaint();
    assert!(line.contains(root.to_str().unwrap()) && line.contains("permission denied"), "{line}");
    fs::set_permissions(&root, Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_part_that_may_not_be_read_is_named_and_incomplete() {
    let folder = open_folder();
    golden::unpack("2.1", folder.path()).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let content = folder.path().join("io.containerd.content.v1.content");
    fs::set_permissions(&content, Permissions::from_mode(0o000)).unwrap();
    let (_program, mut nobody) = as_nobody();
    let ran = finish(nobody.args(["check", "--format", "json", "--root"]).arg(folder.path()));
    fs::set_permissions(&content, Permissions::from_mode(0o700)).unwrap();
    let report = ran.report();
    assert_eq!(ran.status & 8, 8, "{report:#}");
    assert_eq!(report["complete"], false);
    let reasons = report["coverage"]["unverified"].as_array().unwrap();
    assert!(reasons.iter().any(|one| one["reason"]["code"] == "permission-denied"), "{report:#}");
}

#[test]
fn a_root_by_any_name_is_shown_safely() {
    let folder = tempfile::tempdir().unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"odd\n\xff\x1b[31m");
    let root = folder.path().join(odd);
    golden::unpack("1.6", &root).unwrap();
    let human = check(&root, &[]);
    assert_eq!(human.status, 0);
    assert!(human.stdout.contains("/odd\\n\\xff\\u{1b}[31m: containerd stopped"), "{}", human.stdout);
    let json = check(&root, &["--format", "json"]);
    assert!(json.report()["root"].as_str().unwrap().ends_with("/odd\n\u{fffd}\u{1b}[31m"));
}

#[test]
fn an_empty_store_is_clean() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("io.containerd.content.v1.content")).unwrap();
    let ran = check(folder.path(), &["--strict"]);
    assert_eq!(ran.status, 0, "{ran:?}");
}

#[test]
fn a_store_is_unchanged_by_its_check() {
    let root = store();
    let meta = |path: &std::path::Path| {
        use std::os::unix::fs::MetadataExt as _;
        let meta = path.metadata().unwrap();
        (meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec(), meta.len(), meta.mode())
    };
    let paths = super::support::blobs(root.path());
    let before: Vec<_> = paths.iter().map(|path| meta(path)).collect();
    assert_eq!(check(root.path(), &[]).status, 0);
    assert_eq!(before, paths.iter().map(|path| meta(path)).collect::<Vec<_>>());
}

#[test]
#[ignore = "needs root: a mount namespace"]
fn without_proc_nothing_is_called_clean() {
    let root = store();
    let in_a_namespace = |program: &str, args: &[&str]| {
        let script = "umount -l /proc && exec \"$@\"";
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "sh", "-c", script, "sh", program]).args(args).output()
    };
    let root = root.path().to_str().unwrap();
    let output = in_a_namespace(env!("CARGO_BIN_EXE_containerd-fsck"), &["check", "--root", root]).unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(8), "{stdout}");
    assert!(stdout.contains("is /proc mounted?") && stdout.contains("INCOMPLETE"), "{stdout}");
}

/// A part that lies behind a link is read by containerd, and not here.
#[test]
fn a_repair_that_could_not_look_at_all_says_so() {
    let (root, elsewhere) = (store(), tempfile::tempdir().unwrap());
    let ingest = root.path().join("io.containerd.content.v1.content/ingest");
    fs::rename(&ingest, elsewhere.path().join("ingest")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path().join("ingest"), &ingest).unwrap();
    let ran = fsck(&["repair", "--root", root.path().to_str().unwrap()]);
    assert_eq!(ran.status, 8, "{ran:?}");
    assert!(ran.stdout.contains("INCOMPLETE") && !ran.stdout.contains("CLEAN"), "{ran:?}");
    assert!(ran.stdout.contains("ingest: a symbolic link leads to it"), "{ran:?}");
}

#[test]
fn of_what_is_no_root_there_is_no_status_and_nothing_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let (missing, empty) = (folder.path().join("missing"), folder.path().join("empty"));
    fs::create_dir(&empty).unwrap();
    for (command, root) in [("status", &missing), ("sweep", &missing), ("sweep", &empty)] {
        let (root, state) = (root.to_str().unwrap(), state.to_str().unwrap());
        let ran = fsck(&[command, "--root", root, "--state-dir", state]);
        assert_eq!(ran.status, 16, "{ran:?}");
        ran.complaint();
    }
    assert!(!state.exists());
    let root = store();
    let ran =
        fsck(&["status", "--root", root.path().to_str().unwrap(), "--state-dir", state.to_str().unwrap()]);
    assert_eq!(ran.status, 8, "{ran:?}");
    assert!(ran.stdout.contains("No sweep has ended yet") && !ran.stdout.contains('%'), "{ran:?}");
}

/// It may lead to a disk that is not mounted.
#[test]
fn a_link_to_nothing_in_a_databases_place_is_left() {
    for database in
        ["io.containerd.metadata.v1.bolt/meta.db", "io.containerd.snapshotter.v1.overlayfs/metadata.db"]
    {
        let root = store();
        let path = root.path().join(database);
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/absent/database", &path).unwrap();
        let ran = fsck(&["repair", "--yes", "--root", root.path().to_str().unwrap()]);
        assert!(path.symlink_metadata().unwrap().is_symlink(), "{ran:?}");
        assert!(!ran.stdout.contains("rebuild") && ![0, 1].contains(&ran.status), "{ran:?}");
    }
}
