//! Databases that are lost or damaged, rebuilt; then real containerds run on them, pull nothing and delete nothing.

use std::path::Path;

use crate::bolt_support::{ask, oracle};
use crate::rebuild_common::*;
use testdata::bed::{self, Bed, Containerd, Generation, Registry};
use verifier_core::bolt::Database;
use verifier_core::metadata::Metadata;
use verifier_core::repair::rebuild::{How, LostKind};

fn on_each(test: impl Fn(&Bed, Generation, &Registry)) {
    let bed = bed::gate();
    let registry = Registry::start(&bed);
    for image in ["small", "small-b", "multi", "base"] {
        registry.push(&bed.image(image), &format!("{image}:t"));
    }
    for generation in bed.generations() {
        eprintln!("containerd {generation}");
        test(&bed, generation, &registry);
    }
}

fn sound(root: &Path) {
    for database in [META, OVERLAYFS] {
        if let Some(oracle) = oracle() {
            ask(oracle, &["check"], &root.join(database));
        }
    }
}

/// Starts containerd, pulls and runs: no blob is fetched, and nothing that was there is deleted.
fn nothing_is_pulled_or_deleted(
    bed: &Bed,
    generation: Generation,
    registry: &Registry,
    root: &Path,
    what: &str,
) {
    sound(root);
    let (_, blobs, folders) = state(root);
    let before = registry.blob_pulls();
    let mut containerd = Containerd::start(bed, generation, root);
    containerd.collect();
    for image in ["small", "multi", "base"] {
        let image = registry.reference(&format!("{image}:t"));
        containerd.pull(&image);
        let said = containerd.run_with(&["--rm"], &image, "once", &["/bin/sh", "-c", "echo $((6 * 7))"]);
        assert_eq!(said.trim(), "42", "{what}");
    }
    containerd.collect();
    assert_eq!(registry.blob_pulls(), before, "{what}: blobs were pulled");
    containerd.stop();
    let (_, blobs_after, folders_after) = state(root);
    assert!(blobs_after.is_superset(&blobs), "{what}: {blobs:?} {blobs_after:?}");
    assert!(folders_after.is_superset(&folders), "{what}: {folders:?} {folders_after:?}");
    sound(root);
}

fn pulled(bed: &Bed, generation: Generation, registry: &Registry, root: &Path) {
    let mut containerd = Containerd::start(bed, generation, root);
    for image in ["small", "multi", "base"] {
        containerd.pull(&registry.reference(&format!("{image}:t")));
    }
    containerd.run(&registry.reference("base:t"), "works", &["/bin/sleep", "1000"]);
    containerd.stop_container("works");
    containerd.stop();
}

