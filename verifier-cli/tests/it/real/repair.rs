//! `repair` on real stores: what a crash did is put right, and containerd takes it.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use testdata::bed::{Bed, Containerd, FsKind, Generation, LoopFs, Registry};
use verifier_core::bolt::{Edits, commit};

use super::support::{BLOBS, check, flip_a_bit, fsck, layers_of, on_each};

const META_DB: &str = "io.containerd.metadata.v1.bolt/meta.db";
const SNAPSHOTS: &str = "io.containerd.snapshotter.v1.overlayfs/snapshots";

/// A repair's exit status and document.
struct Repaired {
    status: i32,
    document: Value,
    stderr: String,
}

impl Repaired {
    fn verbs(&self) -> Vec<&str> {
        self.document["actions"].as_array().unwrap().iter().map(|one| one["verb"].as_str().unwrap()).collect()
    }

    fn run(&self) -> &str {
        self.document["run"].as_str().unwrap()
    }

    #[track_caller]
    fn assert(&self, status: i32, verbs: &[&str]) {
        let seen = self.verbs();
        assert!(self.status == status && seen == verbs, "{status} {verbs:?}: {self:#?}");
    }
}

impl std::fmt::Debug for Repaired {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "status {}\n{:#}\n{}", self.status, self.document, self.stderr)
    }
}

fn repair(root: &Path, more: &[&str]) -> Repaired {
    let mut args = vec!["--format", "json"];
    args.extend(more);
    let Output { status, stdout, stderr } = fsck_repair(root, &args);
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    let document =
        serde_json::from_slice(&stdout).unwrap_or_else(|why| panic!("{why}: {status:?}, {stderr}"));
    Repaired { status: status.code().unwrap(), document, stderr }
}

/// `repair` with the state of no machine.
fn fsck_repair(root: &Path, more: &[&str]) -> Output {
    let state = concat!(env!("CARGO_TARGET_TMPDIR"), "/state");
    fsck(&[&["repair", "--root", root.to_str().unwrap(), "--state-dir", state][..], more].concat())
}

fn says_42(containerd: &Containerd, image: &str, id: &str) {
    let said = containerd.run_with(&["--rm"], image, id, &["/bin/sh", "-c", "echo $((6 * 7))"]);
    assert_eq!(said.trim(), "42", "{image}");
}

/// Nothing is wrong, strictly. A container that has just been removed leaves notes: the next collection takes what it had.
fn undamaged(root: &Path, what: &str) {
    let checked = check(root, &["--strict"]);
    assert_eq!(checked.status, 0, "{what}: {:#}", checked.report);
}

/// A registry with images, and a containerd that has pulled them.
struct Node {
    registry: Registry,
    root: PathBuf,
    _folder: tempfile::TempDir,
}

impl Node {
    fn new(bed: &Bed, generation: Generation, images: &[&str]) -> (Node, Containerd) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        let registry = Registry::start(bed);
        let containerd = Containerd::start(bed, generation, &root);
        for image in images {
            registry.push(&bed.image(image), &format!("{image}:t"));
            containerd.pull(&registry.reference(&format!("{image}:t")));
        }
        (Node { registry, root, _folder: folder }, containerd)
    }

    fn reference(&self, image: &str) -> String {
        self.registry.reference(&format!("{image}:t"))
    }

    fn blob(&self, digest: &str) -> PathBuf {
        self.root.join(BLOBS).join(digest.trim_start_matches("sha256:"))
    }
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn after_a_power_cut_everything_is_healed_without_a_pull() {
    on_each(|bed, generation| {
        for kind in [FsKind::Ext4, FsKind::Xfs] {
            let registry = Registry::start(bed);
            registry.push(&bed.image("base"), "base:t");
            let image = registry.reference("base:t");
            let live = LoopFs::new(kind, 3 << 30);
            let mut containerd = Containerd::start(bed, generation, &live.path().join("root"));
            live.sync();
            containerd.pull(&image);
            let cut = live.cut_image();
            containerd.stop();
            drop((containerd, live));
            let fs = cut.mount();
            let root = fs.path().join("root");

            let plan = repair(&root, &[]);
            assert_eq!(plan.status, 4, "{plan:?}");
            assert!(
                !plan.verbs().is_empty() && plan.verbs().iter().all(|verb| *verb == "restore"),
                "{plan:?}"
            );
            assert_eq!(plan.document["pull_bytes"], 0);
            assert!(!root.join("containerd-fsck").exists(), "a plan changes nothing");
            let done = repair(&root, &["--yes"]);
            assert_eq!(done.status, 1, "{done:?}");
            let fs = fs.remount();
            let root = fs.path().join("root");
            check(&root, &[]).assert_clean("repaired");
            check(&root, &["--depth", "quick"]).assert_clean("repaired, quick");

            let before = registry.blob_pulls();
            let mut containerd = Containerd::start(bed, generation, &root);
            says_42(&containerd, &image, "once");
            containerd.pull(&image);
            assert_eq!(registry.blob_pulls(), before, "{kind}: blobs were pulled");
            containerd.stop();
            undamaged(&root, "used after the repair");
        }
    });
}

