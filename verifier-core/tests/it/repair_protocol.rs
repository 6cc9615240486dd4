//! The library's three calls, and the verdict that they come to.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::repair_common::three_calls;
use testdata::builder::{CONTENT, META_DB, sample};
use testdata::damage;
use verifier_core::event::{Event, Recorder, Unobserved};
use verifier_core::finding::Subject;
use verifier_core::repair::disk::Disk;
use verifier_core::repair::disk::{Step, StepGate};
use verifier_core::repair::plan::{Allow, RepairOptions};
use verifier_core::repair::{Exclusive, Repair, RepairError, RepairOutcome, Repaired, Setup, TollKind};
use verifier_core::sweep::StateDir;
use verifier_core::{Interrupt, Store};

fn blobs(root: &Path) -> std::path::PathBuf {
    root.join(CONTENT).join("blobs/sha256")
}

fn store() -> tempfile::TempDir {
    let folder = crate::repair_common::scratch();
    sample().unwrap().store.write(folder.path()).unwrap();
    folder
}

fn setup() -> Setup {
    Setup::default().options(RepairOptions::default().allow(BTreeSet::from([
        Allow::Unpullable,
        Allow::Pinned,
        Allow::Leased,
        Allow::InUse,
    ])))
}

fn repair(root: &Path) -> Repaired {
    three_calls(&Store::open(root).unwrap(), &setup(), Vec::new()).unwrap()
}

fn preview(root: &Path) -> Repaired {
    let store = Store::open(root).unwrap();
    Repair::preview(&store, &setup(), &mut [], &Unobserved, &Interrupt::default()).unwrap().into_repaired()
}

/// Waste: a foreign name among the blobs.
fn litter(root: &Path) {
    fs::write(blobs(root).join("not a digest"), "x").unwrap();
}

#[test]
fn a_healthy_store_is_clean_and_no_run_is_made() {
    let folder = store();
    let repaired = repair(folder.path());
    assert_eq!((repaired.outcome(), repaired.gaps().len()), (RepairOutcome::Clean, 0));
    assert!(repaired.run.is_none() && !folder.path().join("containerd-fsck/runs").exists());
}

/// What the first look could not read is a gap of the repair, though what was touched was looked at again.
#[test]
fn a_gap_of_the_first_look_is_never_forgotten() {
    let folder = store();
    litter(folder.path());
    let trees = folder.path().join("io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs");
    let aside = trees.with_file_name("aside");
    fs::rename(&trees, &aside).unwrap();
    symlink("aside", &trees).unwrap();
    let before = preview(folder.path());
    let repaired = repair(folder.path());
    let (gaps, found) = (before.gaps().len(), before.refused_damage());
    assert!(gaps + found > 0, "{before:?}");
    assert!(repaired.gaps().len() >= gaps, "{repaired:?}");
    assert!(gaps > 0 || repaired.outcome() == RepairOutcome::Left, "{repaired:?}");
}

#[test]
fn waste_that_is_moved_out_is_corrected() {
    let folder = store();
    litter(folder.path());
    assert_eq!(preview(folder.path()).outcome(), RepairOutcome::Planned);
    let repaired = repair(folder.path());
    assert_eq!(repaired.outcome(), RepairOutcome::Corrected, "{repaired:?}");
    assert!(repaired.pulls().is_empty() && repaired.lost().is_empty());
    assert_eq!(repair(folder.path()).outcome(), RepairOutcome::Clean);
}

#[test]
fn what_must_be_pulled_again_is_not_corrected_and_is_listed_before_and_after() {
    let folder = crate::repair_common::scratch();
    let damage = damage::all().find(|damage| damage.name == "layer-missing").unwrap();
    damage.apply(folder.path()).unwrap();
    let plan = preview(folder.path());
    assert_eq!(plan.outcome(), RepairOutcome::Planned);
    assert!(!plan.pulls().is_empty(), "{plan:?}");
    let repaired = repair(folder.path());
    assert_eq!(repaired.outcome(), RepairOutcome::Healed, "{repaired:?}");
    assert_eq!(repaired.pulls(), plan.pulls());
}

