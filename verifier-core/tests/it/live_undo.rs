//! What was taken out through containerd's API is put back once containerd is stopped, and a second repair takes it out again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use crate::live_common::{self, Node};
use crate::repair_common::{differences, repair_live, store_picture, undo};
use testdata::bed;
use verifier_core::repair::Repaired;
use verifier_core::repair::disk::StepGate;
use verifier_core::repair::plan::ActionKind;

fn is_done(repaired: &Repaired) -> bool {
    repaired.outcomes.iter().all(Result::is_ok)
}

/// Repairs all that can be repaired live; the actions, and the run.
fn repaired(root: &Path, node: &Node) -> (Vec<ActionKind>, String) {
    let repaired = repair_live(root, &node.containerd.socket(), &StepGate::default()).unwrap();
    assert!(is_done(&repaired), "{repaired:#?}");
    (repaired.plan.actions.into_iter().map(|action| action.kind).collect(), repaired.run.unwrap())
}

/// Damages a node, repairs it live, stops it and undoes that: all is as it was.
fn each(damage: impl Fn(&Node), judge: impl Fn(&[ActionKind])) {
    let bed = bed::gate();
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
#[ignore = "needs root and ci/setup: real containerds"]
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
#[ignore = "needs root and ci/setup: real containerds"]
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
#[ignore = "needs root and ci/setup: file systems of its own"]
fn the_name_of_an_image_whose_manifest_is_wrong() {
    each(
        |node| node.flip(&node.digests("one").manifest),
        |actions| assert!(actions.iter().any(|kind| matches!(kind, ActionKind::ForgetImage { .. }))),
    );
}

/// A folder without a row and an ingest without a record, once nothing has changed them for an hour.
#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn waste_is_moved_out_and_what_is_young_stays() {
    let bed = bed::gate();
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
#[ignore = "needs root and ci/setup: real containerds"]
fn a_live_repair_that_is_cut_off_anywhere_is_finished_by_the_next() {
    let bed = bed::gate();
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
        let socket = node.containerd.socket();
        let first = repair_live(&root, &socket, &gate);
        node.bystander_is_well();
        if first.is_ok_and(|first| is_done(&first)) {
            break;
        }
        let next = repair_live(&root, &socket, &StepGate::default()).unwrap();
        assert!(is_done(&next), "cut off at step {cut_at}: {:#?}", next.outcomes);
        assert_eq!(node.pull("one"), [wrong.as_str()], "cut off at step {cut_at}");
        assert_eq!(node.cat("one", "/one"), "one", "cut off at step {cut_at}");
        cut_at += STRIDE;
    }
    println!("{cut_at} steps");
    assert!(cut_at > 40, "only {cut_at} steps");
}
