//! What the builder writes, read back by other readers.

use std::fs;

use testdata::bed::{self, Containerd, Generation};
use testdata::builder::{META_DB, Sample, blob_path, sample, sha256, snapshotter_folder, usage};

#[test]
fn a_sample_is_written_whole() {
    let folder = tempfile::tempdir().unwrap();
    let Sample { store, app, .. } = sample().unwrap();
    store.write(folder.path()).unwrap();
    for (digest, bytes) in &store.blobs {
        assert_eq!(&fs::read(folder.path().join(blob_path(digest))).unwrap(), bytes);
        assert!(digest.starts_with("sha512:") || *digest == sha256(bytes));
    }
    let top = store.snapshot("default", "overlayfs", app.chain.first().unwrap()).unwrap();
    let fs_folder =
        folder.path().join(snapshotter_folder("overlayfs")).join(format!("snapshots/{}/fs", top.id));
    assert_eq!(usage(&fs_folder).unwrap().inodes, 9, "the top folder, and a hard link counts once");
    assert!(fs::metadata(folder.path().join(META_DB)).unwrap().len() >= 32 * 1024);
}

/// The oracle of all: containerd takes the store for its own, and finds nothing in it to collect.
#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_real_containerd_serves_the_sample() {
    let bed = bed::gate();
    if !bed.has(Generation::V2_1) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let sample = sample().unwrap();
    sample.store.write(folder.path()).unwrap();
    let options = bed::Options { cri: true, ..bed::Options::default() };
    let mut containerd = Containerd::start_with(&bed, Generation::V2_1, folder.path(), &options);
    // A sync delete waits for a collection.
    containerd.ctr(&["leases", "create", "--id", "passing"]);
    containerd.ctr(&["leases", "delete", "--sync", "passing"]);
    let checked = containerd.ctr(&["images", "check"]);
    assert!(checked.contains("complete (4/4)") && checked.contains("incomplete (3/4)"), "{checked}");
    assert_eq!(containerd.ctr(&["-n", "k8s.io", "images", "check"]).matches("complete (3/3)").count(), 3);
    for (namespace, rows) in &sample.store.namespaces {
        let content = containerd.ctr(&["-n", namespace, "content", "ls", "-q"]);
        assert_eq!(content.lines().count(), rows.blobs.len(), "{namespace}: {content}");
        for (snapshotter, rows) in &rows.snapshots {
            let listed = containerd.ctr(&["-n", namespace, "snapshots", "--snapshotter", snapshotter, "ls"]);
            assert_eq!(listed.lines().count() - 1, rows.rows.len(), "{namespace} {snapshotter}: {listed}");
        }
        let containers = containerd.ctr(&["-n", namespace, "containers", "ls", "-q"]);
        assert!(rows.containers.keys().eq(containers.lines()), "{namespace}: {containers}");
    }
    let content = containerd.ctr(&["content", "get", &sample.base.digest]);
    assert!(!content.is_empty());
    assert!(containerd.ctr(&["content", "active"]).contains("layer-sha256:"));
    assert!(containerd.ctr(&["-n", "k8s.io", "sandboxes", "ls"]).contains("pod"));
    containerd.stop();
    for digest in sample.store.blobs.keys() {
        assert!(folder.path().join(blob_path(digest)).exists(), "{digest}");
    }
    for (name, snapshotter) in &sample.store.snapshotters {
        let folders = fs::read_dir(folder.path().join(snapshotter_folder(name)).join("snapshots")).unwrap();
        assert_eq!(folders.count(), snapshotter.snapshots.len(), "{name}");
    }
}

#[test]
fn two_builds_are_alike() {
    let digests = || sample().unwrap().store.blobs.into_keys().collect::<Vec<_>>();
    assert_eq!(digests(), digests());
}
