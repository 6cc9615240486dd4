//! Stores of a size that no node should have: how much memory a check of them takes at most, with 256 open files.
//!
//! Each is checked in a process of its own, which is this test again. Below 128 MiB is what is promised of all; the limits
//! are what they take, and a third more. The largest makes half a million files, and is not run unless asked for:
//! `cargo test -p verifier-core --test scale -- --ignored`.

#![expect(clippy::unwrap_used, reason = "a test ends where its own footing fails")]

use std::path::Path;
use std::process::Command;

use testdata::builder::Scale;
use verifier_core::event::{Interrupt, Unobserved};
use verifier_core::report::Depth;
use verifier_core::{CheckOptions, Store, check};

/// Names the store to the process that checks it.
const ROOT: &str = "VERIFIER_SCALE_ROOT";

/// Checks a store at every depth, and returns the most memory that it took, in KiB.
fn peak_kib(root: &Path) -> u64 {
    for depth in [Depth::Quick, Depth::Blobs, Depth::Full] {
        let store = Store::open(root).unwrap();
        let options = CheckOptions::default().depth(depth);
        let report = check(&store, &options, &Unobserved, &Interrupt::default()).unwrap();
        assert_eq!(report.findings, [], "{depth:?}");
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The store is built here and checked in a child, `test` by name.
fn takes_less_than(mib: u64, scale: Scale, test: &str) {
    if let Some(root) = std::env::var_os(ROOT) {
        println!("peak {} KiB", peak_kib(Path::new(&root)));
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    scale.build(scale.rows()).unwrap().write(&root).unwrap();
    // A quarter of the open files that most processes may have.
    let mut child = Command::new("sh");
    child.args(["-c", "ulimit -n 256 && exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--include-ignored", "--nocapture"]).env(ROOT, &root);
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let peak = text.split_once("peak ").unwrap().1.split(' ').next().unwrap();
    let peak_mib = peak.parse::<u64>().unwrap() / 1024;
    eprintln!("{}: {peak_mib} MiB", scale.name());
    assert!(peak_mib < mib, "{}: {peak_mib} MiB", scale.name());
}

#[test]
fn an_ordinary_node() {
    takes_less_than(24, Scale::Node, "an_ordinary_node");
}

#[test]
fn a_manifest_with_500_layers() {
    takes_less_than(24, Scale::Layers, "a_manifest_with_500_layers");
}

#[test]
fn a_hundred_thousand_blobs() {
    takes_less_than(88, Scale::Blobs, "a_hundred_thousand_blobs");
}

#[test]
fn twenty_thousand_snapshots() {
    takes_less_than(100, Scale::Snapshots, "twenty_thousand_snapshots");
}

#[test]
fn a_meta_db_of_200_mb() {
    takes_less_than(64, Scale::MetaDb, "a_meta_db_of_200_mb");
}

#[test]
#[ignore = "500,000 files"]
fn a_layer_with_half_a_million_entries() {
    takes_less_than(128, Scale::Entries, "a_layer_with_half_a_million_entries");
}
