//! Blobs: healthy, flipped, missing; live and stopped; and that `check` only looks.

use std::path::Path;
use std::process::Command;

use testdata::bed::Containerd;

use super::support::{BLOBS, blobs, check, fingerprint, flip_a_bit, layers_of, on_each};

/// Two images that share their first layer, pulled into a fresh store.
fn store_with_two_images(bed: &testdata::bed::Bed, containerd: &Containerd) -> String {
    containerd.import(&bed.image("small"), "registry.test/small");
    containerd.import(&bed.image("small-b"), "registry.test/small-b");
    containerd.collect();
    let first = layers_of(&bed.image("small"))[0].clone();
    assert_eq!(first, layers_of(&bed.image("small-b"))[0], "the images of the bed share a layer");
    first
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_healthy_store_is_clean_and_one_flipped_byte_is_one_finding() {
    on_each(|bed, generation| {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        let mut containerd = Containerd::start(bed, generation, &root);
        let shared = store_with_two_images(bed, &containerd);
        for depth in ["quick", "blobs", "full"] {
            let live = check(&root, &["--depth", depth]);
            live.assert_clean("live");
            assert_eq!(live.report["mode"], "live");
        }
        flip_a_bit(&root.join(BLOBS).join(shared.strip_prefix("sha256:").unwrap()));
        let said = containerd.ctr(&["images", "check"]);
        assert!(said.matches(" complete ").count() == 2 && !said.contains("incomplete"), "{said}");
        assert_flipped(&root, &shared, "live");
        containerd.stop();
        assert_flipped(&root, &shared, "stopped");
        assert_eq!(check(&root, &["--depth", "quick"]).status, 0, "depth quick reads no layer");
    });
}

fn assert_flipped(root: &Path, digest: &str, mode: &str) {
    let found = check(root, &["--depth", "blobs"]);
    assert_eq!(found.report["mode"], mode);
    assert_eq!((found.status, found.codes()), (4, vec!["blob-digest-mismatch"]), "{:#}", found.report);
    let finding = &found.findings()[0];
    assert_eq!(finding["subject"]["digest"], digest);
    let images: Vec<&str> =
        finding["images"].as_array().unwrap().iter().map(|image| image["name"].as_str().unwrap()).collect();
    assert_eq!(images, ["registry.test/small-b:latest", "registry.test/small:latest"]);
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_blob_that_is_gone_is_one_finding_live_and_stopped() {
    on_each(|bed, generation| {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        let mut containerd = Containerd::start(bed, generation, &root);
        let shared = store_with_two_images(bed, &containerd);
        std::fs::remove_file(root.join(BLOBS).join(shared.strip_prefix("sha256:").unwrap())).unwrap();
        for depth in ["quick", "blobs"] {
            let live = check(&root, &["--depth", depth]);
            assert_eq!((live.status, live.codes()), (4, vec!["blob-missing"]), "{:#}", live.report);
        }
        containerd.stop();
        let stopped = check(&root, &["--depth", "blobs"]);
        assert_eq!((stopped.status, stopped.codes()), (4, vec!["blob-missing"]), "{:#}", stopped.report);
    });
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn check_changes_nothing_and_opens_nothing_for_writing() {
    on_each(|bed, generation| {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        let mut containerd = Containerd::start(bed, generation, &root);
        store_with_two_images(bed, &containerd);
        containerd.stop();
        assert!(blobs(&root).len() > 4);
        // The fingerprint reads the files too; what that moves, the first one has moved already.
        fingerprint(&root);
        let before = fingerprint(&root);
        check(&root, &["--depth", "full"]).assert_clean("stopped");
        let after = fingerprint(&root);
        for (path, facts) in &before {
            assert_eq!(Some(facts), after.get(path), "{} was changed", path.display());
        }
        assert_eq!(before.len(), after.len());
        assert_no_writes(&root, folder.path());
    });
}

/// strace sees every open below the root: read-only, and never creating; and nothing that changes a name.
fn assert_no_writes(root: &Path, scratch: &Path) {
    let log = scratch.join("strace.log");
    let traced = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=file,desc,flock,fcntl", "-e", "signal=none", "-o"])
        .arg(&log)
        .arg(env!("CARGO_BIN_EXE_containerd-fsck"))
        .args(["check", "--format", "json", "--root"])
        .arg(root)
        .output()
        .unwrap();
    assert_eq!(traced.status.code(), Some(0), "{}", String::from_utf8_lossy(&traced.stderr));
    let calls = std::fs::read_to_string(&log).unwrap();
    let opens = calls.lines().filter(|line| line.contains("openat2(")).count();
    assert!(opens > 20, "strace saw only {opens} opens");
    let changes = [
        "unlink",
        "rename",
        "mkdir",
        "truncate",
        "fallocate",
        "chmod",
        "chown",
        "setxattr",
        "utimens",
        "flock",
    ];
    for line in calls.lines() {
        let call = line.split_once(' ').map_or(line, |(_, call)| call.trim_start());
        let name = call.split('(').next().unwrap_or_default();
        assert!(!changes.iter().any(|change| name.contains(change)), "{line}");
        let opens = name.starts_with("open");
        assert!(
            !(opens && ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"].iter().any(|flag| call.contains(flag))),
            "{line}"
        );
    }
}