#[test]
fn a_rebuild_from_nothing_says_before_what_will_be_lost_and_after_what_is() {
    let folder = store();
    fs::write(folder.path().join(META_DB), "").unwrap();
    let plan = preview(folder.path());
    assert!(matches!(plan.tolls[..], [ref toll] if toll.kind == TollKind::Everything), "{:?}", plan.tolls);
    let repaired = repair(folder.path());
    assert_eq!(repaired.outcome(), RepairOutcome::Healed, "{repaired:?}");
    assert!(!repaired.lost().is_empty());
    assert_eq!(repaired.outcomes.len(), repaired.plan.actions.len());
}

/// The medium is full at the first step that writes into the quarantine's folder, or at any after it.
#[test]
fn every_failure_names_a_path_and_the_reason_and_is_never_a_success() {
    let mut failed = 0;
    for at in 0..40 {
        let folder = store();
        litter(folder.path());
        let count = AtomicUsize::new(0);
        let gate = StepGate::new(move |step, _| {
            let full = step != Step::Rename && count.fetch_add(1, Ordering::Relaxed) >= at;
            if full { Err(io::Error::from_raw_os_error(28)) } else { Ok(()) }
        });
        let store = Store::open(folder.path()).unwrap();
        let setup = setup().gate(gate);
        let interrupt = Interrupt::default();
        let mut repair = match Repair::open(&store, &setup, Vec::new()) {
            Ok(repair) => repair,
            Err(error) => {
                assert!(error.errno() == Some(28) && !error.to_string().starts_with(':'), "{error}");
                continue;
            }
        };
        let planned = repair.plan(&Unobserved, &interrupt).unwrap();
        let repaired = repair.apply(planned, &Unobserved, &interrupt);
        let errors = repaired.outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        let told: Vec<String> = errors
            .map(ToString::to_string)
            .chain(repaired.trouble.as_ref().map(ToString::to_string))
            .collect();
        if told.is_empty() {
            assert_eq!(repaired.outcome(), RepairOutcome::Corrected);
            continue;
        }
        failed += 1;
        assert_ne!(repaired.outcome(), RepairOutcome::Corrected, "step {at}: {told:?}");
        let root = folder.path().to_str().unwrap();
        for text in told {
            assert!(text.starts_with(root) && text.contains("No space left"), "step {at}: {text}");
        }
    }
    assert!(failed > 2, "{failed}");
}

#[test]
fn two_at_once_and_what_is_doubted() {
    let folder = store();
    litter(folder.path());
    let store = Store::open(folder.path()).unwrap();
    let (state, gate) = (tempfile::tempdir().unwrap(), StepGate::default());
    let state = StateDir::new(state.path(), folder.path());
    let disk = Disk::new(store.folder(), &gate);
    let first = Exclusive::take(disk, folder.path(), Some(&state), "sweep").unwrap();
    let setup = setup().state(Some(state.clone()));
    let second = Repair::open(&store, &setup, Vec::new());
    assert!(matches!(second, Err(RepairError::Busy(_))), "{second:?}");
    drop(first);
    let mut at_risk = setup;
    at_risk.check.at_risk = Some(verifier_core::plan::AtRisk::default());
    let mut repair = Repair::open(&store, &at_risk, Vec::new()).unwrap();
    assert!(state.folder().join("doubt").exists());
    let planned = repair.plan(&Unobserved, &Interrupt::default()).unwrap();
    repair.apply(planned, &Unobserved, &Interrupt::default());
    assert!(!state.folder().join("doubt").exists());
}

#[test]
fn each_action_begins_and_ends_once() {
    let folder = store();
    litter(folder.path());
    File::create(blobs(folder.path()).join("another")).unwrap();
    let store = Store::open(folder.path()).unwrap();
    let (setup, seen, interrupt) = (setup(), Arc::new(Recorder::default()), Interrupt::default());
    let mut repair = Repair::open(&store, &setup, Vec::new()).unwrap();
    let planned = repair.plan(&Unobserved, &interrupt).unwrap();
    let repaired = repair.apply(planned, &*seen, &interrupt);
    let (mut began, mut ended) = (Vec::new(), Vec::new());
    for event in seen.events() {
        match event {
            Event::ActionBegan { at, of, verb, subject } => {
                assert_eq!((of, verb), (repaired.plan.actions.len(), "clean"));
                assert!(matches!(subject, Subject::Path { .. }), "{subject:?}");
                began.push(at);
            }
            Event::ActionEnded { at, error } => {
                assert_eq!(error, None);
                ended.push(at);
            }
            _ => {}
        }
    }
    assert_eq!((&began, &ended), (&vec![0, 1], &vec![0, 1]));
}
