//! A live store that changes all the time is never called damaged: images and containers come and go as fast as containerd
//! lets them, while the store is checked again and again.
//!
//! `FSCK_SOAK_SECONDS` says for how long (20 by default; `ci/soak` runs 10 minutes).

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use testdata::bed::{self, Bed, Containerd, Generation, Registry};
use verifier_core::Interrupt;
use verifier_core::event::Unobserved;
use verifier_core::finding::Depth;
use verifier_core::scan::Mode;
use verifier_core::{CheckOptions, Store, check};

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_store_in_motion_is_never_damaged() {
    let bed = bed::gate();
    let registry = Registry::start(&bed);
    for image in ["small", "small-b", "small-docker", "multi"] {
        registry.push(&bed.image(image), &format!("{image}:t"));
    }
    let seconds = std::env::var("FSCK_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    std::thread::scope(|scope| {
        let runs: Vec<_> = bed
            .generations()
            .into_iter()
            .map(|generation| {
                let (bed, registry) = (&bed, &registry);
                scope.spawn(move || soak(bed, registry, generation, Duration::from_secs(seconds)))
            })
            .collect();
        for run in runs {
            run.join().expect("no finding");
        }
    });
}

fn soak(bed: &Bed, registry: &Registry, generation: Generation, time: Duration) {
    let home = tempfile::tempdir().unwrap();
    let containerd = Containerd::start(bed, generation, home.path());
    let (end, over, rounds) = (Instant::now() + time, AtomicBool::new(false), AtomicU64::new(0));
    let checks = std::thread::scope(|scope| {
        let churn = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let round = rounds.fetch_add(1, Ordering::Relaxed);
                churn(&containerd, registry, round);
            }
        });
        let looked = std::panic::catch_unwind(|| look_until(home.path(), generation, end));
        over.store(true, Ordering::Relaxed);
        let churned = churn.join();
        let checks = looked.unwrap_or_else(|why| std::panic::resume_unwind(why));
        churned.expect("containerd does what it is asked");
        checks
    });
    let rounds = rounds.into_inner();
    eprintln!("containerd {generation}: {checks} checks during {rounds} rounds of pulls and removals");
    assert!(checks > 0 && rounds > 0);
}

/// Checks the store until `end`, and tells how often.
fn look_until(root: &Path, generation: Generation, end: Instant) -> u64 {
    let mut checks = 0;
    while Instant::now() < end {
        let depth = if checks % 3 == 2 { Depth::Full } else { Depth::Quick };
        let store = Store::open(root).unwrap();
        let options = CheckOptions::default().depth(depth).threads(1);
        let report = check(&store, &options, &Unobserved, &Interrupt::default()).unwrap();
        assert_eq!(report.mode, Mode::Live);
        let found: Vec<String> =
            report.findings.iter().map(|finding| serde_json::to_string(finding).unwrap()).collect();
        assert!(
            found.is_empty(),
            "containerd {generation}, check {checks}, {depth:?}:\n{}",
            found.join("\n")
        );
        checks += 1;
    }
    checks
}

/// One round: images that share layers come, a container runs, and everything goes in one of several ways.
fn churn(containerd: &Containerd, registry: &Registry, round: u64) {
    let name = |image: &str| registry.reference(&format!("{image}:t"));
    let (small, other, multi) = (name("small"), name("small-b"), name("multi"));
    // What the collector takes from under a pull makes that pull fail: containerd's affair.
    let pull = |image: &str| drop(containerd.try_ctr(&["images", "pull", "--plain-http", image]));
    pull(&small);
    pull(&other);
    if round.is_multiple_of(2) {
        pull(&multi);
        pull(&name("small-docker"));
    }
    if round.is_multiple_of(3) {
        containerd.try_ctr(&["containers", "create", &small, "made"]);
        containerd.try_ctr(&["images", "rm", &small]);
        containerd.try_ctr(&["containers", "rm", "made"]);
        containerd.try_ctr(&["-n", "other", "images", "pull", "--plain-http", &other]);
        containerd.try_ctr(&["-n", "other", "images", "rm", &other]);
    }
    let mut rm = vec!["images", "rm"];
    if round % 4 == 1 {
        rm.push("--sync");
    }
    let docker = name("small-docker");
    rm.extend([other.as_str(), multi.as_str(), docker.as_str(), small.as_str()]);
    containerd.try_ctr(&rm);
}
