//! Repairs of a store that a real containerd serves: what is wrong goes, what is right stays, and a container of another image
//! runs throughout.

use std::fs;

use crate::live_common::{self, Node, OVERLAYFS, evictions, killed_at, snapshotters};
use testdata::bed;
use verifier_core::live::{Evictions, FileLeft, LiveError, LiveStore, SnapshotEviction};

fn each_generation(test: impl Fn(&Node)) {
    let bed = bed::gate();
    for generation in bed.generations() {
        let node = Node::start(&bed, generation);
        test(&node);
        node.bystander_is_well();
    }
}

fn removals(keys: &[&String]) -> Vec<SnapshotEviction> {
    keys.iter().map(|&key| SnapshotEviction { key: key.clone(), dangling: Vec::new() }).collect()
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_wrong_blob_of_a_shared_layer_is_evicted_and_pulled_alone() {
    each_generation(|node| {
        live_common::IMAGES.iter().for_each(|image| drop(node.pull(image)));
        // A namespace of its own has a row of the same blob.
        node.containerd.ctr(&["-n", "another", "images", "pull", "--plain-http", &node.name("one")]);
        let digests = node.digests("one");
        let wrong = &digests.layers[0];
        node.flip(wrong);
        let evicted = node.repair(&evictions("default", &[wrong], &[]), |held| {
            assert!(held.count() > 10);
            held.evict_blobs(&[(wrong.clone(), node.blob(wrong))])
        });
        assert_eq!(evicted.len(), 1);
        assert_eq!(evicted[0].namespaces, ["another", "default"]);
        assert_eq!(evicted[0].file, FileLeft::Gone);
        assert_eq!(node.cat("two", "/two"), "two");
        assert_eq!(node.pull("two"), [wrong.as_str()]);
        assert_eq!(node.pull("one"), [""; 0]);
        let right = node.folder.path().join("layouts/one/blobs/sha256").join(&wrong["sha256:".len()..]);
        assert_eq!(fs::read(node.blob(wrong)).unwrap(), fs::read(right).unwrap());
        assert_eq!(node.cat("one", "/who"), "base");
    });
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_wrong_file_without_rows_is_said_to_remain() {
    each_generation(|node| {
        let digest = format!("sha256:{}", "5".repeat(64));
        fs::write(node.blob(&digest), "wrong").unwrap();
        let evicted = node
            .repair(&Evictions::default(), |held| held.evict_blobs(&[(digest.clone(), node.blob(&digest))]));
        assert_eq!(evicted[0].namespaces, [""; 0]);
        assert_eq!(evicted[0].file, FileLeft::Remains);
    });
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_layer_whose_blob_and_snapshot_are_wrong_is_pulled_and_unpacked_alone() {
    each_generation(|node| {
        live_common::IMAGES.iter().for_each(|image| drop(node.pull(image)));
        let (one, two) = (node.digests("one"), node.digests("two"));
        // The top of one image.
        let (wrong, key) = (&one.layers[1], &one.chain_ids[1]);
        node.flip(wrong);
        fs::write(node.unpacked("one"), "").unwrap();
        node.repair(&evictions("default", &[wrong], &[key]), |held| {
            let evicted = held.evict_snapshots("default", OVERLAYFS, &removals(&[key]))?;
            assert_eq!((evicted.removed, evicted.absent), (vec![key.clone()], vec![]));
            assert!(evicted.left.is_empty());
            held.evict_blobs(&[(wrong.clone(), node.blob(wrong))])
        });
        assert_eq!(node.pull("one"), [wrong.as_str()]);
        assert_eq!(node.cat("one", "/one"), "one");

        // The layer that both share: both are unpacked again from it and from their own blobs, in any order of asking.
        let wrong = &one.layers[0];
        node.flip(wrong);
        fs::write(node.unpacked("one").with_file_name("changed"), "").unwrap();
        let keys = [&one.chain_ids[0], &two.chain_ids[1], &one.chain_ids[1]];
        let evicted = node.repair(&evictions("default", &[wrong], &keys), |held| {
            held.evict_blobs(&[(wrong.clone(), node.blob(wrong))])?;
            held.evict_snapshots("default", OVERLAYFS, &removals(&keys))
        });
        assert_eq!(evicted.removed.last(), Some(keys[0]));
        assert!(evicted.left.is_empty());
        assert_eq!(node.folders().len(), 2, "the other image's and its container's");
        assert_eq!(node.pull("two"), [wrong.as_str()]);
        assert_eq!(node.pull("one"), [""; 0]);
        assert_eq!(node.cat("one", "/who"), "base");
        assert_eq!(node.cat("two", "/two"), "two");
        assert!(!node.unpacked("one").with_file_name("changed").exists());
    });
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn snapshots_alone_come_back_from_their_blobs_without_the_registry() {
    each_generation(|node| {
        live_common::IMAGES.iter().for_each(|image| drop(node.pull(image)));
        let (one, two) = (node.digests("one"), node.digests("two"));
        let keys = [&one.chain_ids[0], &one.chain_ids[1], &two.chain_ids[1]];
        fs::write(node.unpacked("two"), "").unwrap();
        let evict = |held: &mut verifier_core::live::Held<'_>| {
            held.evict_snapshots("default", OVERLAYFS, &removals(&keys))
        };
        let first = node.repair(&evictions("default", &[], &keys), evict);
        assert_eq!(first.removed.len() + first.absent.len(), 3);
        // Again: there is nothing left to do.
        let second = node.repair(&evictions("default", &[], &keys), evict);
        assert_eq!(second.absent.len(), 3, "{second:?}");
        assert_eq!(node.pulling(|| assert_eq!(node.cat("two", "/two"), "two")), [""; 0]);
    });
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn what_a_container_or_another_image_holds_is_left_and_named() {
    each_generation(|node| {
        live_common::IMAGES.iter().for_each(|image| drop(node.pull(image)));
        let (one, two) = (node.digests("one"), node.digests("two"));
        node.containerd.run(&node.name("one"), "ended", &["/bin/sleep", "1000"]);
        node.containerd.stop_container("ended");
        node.containerd.ctr(&["leases", "create", "--id", "somebody's"]);
        let live = node.live();
        let theirs = verifier_core::live::Resource::snapshot(OVERLAYFS, &two.chain_ids[1]);
        live.namespace("default").add_to_lease("somebody's", &theirs).unwrap();
        let folders = node.folders();
        let keys = [&one.chain_ids[0], &one.chain_ids[1], &two.chain_ids[1]];
        let evicted = node.repair(&evictions("default", &[], &keys), |held| {
            held.evict_snapshots("default", OVERLAYFS, &removals(&keys))
        });
        assert_eq!((&evicted.removed, &evicted.absent), (&vec![], &vec![]));
        assert_eq!(evicted.left.keys().count(), 3);
        let base = &evicted.left[keys[0]];
        assert_eq!(
            (&base.containers[..], &base.leases[..]),
            (&["ended".into()][..], &["somebody's".into()][..])
        );
        let top = &evicted.left[keys[1]];
        assert_eq!((&top.containers[..], &top.children[..]), (&["ended".into()][..], &["ended".into()][..]));
        assert_eq!(evicted.left[keys[2]].leases, ["somebody's"]);
        assert_eq!(node.folders(), folders);

        node.containerd.ctr(&["leases", "delete", "--sync", "somebody's"]);
        node.containerd.ctr(&["containers", "delete", "ended"]);
        // Without the other image's leaf the base stays, and only that.
        let evicted = node.repair(&evictions("default", &[], &keys[..2]), |held| {
            held.evict_snapshots("default", OVERLAYFS, &removals(&keys[..2]))
        });
        assert_eq!(evicted.removed, [keys[1].as_str()]);
        assert_eq!(evicted.left[keys[0]].children, [keys[2].as_str()]);
        assert_eq!(node.pulling(|| assert_eq!(node.cat("one", "/one"), "one")), [""; 0]);
    });
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_base_with_a_dangling_child_is_removed_both_ways() {
    each_generation(|node| {
        for known in [true, false] {
            live_common::IMAGES.iter().for_each(|image| drop(node.pull(image)));
            let (one, two) = (node.digests("one"), node.digests("two"));
            node.containerd.ctr(&["images", "rm", "--sync", &node.name("one")]);
            let live = node.live();
            let rows = live.namespace("default").snapshots(OVERLAYFS).unwrap();
            assert!(!rows.iter().any(|row| row.key == one.chain_ids[1]), "the collector took it");
            let (base, top) = (&two.chain_ids[0], &two.chain_ids[1]);
            // Somebody who knows nothing of the child cannot remove the base.
            live.namespace("default").remove_snapshot(OVERLAYFS, top).unwrap();
            let refused = live.namespace("default").remove_snapshot(OVERLAYFS, base).unwrap_err();
            assert_eq!(refused.code(), Some(verifier_core::live::Code::FailedPrecondition), "{refused}");
            drop(node.pulling(|| assert_eq!(node.cat("two", "/two"), "two")));

            let mut list = removals(&[base, top]);
            if known {
                list[0].dangling.push(one.chain_ids[1].clone());
            }
            let evicted = node.repair(&evictions("default", &[], &[base, top]), |held| {
                held.evict_snapshots("default", OVERLAYFS, &list)
            });
            assert_eq!((&evicted.removed, &evicted.left), (&vec![top.clone(), base.clone()], &[].into()));
            assert_eq!(node.folders().len(), 2, "the other image's and its container's");
            assert_eq!(node.pulling(|| assert_eq!(node.cat("two", "/who"), "base")), [""; 0]);
        }
    });
}

/// A manifest that is wrong: its children are reached through nothing but it, and yet none is pulled again.
#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn children_of_an_evicted_manifest_stay() {
    each_generation(|node| {
        node.pull("one");
        let digests = node.digests("one");
        let wrong = &digests.manifest;
        node.flip(wrong);
        let children: Vec<String> = digests.layers.iter().chain([&digests.config]).cloned().collect();
        let trees: Vec<_> = digests.chain_ids.iter().map(|key| (OVERLAYFS.to_owned(), key.clone())).collect();
        let name = node.name("one");
        node.repair(&evictions("default", &[wrong], &[]), |held| {
            let removed = held.remove_names("default", std::slice::from_ref(&name), &children, &trees)?;
            assert_eq!(removed.removed, [name.as_str()]);
            held.evict_blobs(&[(wrong.clone(), node.blob(wrong))])
        });
        assert!(!node.blob(wrong).exists());
        assert_eq!(node.pull("one"), [""; 0]);
        assert_eq!(node.cat("one", "/one"), "one");
        let live = node.live();
        let journal = |_: &_| Ok(());
        let mut store = LiveStore::new(&live, "test", journal);
        for lease in store.leases("default").unwrap() {
            store.release_lease("default", &lease).unwrap();
        }
        assert_eq!(node.cat("one", "/who"), "base");
    });
}

/// Killed before each act in turn; what was right is still there, and the second run finishes.
#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_run_that_is_killed_anywhere_is_finished_by_the_next() {
    let bed = bed::gate();
    let node = Node::start(&bed, *bed.generations().last().unwrap());
    live_common::IMAGES.iter().for_each(|image| drop(node.pull(image)));
    let (one, two) = (node.digests("one"), node.digests("two"));
    let (base, top) = (&two.chain_ids[0], &two.chain_ids[1]);
    let wrong = &two.layers[1];
    let repair = |run: &str, steps: usize| -> Result<usize, LiveError> {
        let live = node.live();
        let mut log = Vec::new();
        let store = LiveStore::new(&live, run, killed_at(steps, &mut log));
        let evictions = evictions("default", &[wrong], &[base, top]);
        let mut held = store.hold(&evictions, &snapshotters())?;
        let mut list = removals(&[base, top]);
        list[0].dangling.push(one.chain_ids[1].clone());
        let evicted = held.evict_snapshots("default", OVERLAYFS, &list)?;
        assert!(evicted.left.is_empty(), "{evicted:?}");
        held.evict_blobs(&[(wrong.clone(), node.blob(wrong))])?;
        held.release()?;
        drop(held);
        Ok(String::from_utf8(log).unwrap().lines().count())
    };
    let mut killed = 0;
    loop {
        // The other image's leaf goes by the collector, so that its key stays in the list of the base.
        drop(node.pull("one"));
        drop(node.pull("two"));
        node.containerd.ctr(&["images", "rm", "--sync", &node.name("one")]);
        node.flip(wrong);
        let first = repair(&format!("run{killed}"), killed);
        node.bystander_is_well();
        match first {
            Ok(acts) => {
                assert_eq!(acts, killed, "each of them was a place to be killed at");
                break;
            }
            Err(why) => assert!(matches!(why, LiveError::Journal(_)), "{why:?}"),
        }
        assert!(node.blob(&two.layers[0]).exists() && node.blob(&two.config).exists());
        repair("again", usize::MAX).unwrap();
        node.leases_are(&[]);
        assert_eq!(node.pull("two"), [wrong.as_str()], "killed at {killed}");
        assert_eq!(node.cat("two", "/two"), "two");
        killed += 1;
    }
    assert!(killed > 10, "{killed}");
    node.bystander_is_well();
}
