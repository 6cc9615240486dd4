//! Stores of a size that no node should have: how much memory a check of them takes at most, with 256 open files.
//!
//! Each is checked in a process of its own, which is this test again. Below 128 MiB is what is promised of all; the limits
//! are what they take, and a third more. The largest makes half a million files, and is not run unless asked for:
//! `cargo test -p verifier-core --test it scale:: -- --ignored`.

use std::path::Path;

use crate::peak::peak_mib;
use testdata::builder::{Hostile, Scale, StoreBuilder};
use verifier_core::Interrupt;
use verifier_core::event::Unobserved;
use verifier_core::finding::{Code, Depth, Finding, Severity};
use verifier_core::{CheckOptions, Store, check};

/// A store, and what comes of checking it.
struct Case {
    name: &'static str,
    build: Box<dyn Fn() -> StoreBuilder>,
    depths: &'static [Depth],
    findings: usize,
}

impl Case {
    /// The MiB that checking it at all depths takes, if this is not the child that does it.
    fn peak_mib(&self, test: &str) -> Option<u64> {
        peak_mib(test, |root| (self.build)().write(root).unwrap(), |root| self.check(root))
    }

    fn check(&self, root: &Path) {
        for &depth in self.depths {
            let store = Store::open(root).unwrap();
            let options = CheckOptions::default().depth(depth);
            let report = check(&store, &options, &Unobserved, &Interrupt::default()).unwrap();
            // What only a label keeps is told as a note, and CRI's own folders are not built.
            let is_of_it = |finding: &&Finding| {
                finding.severity() > Severity::Info && finding.code() != Code::ContainerFolderMissing
            };
            let damage: Vec<_> = report.findings.iter().filter(is_of_it).collect();
            assert_eq!(damage.len(), self.findings, "{depth:?}: {:?}", damage.first());
        }
    }
}

fn takes_less_than(mib: u64, scale: Scale, test: &str) {
    let build = Box::new(move || scale.build(scale.rows()).unwrap());
    let depths = &[Depth::Quick, Depth::Blobs, Depth::Full];
    let case = Case { name: scale.name(), build, depths, findings: 0 };
    assert!(case.peak_mib(test).is_none_or(|peak_mib| peak_mib < mib), "{}", case.name);
}

/// With 5,000 layers.
fn hostile_takes_less_than(mib: u64, hostile: Hostile, findings: usize, test: &str) {
    let build = Box::new(move || hostile.build(5000).unwrap());
    let case = Case { name: hostile.name(), build, depths: &[Depth::Quick, Depth::Blobs], findings };
    assert!(case.peak_mib(test).is_none_or(|peak_mib| peak_mib < mib), "{}", case.name);
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
    hostile_takes_less_than(32, Hostile::Copies, 0, "scale::copies_that_all_layers_below_made");
}

#[test]
#[ignore = "500,000 files"]
fn a_layer_with_half_a_million_entries() {
    takes_less_than(128, Scale::Entries, "scale::a_layer_with_half_a_million_entries");
}

/// Each of 5,000 layers reaches the same 5,000 containers.
#[test]
fn damaged_layers_that_all_containers_stand_on() {
    hostile_takes_less_than(64, Hostile::Tower, 5000, "scale::damaged_layers_that_all_containers_stand_on");
}

/// Each of 5,000 layers reaches the containers above it.
#[test]
fn damaged_layers_with_a_container_on_each() {
    hostile_takes_less_than(64, Hostile::Stairs, 5000, "scale::damaged_layers_with_a_container_on_each");
}