/// The rows of content and snapshots are as containerd had them, but for where they came from.
fn same_rows(before: &Metadata, after: &Metadata, what: &str) {
    let (before, after) = (&before.namespaces["default"], &after.namespaces["default"]);
    assert_eq!(before.blobs.keys().collect::<Vec<_>>(), after.blobs.keys().collect::<Vec<_>>(), "{what}");
    for (digest, old) in &before.blobs {
        let new = &after.blobs[digest];
        assert_eq!(old.size_bytes, new.size_bytes, "{what}");
        // What one generation's ctr left out on blobs of other platforms, or never computed, is no loss to have.
        let source = |label: &str| label.starts_with("containerd.io/distribution.source.");
        for (label, value) in old.labels.iter().filter(|(label, _)| !source(label)) {
            assert_eq!(new.labels.get(label), Some(value), "{what}: {digest}");
        }
        for label in new.labels.keys().filter(|label| !old.labels.contains_key(label)) {
            assert_eq!(label, "containerd.io/uncompressed", "{what}: {digest}");
        }
    }
    let (before, after) = (&before.snapshots["overlayfs"], &after.snapshots["overlayfs"]);
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>(), "{what}");
    for (key, old) in before {
        let new = &after[key];
        assert_eq!((&old.backend_key, &old.parent), (&new.backend_key, &new.parent), "{what}");
        let alive: Vec<_> = old.children.iter().filter(|child| before.contains_key(*child)).collect();
        assert_eq!(alive, new.children.iter().collect::<Vec<_>>(), "{what}");
    }
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn nothing_left_of_meta_db() {
    on_each(|bed, generation, registry| {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        pulled(bed, generation, registry, root);
        let rows = metadata(root);
        let path = root.join(META);
        for damage in ["metas", "empty", "absent"] {
            let what = format!("{generation} {damage}");
            match damage {
                "metas" => zero_metas(&path),
                "empty" => std::fs::write(&path, b"").unwrap(),
                _ => std::fs::remove_file(&path).unwrap(),
            }
            let before = state(root);
            let (run, rebuilt) = rebuild_now(root, META, None);
            drop(rebuilt.lock);
            undo(root, &run);
            assert!(state(root) == before, "{what}: undone");
            let (_, rebuilt) = rebuild_now(root, META, None);
            assert_eq!(rebuilt.how, How::Disk);
            // `multi` names the manifest of `small`.
            let lost = |kind| rebuilt.lost.iter().filter(|lost| lost.what == kind).count();
            assert_eq!(
                (lost(LostKind::ImageName), lost(LostKind::Container)),
                (2, 1),
                "{what}: {:?}",
                rebuilt.lost
            );
            drop(rebuilt.lock);
            if damage == "metas" {
                same_rows(&rows, &metadata(root), &what);
            }
            assert_eq!(findings(root), [""; 0], "{what}");
            nothing_is_pulled_or_deleted(bed, generation, registry, root, &what);
            assert_eq!(findings(root), [""; 0], "{what}");
        }
    });
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_backup_is_reconciled_with_what_is_on_disk() {
    on_each(|bed, generation, registry| {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let what = generation.to_string();
        let (small, multi, base) =
            (registry.reference("small:t"), registry.reference("multi:t"), registry.reference("base:t"));
        let other = registry.reference("small-b:t");
        let mut containerd = Containerd::start(bed, generation, root);
        containerd.pull(&small);
        containerd.pull(&other);
        containerd.run(&small, "works", &["/bin/sleep", "1000"]);
        containerd.stop_container("works");
        containerd.stop();
        let backup = std::fs::read(root.join(META)).unwrap();
        // What happens after the backup: an image goes, others come.
        let mut containerd = Containerd::start(bed, generation, root);
        containerd.ctr(&["images", "remove", "--sync", &other]);
        containerd.pull(&multi);
        containerd.pull(&base);
        containerd.stop();
        let rows = metadata(root);
        zero_metas(&root.join(META));
        let before = state(root);
        let (run, _) = rebuild_now(root, META, Some(&backup));
        undo(root, &run);
        assert!(state(root) == before, "{what}: undone");
        let (_, rebuilt) = rebuild_now(root, META, Some(&backup));
        assert_eq!(rebuilt.how, How::Backup);
        let lost = |kind| rebuilt.lost.iter().filter(|lost| lost.what == kind).collect::<Vec<_>>();
        assert_eq!(lost(LostKind::Image).len(), 1, "{what}: {:?}", rebuilt.lost);
        assert!(lost(LostKind::Image)[0].key.contains("small-b"), "{what}");
        assert_eq!(lost(LostKind::ImageName).len(), 2, "{what}: {:?}", rebuilt.lost);
        assert!(!lost(LostKind::Snapshot).is_empty() && !lost(LostKind::Blob).is_empty(), "{what}");
        let after = metadata(root);
        assert!(after.namespaces["default"].containers.contains_key("works"), "{what}");
        same_rows(&rows, &after, &what);
        assert_eq!(findings(root), [""; 0], "{what}");
        let mut containerd = Containerd::start(bed, generation, root);
        let said = containerd.run_with(&["--rm"], &small, "once", &["/bin/sh", "-c", "echo here"]);
        assert_eq!(said.trim(), "here", "{what}: without a pull");
        containerd.collect();
        containerd.stop();
        nothing_is_pulled_or_deleted(bed, generation, registry, root, &what);
        assert_eq!(findings(root), [""; 0], "{what}");
    });
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_lost_metadata_db_is_unpacked_again_from_local_blobs() {
    on_each(|bed, generation, registry| {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        pulled(bed, generation, registry, root);
        let path = root.join(OVERLAYFS);
        for damage in ["metas", "absent"] {
            let what = format!("{generation} {damage}");
            match damage {
                "metas" => zero_metas(&path),
                _ => std::fs::remove_file(&path).unwrap(),
            }
            let (_, rebuilt) = rebuild_now(root, OVERLAYFS, None);
            assert!(
                rebuilt.lost.iter().any(|lost| lost.key == "default overlayfs works") || damage != "metas"
            );
            drop(rebuilt.lock);
            sound(root);
            let before = registry.blob_pulls();
            let mut containerd = Containerd::start(bed, generation, root);
            for image in ["base", "small"] {
                let image = registry.reference(&format!("{image}:t"));
                let said =
                    containerd.run_with(&["--rm"], &image, "once", &["/bin/sh", "-c", "echo $((6 * 7))"]);
                assert_eq!(said.trim(), "42", "{what}");
            }
            containerd.pull(&registry.reference("multi:t"));
            assert_eq!(registry.blob_pulls(), before, "{what}: blobs were pulled");
            containerd.collect();
            containerd.stop();
            sound(root);
            let mut found = findings(root);
            // The container that is there still says which snapshot was its own.
            found.retain(|finding| !finding.contains("ContainerSnapshotMissing"));
            assert_eq!(found, [""; 0], "{what}");
        }
    });
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn damaged_pages_are_left_behind_and_containerd_runs_on_the_rest() {
    on_each(|bed, generation, registry| {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        pulled(bed, generation, registry, root);
        for database in [META, OVERLAYFS] {
            let path = root.join(database);
            let rows = metadata(root);
            let mut bytes = std::fs::read(&path).unwrap();
            let mut whole = Vec::new();
            // The page that holds the most, but the root's.
            let db = Database::open(&bytes).unwrap();
            let (high_water, used) = (db.meta().high_water as usize, db.meta().root as usize);
            for page in (2..high_water).filter(|page| *page != used) {
                let mut without = bytes.clone();
                without[page * 4096..(page + 1) * 4096].fill(0);
                let walk = Database::open(&without).unwrap().walk(&mut ());
                if !walk.complete {
                    whole.push((walk.keys, page));
                }
            }
            let (_, page) = *whole.iter().min().unwrap();
            bytes[page * 4096..(page + 1) * 4096].fill(0);
            std::fs::write(&path, &bytes).unwrap();
            let (_, rebuilt) = rebuild_now(root, database, None);
            let what = format!("{generation} {database} page {page}: {:?} {:?}", rebuilt.how, rebuilt.lost);
            eprintln!("{what}");
            // Nothing that the page led to is lost: what is below it is found again, and what was in it is on disk.
            let pages = rebuilt.lost.iter().filter(|lost| lost.what == LostKind::Page).count();
            assert_eq!(rebuilt.lost.len(), pages, "{what}");
            same_rows(&rows, &metadata(root), &what);
            assert_eq!(
                metadata(root).namespaces["default"].images,
                rows.namespaces["default"].images,
                "{what}"
            );
            assert!(metadata(root).namespaces["default"].containers.contains_key("works"), "{what}");
            let mut found = findings(root);
            found.retain(|finding| !finding.contains("ContainerSnapshotMissing"));
            assert_eq!(found, [""; 0], "{what}");
            nothing_is_pulled_or_deleted(bed, generation, registry, root, &what);
        }
    });
}
