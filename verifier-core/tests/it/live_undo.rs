//! What was taken out through containerd's API is put back once containerd is stopped, and a second repair takes it out again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use crate::live_common::{self, Node};
use crate::repair_common::{Quiet, differences, store_picture, undo};
use testdata::bed;
use verifier_core::event::Unobserved;
use verifier_core::live::Live;
use verifier_core::repair::LiveRows;
use verifier_core::repair::apply::{Applied, apply};
use verifier_core::repair::disk::{Disk, StepGate};
use verifier_core::repair::mounted::Mounted;
use verifier_core::repair::plan::{ActionKind, RepairOptions, RepairPlan};
use verifier_core::repair::source::Available;
use verifier_core::scan::Mode;
use verifier_core::{CheckOptions, Interrupt, Store, look};

/// Repairs a store through the API of the containerd that serves it; an error means that the run could not be begun or ended.
fn repair_live(root: &Path, live: &Live, gate: &StepGate) -> io::Result<(Vec<ActionKind>, Applied)> {
    let store = Store::open(root).unwrap();
    let disk = Disk::new(store.folder(), gate);
    let checked = look(&store, &CheckOptions::default(), None, &Unobserved, &Interrupt::default()).unwrap();
    let mounted = Mounted::find(store.folder(), &checked);
    let options = RepairOptions::default().mode(Some(Mode::Live));
    let plan = RepairPlan::new(&checked, &Available::default(), &mounted, &options);
    let mut rows = LiveRows::new(live, &checked, &plan);
    let applied = apply(&plan, &checked, disk, &mut rows, &[], &mut Quiet, &Interrupt::default())?;
    Ok((plan.actions.into_iter().map(|action| action.kind).collect(), applied))
}

/// Repairs all that can be repaired live; the actions, and the run.
fn repaired(root: &Path, node: &Node) -> (Vec<ActionKind>, String) {
    let (actions, applied) = repair_live(root, &node.live(), &StepGate::default()).unwrap();
    assert!(applied.is_complete(), "{actions:#?}\n{:#?}", applied.outcomes);
    (actions, applied.run.unwrap())
}

/// Damages a node, repairs it live, stops it and undoes that: all is as it was.
fn each(damage: impl Fn(&Node), judge: impl Fn(&[ActionKind])) {
    let Some(bed) = bed::gate() else { return };
    for generation in bed.generations() {
        let mut node = Node::start(&bed, generation);
        live_common::IMAGES.iter().for_each(|image| drop(node.pull(image)));
        damage(&node);
        let root = node.containerd.root().to_owned();
        let before = store_picture(&root);
        let (actions, run) = repaired(&root, &node);
        judge(&actions);
        node.bystander_is_well();
        let repaired = differences(&before, &store_picture(&root));
        assert!(!repaired.is_empty(), "{generation}: nothing was changed");
        node.containerd.stop();
        let undone = undo(&root, &run);
        assert!(undone.left.is_empty(), "{generation}: {:?}", undone.left);
        let left = differences(&before, &store_picture(&root));
        assert!(left.is_empty(), "{generation}: {left:#?}");
    }
}

#[test]
fn a_blob_and_the_snapshot_made_of_it() {
    each(
        |node| {
            node.flip(&node.digests("one").layers[1]);
            fs::write(node.unpacked("one"), "").unwrap();
        },
        |actions| {
            assert!(matches!(actions[..], [ActionKind::EvictSnapshots { .. }, ActionKind::EvictBlob { .. }]));
        },
    );
}

#[test]
fn a_shared_layer_with_all_that_stands_on_it() {
    each(
        |node| {
            node.flip(&node.digests("one").layers[0]);
            fs::write(node.unpacked("one").with_file_name("surplus"), "").unwrap();
            let is_base = |folder: &PathBuf| fs::read(folder.join("fs/who")).is_ok_and(|who| who == b"base");
            let base = node.folders().into_iter().find(is_base);
            fs::write(base.unwrap().join("fs/who"), "").unwrap();
        },
        |actions| assert!(actions.iter().any(|kind| matches!(kind, ActionKind::EvictBlob { .. }))),
    );
}

