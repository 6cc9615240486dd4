//! Snapshots about which containerd's database and the snapshotter's disagree are evicted live as well, and unpacked again.

use crate::live_common::{OVERLAYFS, snapshotters};
use testdata::bed::{self, Containerd};
use testdata::builder::{Form, Image, ImageSpec, Layer, Platform, StoreBuilder, file};
use verifier_core::live::{Evictions, Live, LiveStore, SnapshotEviction, SnapshotsEvicted};

const NAME: &str = "registry.example/image:1";

/// An image of three layers, unpacked by overlayfs and native, and nothing else.
fn store() -> (StoreBuilder, Image) {
    let mut store = StoreBuilder::default();
    let layers = ["one", "two", "three"].map(|name| Layer::new([file(name, name)]).pack().unwrap());
    let image = store
        .add_image(&ImageSpec {
            namespace: "default",
            repository: "image",
            layers: &layers,
            form: Form::Oci,
            platform: Platform::LINUX_AMD64,
            unpack: &[OVERLAYFS, "native"],
        })
        .unwrap();
    store.add_name("default", NAME, &image.manifest, [].into());
    (store, image)
}

/// Starts each containerd on such a store, evicts all of the image's snapshots of a snapshotter, and unpacks it again.
fn evicted(
    snapshotter: &str,
    damage: impl Fn(&mut StoreBuilder, &Image),
    judge: impl Fn(&SnapshotsEvicted, &Image),
) {
    let bed = bed::gate();
    for generation in bed.generations() {
        let folder = tempfile::tempdir().unwrap();
        let (mut store, image) = store();
        damage(&mut store, &image);
        store.write(folder.path()).unwrap();
        let containerd = Containerd::start(&bed, generation, folder.path());
        let live = Live::connect(&containerd.socket()).unwrap();
        let journal = |_: &_| Ok(());
        let store = LiveStore::new(&live, "test", journal);
        let keys = image.chain.iter().map(|key| ("default".to_owned(), snapshotter.to_owned(), key.clone()));
        let mut held = store.hold(&Evictions::new([], keys), &snapshotters()).unwrap();
        let list: Vec<SnapshotEviction> = image
            .chain
            .iter()
            .map(|key| SnapshotEviction { key: key.clone(), dangling: Vec::new() })
            .collect();
        let evicted = held.evict_snapshots("default", snapshotter, &list).unwrap();
        judge(&evicted, &image);
        held.release().unwrap();
        assert_eq!(evicted.left, [].into(), "{generation}");
        let ls = |snapshotter: &str| {
            let listed = containerd.ctr(&["snapshots", "--snapshotter", snapshotter, "ls"]);
            listed.lines().skip(1).filter(|line| line.starts_with("sha256:")).count()
        };
        assert_eq!(ls(snapshotter), 0, "{generation}");
        let other = if snapshotter == OVERLAYFS { "native" } else { OVERLAYFS };
        assert_eq!(ls(other), 3, "the other one's stay");
        containerd.ctr(&["snapshots", "unpack", "--snapshotter", snapshotter, &image.manifest.digest]);
        assert_eq!(ls(snapshotter), 3, "{generation}");
        let checked = containerd.ctr(&["images", "check", "--snapshotter", snapshotter]);
        assert!(checked.contains("complete (4/4)"), "{checked}");
    }
}

fn rows<'s>(store: &'s mut StoreBuilder, snapshotter: &str) -> &'s mut testdata::builder::SnapshotRows {
    store.namespaces.get_mut("default").unwrap().snapshots.get_mut(snapshotter).unwrap()
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn healthy_ones_leaf_first_whatever_the_snapshotter() {
    for snapshotter in [OVERLAYFS, "native"] {
        evicted(
            snapshotter,
            |_, _| (),
            |evicted, image| {
                let leaf_first: Vec<&String> = image.chain.iter().rev().collect();
                assert_eq!(evicted.removed.iter().chain(&evicted.absent).collect::<Vec<_>>(), leaf_first);
            },
        );
    }
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn a_row_whose_parent_has_none_goes_by_collection() {
    for at in [0, 1] {
        evicted(
            OVERLAYFS,
            |store, image| drop(rows(store, OVERLAYFS).rows.remove(&image.chain[at])),
            |_, _| (),
        );
    }
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn a_row_that_the_snapshotter_does_not_know() {
    for at in [0, 1, 2] {
        let damage = |store: &mut StoreBuilder, image: &Image| {
            let name = rows(store, OVERLAYFS).rows[&image.chain[at]].name.clone();
            store.snapshotters.get_mut(OVERLAYFS).unwrap().snapshots.remove(&name).unwrap();
        };
        evicted(OVERLAYFS, damage, |_, _| ());
    }
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn keys_in_the_list_of_children_that_have_no_row() {
    let damage = |store: &mut StoreBuilder, image: &Image| {
        for key in &image.chain {
            let row = rows(store, OVERLAYFS).rows.get_mut(key).unwrap();
            row.children.extend(["sha256:gone".to_owned(), "somebody".to_owned()]);
        }
    };
    evicted(OVERLAYFS, damage, |_, _| ());
}
