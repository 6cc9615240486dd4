//! A sweep is a full check, spread over runs: whatever ends a run, nothing is missed and nothing is read twice.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use testdata::builder::{META_DB, blob_path, sample};
use testdata::damage;
use verifier_core::Interrupt;
use verifier_core::event::{Event, Observer, Unobserved};
use verifier_core::finding::Reason;
use verifier_core::report::Report;
use verifier_core::sweep::{Ledger, Run, StateDir, SweepOptions, Swept, add_run, backups, runs, sweep};
use verifier_core::{CheckOptions, Store, check};

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        sample().unwrap().store.write(&folder.path().join("root")).unwrap();
        Bench { folder }
    }

    fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("root")
    }

    fn state(&self) -> StateDir {
        let state = StateDir::new(&self.folder.path().join("state"), &self.root());
        state.make(&self.root()).unwrap();
        state
    }

    /// A run that says a word after each subject.
    fn run(&self, observer: &dyn Observer, interrupt: &Interrupt, every: u64) -> Swept {
        let (store, state) = (Store::open(&self.root()).unwrap(), self.state());
        let lock = state.lock("sweep").unwrap();
        let mut options = SweepOptions::default();
        options.batch_bytes = 1;
        options.every = Duration::from_secs(every);
        sweep(&store, &state, &lock, &options, observer, interrupt).unwrap()
    }

    fn check(&self) -> Report {
        let store = Store::open(&self.root()).unwrap();
        check(&store, &CheckOptions::default(), &Unobserved, &Interrupt::default()).unwrap()
    }
}

/// Asks for the run to stop when so many bytes were read.
struct StopAfter<'a>(AtomicU64, &'a Interrupt);

impl Observer for StopAfter<'_> {
    fn event(&self, event: Event) {
        if let Event::Read { bytes } = event
            && self.0.fetch_sub(bytes, Ordering::Relaxed) < bytes
        {
            self.1.raise();
        }
    }
}

fn on(root: &Path, damage: &damage::Damage) -> bool {
    std::fs::remove_dir_all(root).unwrap();
    damage.apply(root).is_ok()
}

#[test]
fn a_sweep_finds_what_a_full_check_finds() {
    let bench = Bench::new();
    for damage in damage::all().step_by(3) {
        if !on(&bench.root(), damage) {
            continue;
        }
        let _ = std::fs::remove_dir_all(bench.folder.path().join("state"));
        let (swept, full) = (bench.run(&Unobserved, &Interrupt::default(), 3600), bench.check());
        let codes = |report: &Report| -> Vec<_> {
            report.findings.iter().map(|finding| (finding.code(), finding.subject.clone())).collect()
        };
        assert_eq!(codes(&swept.report), codes(&full), "{}", damage.name);
        assert_eq!(swept.report.is_complete(), full.is_complete(), "{}", damage.name);
    }
}

#[test]
fn runs_that_are_stopped_add_up_to_one() {
    let bench = Bench::new();
    let whole = bench.run(&Unobserved, &Interrupt::default(), 3600);
    assert!(whole.subjects > 5 && whole.verified == whole.subjects && whole.overdue == 0, "{whole:?}");
    std::fs::remove_dir_all(bench.folder.path().join("state")).unwrap();
    let mut verified = 0;
    for bytes in [1, 20_000, 60_000, u64::MAX, u64::MAX] {
        let interrupt = Interrupt::default();
        let swept = bench.run(&StopAfter(AtomicU64::new(bytes), &interrupt), &interrupt, 3600);
        verified += swept.verified;
        let stopped = swept.report.coverage.unverified.iter().any(|left| left.reason == Reason::Interrupted);
        assert_eq!(stopped, interrupt.is_raised());
    }
    assert_eq!(verified, whole.subjects);
}

#[test]
fn what_was_verified_is_not_read_again_within_the_period() {
    let bench = Bench::new();
    let first = bench.run(&Unobserved, &Interrupt::default(), 3600);
    let read = AtomicU64::new(u64::MAX);
    let interrupt = Interrupt::default();
    let observer = StopAfter(read, &interrupt);
    let second = bench.run(&observer, &interrupt, 3600);
    assert_eq!((second.verified, observer.0.load(Ordering::Relaxed)), (0, u64::MAX));
    assert_eq!(second.subjects, first.subjects);
    // When the period is over, all is.
    assert_eq!(bench.run(&Unobserved, &Interrupt::default(), 0).verified, first.subjects);
    // A blob that was written anew is another one.
    let layer = sample().unwrap().extra.layers[2].clone();
    let path = bench.root().join(blob_path(&layer));
    let (bytes, again) = (std::fs::read(&path).unwrap(), path.with_extension("new"));
    std::fs::write(&again, bytes).unwrap();
    std::fs::rename(&again, &path).unwrap();
    assert!(bench.run(&Unobserved, &Interrupt::default(), 3600).verified <= 1);
}

#[test]
fn a_damaged_ledger_costs_work_only() {
    let bench = Bench::new();
    let whole = bench.run(&Unobserved, &Interrupt::default(), 3600).subjects;
    let path = bench.state().folder().join("ledger");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&path, &bytes).unwrap();
    let swept = bench.run(&Unobserved, &Interrupt::default(), 3600);
    assert!(swept.ledger_damaged && swept.verified == 1, "{swept:?}");
    assert_eq!(std::fs::read(path.with_extension("damaged")).unwrap(), bytes);
    std::fs::remove_file(&path).unwrap();
    let swept = bench.run(&Unobserved, &Interrupt::default(), 3600);
    assert!(!swept.ledger_damaged && swept.verified == whole);
}

#[test]
fn databases_are_copied_and_runs_remembered() {
    let bench = Bench::new();
    let swept = bench.run(&Unobserved, &Interrupt::default(), 3600);
    assert!(
        swept.backups.len() >= 3 && swept.backups.iter().all(|(_, made)| made.is_ok()),
        "{:?}",
        swept.backups
    );
    let state = bench.state();
    let names = backups::databases(&state);
    assert_eq!(names, ["meta", "snapshotter-native", "snapshotter-overlayfs"]);
    let copy = backups::open(&backups::list(&state, "meta")[0]).unwrap();
    assert_eq!(copy, std::fs::read(bench.root().join(META_DB)).unwrap()[..copy.len()]);
    assert!(bench.run(&Unobserved, &Interrupt::default(), 3600).backups.is_empty());
    let lock = state.lock("test").unwrap();
    for _ in 0..30 {
        add_run(&state, &lock, Run::of(&swept, true)).unwrap();
    }
    assert_eq!(runs(&state).len(), 20);
    assert_eq!(runs(&state)[0].verified, swept.verified);
    assert_eq!(Ledger::read(&state).entries().count() as u64, swept.subjects);
}