/// The layer that both images have.
fn shared_layer(bed: &Bed) -> String {
    let (one, other) = (layers_of(&bed.image("small")), layers_of(&bed.image("small-b")));
    one.into_iter().find(|layer| other.contains(layer)).unwrap()
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_wrong_blob_is_replaced_from_a_source_while_containerd_runs() {
    on_each(|bed, generation| {
        let (node, mut containerd) = Node::new(bed, generation, &["small", "small-b"]);
        let socket = containerd.socket();
        let layer = shared_layer(bed);
        flip_a_bit(&node.blob(&layer));
        let before = node.registry.blob_pulls();
        let source = bed.image("small");
        let args = ["--yes", "--address", socket.to_str().unwrap(), "--source", source.to_str().unwrap()];
        let done = repair(&node.root, &args);
        done.assert(1, &["replace"]);
        assert_eq!(done.document["mode"], "live");
        check(&node.root, &[]).assert_clean("replaced live");
        assert_eq!(node.registry.blob_pulls(), before);
        containerd.stop();
        let undone = fsck_repair(&node.root, &["--undo", done.run()]);
        assert!(undone.status.success(), "{}", String::from_utf8_lossy(&undone.stderr));
        assert_eq!(check(&node.root, &[]).codes(), ["blob-digest-mismatch"]);
    });
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_wrong_blob_without_a_source_is_taken_out_alone() {
    on_each(|bed, generation| {
        for live in [false, true] {
            let (node, mut containerd) = Node::new(bed, generation, &["small", "small-b"]);
            let layer = shared_layer(bed);
            containerd.run(&node.reference("small-b"), "other", &["/bin/sh", "-c", "sleep 600"]);
            flip_a_bit(&node.blob(&layer));
            let socket = containerd.socket();
            let done = if live {
                repair(&node.root, &["--yes", "--address", socket.to_str().unwrap()])
            } else {
                containerd.stop_container("other");
                containerd.stop();
                let done = repair(&node.root, &["--yes"]);
                containerd = Containerd::start(bed, generation, &node.root);
                done
            };
            done.assert(2, &["evict"]);
            assert_eq!(done.document["outcome"], "healed");
            assert!(!done.document["pull"].as_array().unwrap().is_empty(), "{done:?}");
            assert!(!node.blob(&layer).exists(), "live {live}");
            let before = node.registry.blob_pulls();
            containerd.ctr(&["content", "fetch", "--plain-http", &node.reference("small")]);
            assert_eq!(node.registry.blob_pulls() - before, 1, "live {live}: that one blob and no other");
            says_42(&containerd, &node.reference("small"), "once");
            if live {
                let tasks = containerd.ctr(&["tasks", "ls"]);
                assert!(tasks.contains("RUNNING"), "the container of the other image runs on: {tasks}");
            }
            undamaged(&node.root, "pulled again");
            if live {
                // Pulled again, there is nothing to put back: neither the wrong file nor the old records.
                containerd.stop_container("other");
                containerd.stop();
                assert_eq!(fsck_repair(&node.root, &["--undo", done.run()]).status.code(), Some(4));
                undamaged(&node.root, "not undone");
            }
        }
    });
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_layer_whose_blob_and_snapshot_are_wrong_is_pulled_and_unpacked_again() {
    on_each(|bed, generation| {
        for live in [false, true] {
            let (node, mut containerd) = Node::new(bed, generation, &["small"]);
            let layers = layers_of(&bed.image("small"));
            let top = layers.last().unwrap();
            let id = layers.len();
            flip_a_bit(&node.blob(top));
            std::fs::remove_dir_all(node.root.join(SNAPSHOTS).join(id.to_string())).unwrap();
            let socket = containerd.socket();
            let done = if live {
                repair(&node.root, &["--yes", "--address", socket.to_str().unwrap()])
            } else {
                containerd.stop();
                let done = repair(&node.root, &["--yes"]);
                containerd = Containerd::start(bed, generation, &node.root);
                done
            };
            done.assert(2, &["evict", "evict"]);
            let before = node.registry.blob_pulls();
            containerd.pull(&node.reference("small"));
            assert_eq!(node.registry.blob_pulls() - before, 1, "live {live}: that one layer and no other");
            says_42(&containerd, &node.reference("small"), "once");
            containerd.stop();
            undamaged(&node.root, "pulled and unpacked again");
        }
    });
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_lost_meta_db_is_rebuilt_and_nothing_is_pulled_again() {
    on_each(|bed, generation| {
        let (node, mut containerd) = Node::new(bed, generation, &["small", "small-b"]);
        containerd.stop();
        std::fs::write(node.root.join(META_DB), b"").unwrap();
        let found = check(&node.root, &[]);
        assert_eq!(found.codes()[0], "metadata-unusable");
        // A wrong file in a snapshot shows only when the snapshot has a record again.
        std::fs::write(largest_file(&node.root.join(SNAPSHOTS).join("1/fs")), b"").unwrap();
        let done = repair(&node.root, &["--yes"]);
        done.assert(2, &["rebuild", "restore"]);
        let lost: Vec<&str> =
            done.document["lost"].as_array().unwrap().iter().filter_map(|one| one["what"].as_str()).collect();
        assert_eq!(lost, ["image-name", "image-name"], "{done:?}");
        let containerd = Containerd::start(bed, generation, &node.root);
        let before = node.registry.blob_pulls();
        for image in ["small", "small-b"] {
            containerd.pull(&node.reference(image));
            says_42(&containerd, &node.reference(image), image);
        }
        assert_eq!(node.registry.blob_pulls(), before, "blobs were pulled");
    });
}

/// With a time of a length that Go refuses, containerd cannot list a single image of the namespace.
#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_value_that_does_not_decode_is_dropped() {
    on_each(|bed, generation| {
        let (node, mut containerd) = Node::new(bed, generation, &["small"]);
        containerd.stop();
        let file = std::fs::File::options().read(true).write(true).open(node.root.join(META_DB)).unwrap();
        let mut edits = Edits::new();
        edits.put(["v1", "default", "images", &node.reference("small")], "createdat", "short");
        commit(&file, &edits).unwrap();
        drop(file);
        assert_eq!(check(&node.root, &[]).codes(), ["metadata-value-invalid"]);
        let mut containerd = Containerd::start(bed, generation, &node.root);
        assert!(!containerd.try_ctr(&["images", "list"]).status.success(), "{generation}");
        containerd.stop();
        repair(&node.root, &["--yes"]).assert(1, &["rebuild"]);
        let mut containerd = Containerd::start(bed, generation, &node.root);
        assert!(containerd.ctr(&["images", "list"]).contains(&node.reference("small")), "{generation}");
        let before = node.registry.blob_pulls();
        says_42(&containerd, &node.reference("small"), "once");
        assert_eq!(node.registry.blob_pulls(), before);
        containerd.stop();
        undamaged(&node.root, "repaired");
    });
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn what_no_registry_has_is_not_taken_out() {
    on_each(|bed, generation| {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        let mut containerd = Containerd::start(bed, generation, &root);
        containerd.import(&bed.image("small"), "localhost/small");
        containerd.stop();
        let layer = layers_of(&bed.image("small")).remove(0);
        flip_a_bit(&root.join(BLOBS).join(layer.trim_start_matches("sha256:")));
        let refused = repair(&root, &["--yes"]);
        refused.assert(4, &[]);
        assert_eq!(refused.document["refusals"][0]["reason"], "protected", "{refused:?}");
        assert_eq!(refused.document["refusals"][0]["allow"], "unpullable", "{refused:?}");
        repair(&root, &["--allow", "unpullable"]).assert(4, &["evict"]);
    });
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_snapshot_is_restored_live_but_not_under_a_mount() {
    on_each(|bed, generation| {
        let (node, containerd) = Node::new(bed, generation, &["small"]);
        containerd.run(&node.reference("small"), "busy", &["/bin/sh", "-c", "sleep 600"]);
        let tree = node.root.join(SNAPSHOTS).join("1/fs");
        let file = largest_file(&tree);
        std::fs::write(&file, b"").unwrap();
        let socket = containerd.socket();
        let args = ["--yes", "--address", socket.to_str().unwrap()];
        let refused = repair(&node.root, &args);
        refused.assert(4, &[]);
        assert_eq!(refused.document["refusals"][0]["reason"], "mounted", "{refused:?}");
        assert_eq!(file.metadata().unwrap().len(), 0, "nothing was changed");
        containerd.stop_container("busy");
        let done = repair(&node.root, &args);
        done.assert(1, &["restore"]);
        assert_eq!(done.document["mode"], "live");
        undamaged(&node.root, "restored live");
        says_42(&containerd, &node.reference("small"), "once");
    });
}

fn largest_file(top: &Path) -> PathBuf {
    let mut files = Vec::new();
    let mut left = vec![top.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
            let stat = entry.path().symlink_metadata().unwrap();
            if stat.is_dir() {
                left.push(entry.path());
            } else if stat.is_file() {
                files.push((stat.len(), entry.path()));
            }
        }
    }
    files.into_iter().max().unwrap().1
}
