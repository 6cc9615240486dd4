//! What the builder writes, read back by other readers.

use std::fs;

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

#[test]
fn two_builds_are_alike() {
    let digests = || sample().unwrap().store.blobs.into_keys().collect::<Vec<_>>();
    assert_eq!(digests(), digests());
}
