//! What was taken out through containerd's API is put back once containerd is stopped, and a second repair takes it out again.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends where its own footing fails")]

mod live_common;
mod repair_common;
mod restore_common;

use std::fs;

use live_common::Node;
use repair_common::{differences, repair_live, store_picture, undo};
use testdata::bed;
use verifier_core::repair::plan::ActionKind;

/// Damages a node, repairs it live, stops it and undoes that: all is as it was.
fn each(damage: impl Fn(&Node), judge: impl Fn(&[ActionKind])) {
    let Some(bed) = bed::gate() else { return };
    for generation in bed.generations() {
        let mut node = Node::start(&bed, generation);
        live_common::IMAGES.iter().for_each(|image| drop(node.pull(image)));
        damage(&node);
        let root = node.containerd.root().to_owned();
        let before = store_picture(&root);
        let (actions, run) = repair_live(&root, &node.live());
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
            let base = node.folders().into_iter().find(|folder| !folder.join("fs/one").exists());
            let who = |folder: &std::path::PathBuf| fs::read(folder.join("fs/who")).ok();
            let base = base.filter(|folder| who(folder).is_some_and(|who| who == b"base"));
            let folders = node.folders();
            let base = base.or_else(|| {
                folders.into_iter().find(|folder| who(folder).is_some_and(|who| who == b"base"))
            });
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
