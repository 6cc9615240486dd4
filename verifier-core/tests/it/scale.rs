//! Stores of a size that no node should have: how much memory a check of them takes at most, with 256 open files.
//!
//! Each is checked in a process of its own, which is this test again. Below 128 MiB is what is promised of all; the limits
//! are what they take, and a third more. The largest makes half a million files, and is not run unless asked for:
//! `cargo test -p verifier-core --test it scale:: -- --ignored`.

use std::path::Path;
use std::process::Command;

use crate::alone::peak_kib;
use testdata::builder::{Hostile, Scale, StoreBuilder};
use verifier_core::Interrupt;
use verifier_core::event::Unobserved;
use verifier_core::finding::Depth;
use verifier_core::{CheckOptions, Store, check};

/// Names the store to the process that checks it.
const ROOT: &str = "VERIFIER_SCALE_ROOT";

/// Checks a store at each of `depths`, with so many findings, and returns the most memory that it took, in KiB.
fn peak_kib_of(root: &Path, depths: &[Depth], findings: usize) -> u64 {
    for &depth in depths {
        let store = Store::open(root).unwrap();
        let options = CheckOptions::default().depth(depth);
        let report = check(&store, &options, &Unobserved, &Interrupt::default()).unwrap();
        assert_eq!(report.findings.len(), findings, "{depth:?}: {:?}", report.findings.first());
    }
    peak_kib()
}

/// A store, and what comes of checking it.
struct Case {
    name: &'static str,
    build: Box<dyn Fn() -> StoreBuilder>,
    depths: &'static [Depth],
    findings: usize,
}

/// The store is built here and checked in a child, `test` by name. Returns the MiB that it took, if this is not the child.
fn measure(case: &Case, test: &str) -> Option<u64> {
    if let Some(root) = std::env::var_os(ROOT) {
        println!("peak {} KiB", peak_kib_of(Path::new(&root), case.depths, case.findings));
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    (case.build)().write(&root).unwrap();
    // A quarter of the open files that most processes may have.
    let mut child = Command::new("sh");
    child.args(["-c", "ulimit -n 256 && exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--include-ignored", "--nocapture"]).env(ROOT, &root);
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let peak = text.split_once("peak ").unwrap().1.split(' ').next().unwrap();
    let peak_mib = peak.parse::<u64>().unwrap() / 1024;
    eprintln!("{}: {peak_mib} MiB", case.name);
    Some(peak_mib)
}

fn takes_less_than(mib: u64, scale: Scale, test: &str) {
    let build = Box::new(move || scale.build(scale.rows()).unwrap());
    let depths = &[Depth::Quick, Depth::Blobs, Depth::Full];
    let case = Case { name: scale.name(), build, depths, findings: 0 };
    assert!(measure(&case, test).is_none_or(|peak_mib| peak_mib < mib), "{}", scale.name());
}

/// With 5,000 layers.
fn hostile_takes_less_than(mib: u64, hostile: Hostile, findings: usize, test: &str) {
    let build = Box::new(move || hostile.build(5000).unwrap());
    let case = Case { name: hostile.name(), build, depths: &[Depth::Quick, Depth::Blobs], findings };
    assert!(measure(&case, test).is_none_or(|peak_mib| peak_mib < mib), "{}", hostile.name());
}

#[test]
fn an_ordinary_node() {
    takes_less_than(24, Scale::Node, "scale::an_ordinary_node");
}

#[test]
fn a_manifest_with_500_layers() {
    takes_less_than(24, Scale::Layers, "scale::a_manifest_with_500_layers");
}

#[test]
fn a_hundred_thousand_blobs() {
    takes_less_than(88, Scale::Blobs, "scale::a_hundred_thousand_blobs");
}

#[test]
fn twenty_thousand_snapshots() {
    takes_less_than(100, Scale::Snapshots, "scale::twenty_thousand_snapshots");
}

#[test]
fn a_meta_db_of_200_mb() {
    takes_less_than(64, Scale::MetaDb, "scale::a_meta_db_of_200_mb");
}

#[test]
fn copies_that_all_layers_below_made() {
    hostile_takes_less_than(24, Hostile::Copies, 0, "scale::copies_that_all_layers_below_made");
}

#[test]
#[ignore = "500,000 files"]
fn a_layer_with_half_a_million_entries() {
    takes_less_than(128, Scale::Entries, "scale::a_layer_with_half_a_million_entries");
}