#[test]
fn the_name_of_an_image_whose_manifest_is_wrong() {
    each(
        |node| node.flip(&node.digests("one").manifest),
        |actions| assert!(actions.iter().any(|kind| matches!(kind, ActionKind::ForgetImage { .. }))),
    );
}

/// A folder without a row and an ingest without a record, once nothing has changed them for an hour.
#[test]
fn waste_is_moved_out_and_what_is_young_stays() {
    let Some(bed) = bed::gate() else { return };
    for generation in bed.generations() {
        let mut node = Node::start(&bed, generation);
        node.pull("one");
        let root = node.containerd.root().to_owned();
        let last = node
            .folders()
            .iter()
            .filter_map(|folder| folder.file_name()?.to_str()?.parse::<u64>().ok())
            .max();
        let (folder, young) = (
            node.folders()[0].with_file_name((last.unwrap() + 1).to_string()),
            root.join("io.containerd.content.v1.content/ingest/young"),
        );
        let ingest = young.with_file_name("old");
        for place in [&folder.join("fs"), &young, &ingest] {
            fs::create_dir_all(place).unwrap();
        }
        for place in [&young, &ingest] {
            fs::write(place.join("data"), "some").unwrap();
            fs::write(place.join("ref"), "default/99/nobody").unwrap();
        }
        // Where rows come and go, a folder may be about to get one.
        let (holder, database) = (folder.parent().unwrap(), folder.join("../../metadata.db"));
        for old in [&ingest.join("data"), &ingest.join("ref"), &ingest, &folder, holder, &database] {
            let at = SystemTime::now() - Duration::from_secs(7200);
            fs::File::open(old).unwrap().set_modified(at).unwrap();
        }
        let (actions, run) = repaired(&root, &node);
        let is_waste = |kind: &ActionKind| matches!(kind, ActionKind::TakeOut { .. });
        assert!(actions.len() == 2 && actions.iter().all(is_waste), "{generation}: {actions:?}");
        assert!(young.exists() && !ingest.exists() && !folder.exists(), "{generation}");
        assert_eq!(node.pulling(|| assert_eq!(node.cat("one", "/one"), "one")), [""; 0]);
        node.bystander_is_well();
        node.containerd.stop();
        undo(&root, &run);
        assert!(ingest.join("data").exists() && folder.join("fs").exists(), "{generation}");
    }
}

/// Steps from one place to be cut off at to the next: all 52 take four minutes.
const STRIDE: usize = 5;

/// Cut off at any step on the disk, the other container runs on, the next run finishes, and what is right is not pulled.
#[test]
fn a_live_repair_that_is_cut_off_anywhere_is_finished_by_the_next() {
    let Some(bed) = bed::gate() else { return };
    let node = Node::start(&bed, *bed.generations().last().unwrap());
    let root = node.containerd.root().to_owned();
    let mut cut_at = 0;
    loop {
        live_common::IMAGES.iter().for_each(|image| drop(node.pull(image)));
        let wrong = node.digests("one").layers[1].clone();
        node.flip(&wrong);
        fs::write(node.unpacked("one"), "").unwrap();
        let steps = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&steps);
        let gate = StepGate::new(move |_, _| match count.fetch_add(1, Ordering::Relaxed) {
            step if step < cut_at => Ok(()),
            _ => Err(io::ErrorKind::Interrupted.into()),
        });
        let first = repair_live(&root, &node.live(), &gate);
        node.bystander_is_well();
        if first.is_ok_and(|(_, applied)| applied.is_complete()) {
            break;
        }
        let (_, next) = repair_live(&root, &node.live(), &StepGate::default()).unwrap();
        assert!(next.is_complete(), "cut off at step {cut_at}: {:#?}", next.outcomes);
        assert_eq!(node.pull("one"), [wrong.as_str()], "cut off at step {cut_at}");
        assert_eq!(node.cat("one", "/one"), "one", "cut off at step {cut_at}");
        cut_at += STRIDE;
    }
    println!("{cut_at} steps");
    assert!(cut_at > 40, "only {cut_at} steps");
}
