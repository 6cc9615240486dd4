//! Real containerds start on databases that we rewrote, list and run what is in them, and collect; bolt then finds no fault.

use std::fs::OpenOptions;
use std::path::Path;

use crate::bolt_support::{ask, healthy, oracle};
use testdata::bed::{self, Containerd};
use verifier_core::bolt::{Edits, commit, rewrite};

const META: &str = "io.containerd.metadata.v1.bolt/meta.db";
const OVERLAYFS: &str = "io.containerd.snapshotter.v1.overlayfs/metadata.db";

fn check(root: &Path) {
    for database in [META, OVERLAYFS] {
        healthy(&std::fs::read(root.join(database)).unwrap(), database);
        if let Some(oracle) = oracle() {
            ask(oracle, &["check"], &root.join(database));
        }
    }
}

fn folders(root: &Path) -> usize {
    std::fs::read_dir(root.join("io.containerd.snapshotter.v1.overlayfs/snapshots")).unwrap().count()
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn containerd_starts_on_rewritten_databases_and_collects() {
    let bed = bed::gate();
    for generation in bed.generations() {
        let root = tempfile::tempdir().unwrap();
        let mut containerd = Containerd::start(&bed, generation, root.path());
        containerd.import(&bed.image("small"), "small");
        containerd.import(&bed.image("base"), "base");
        let images = containerd.ctr(&["images", "list"]);
        containerd.stop();
        for database in [META, OVERLAYFS] {
            let path = root.path().join(database);
            let before = healthy(&std::fs::read(&path).unwrap(), database).1;
            let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
            rewrite(&file, None, &Edits::new(), &|_, _, _| true).unwrap();
            let mut edits = Edits::new();
            edits.put(["v1", "default", "labels"], "fsck", "was here");
            if database == META {
                let done = commit(&file, &edits).unwrap();
                commit(&file, &done.inverse).unwrap();
            }
            assert!(healthy(&std::fs::read(&path).unwrap(), database).1 == before, "{generation} {database}");
        }
        check(root.path());
        let mut containerd = Containerd::start(&bed, generation, root.path());
        assert_eq!(containerd.ctr(&["images", "list"]), images, "{generation}");
        let name = images.lines().find(|line| line.contains("base")).unwrap().split(' ').next().unwrap();
        let said = containerd.run_with(&["--rm"], name, "one", &["/bin/echo", "runs"]);
        assert_eq!(said.trim(), "runs", "{generation}");
        let before = folders(root.path());
        containerd.ctr(&["images", "remove", "--sync", name]);
        assert!(folders(root.path()) < before, "{generation}: the collector removed the image's snapshots");
        assert!(!containerd.ctr(&["snapshots", "list"]).is_empty(), "{generation}");
        containerd.stop();
        check(root.path());
    }
}
