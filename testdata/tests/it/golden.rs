//! The golden stores come out of the crate as containerd left them.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sha2::{Digest, Sha256};
use testdata::bed::{self, Containerd, FsKind, Generation, LoopFs};
use testdata::golden;

const LIMIT: Duration = Duration::from_secs(60);

fn all() -> Vec<&'static str> {
    golden::names().into_iter().chain([golden::INTERRUPTED]).collect()
}

/// Every path below a folder with what lstat says.
fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, std::fs::Metadata>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display())) {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        if metadata.is_dir() {
            walk(&path, found);
        }
        found.insert(path, metadata);
    }
}

fn tree(folder: &Path) -> BTreeMap<PathBuf, std::fs::Metadata> {
    let mut found = BTreeMap::new();
    walk(folder, &mut found);
    found
}

#[test]
fn each_is_small_and_an_unknown_name_is_an_error() {
    for name in all() {
        assert!(golden::archive(name).unwrap().len() < 1 << 20, "{name}");
    }
    let home = tempfile::tempdir().unwrap();
    assert_eq!(golden::unpack("0.9", home.path()).unwrap_err().kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn every_blob_rehashes() {
    for name in all() {
        let home = tempfile::tempdir().unwrap();
        golden::unpack(name, home.path()).unwrap();
        let blobs = tree(&home.path().join("io.containerd.content.v1.content/blobs/sha256"));
        assert_eq!(blobs.len(), 7, "{name}: 2 manifests, 2 configs, 3 layers");
        for path in blobs.keys() {
            let digest = hex::encode(Sha256::digest(std::fs::read(path).unwrap()));
            assert_eq!(path.file_name().unwrap().to_str(), Some(digest.as_str()), "{name}");
        }
    }
}

/// GNU tar as the oracle: type, mode, owner, links, bytes and nanoseconds.
#[test]
fn it_unpacks_as_tar_does() {
    for name in all() {
        let home = tempfile::tempdir().unwrap();
        let (ours, theirs) = (home.path().join("ours"), home.path().join("theirs"));
        golden::unpack(name, &ours).unwrap();
        std::fs::create_dir(&theirs).unwrap();
        let archive = home.path().join("archive");
        std::fs::write(&archive, zstd::decode_all(golden::archive(name).unwrap()).unwrap()).unwrap();
        bed::succeed(Command::new("tar").arg("-C").arg(&theirs).arg("-xpf").arg(&archive), LIMIT);
        let (our_tree, their_tree) = (tree(&ours), tree(&theirs));
        assert_eq!(our_tree.len(), their_tree.len(), "{name}");
        for ((our_path, our), (their_path, their)) in our_tree.iter().zip(&their_tree) {
            let facts = |of: &std::fs::Metadata| {
                let size = if of.is_dir() { 0 } else { of.size() };
                (
                    of.mode(),
                    of.uid(),
                    of.gid(),
                    of.mtime(),
                    of.mtime_nsec(),
                    size,
                    of.is_dir() || of.nlink() == 1,
                )
            };
            assert_eq!(our_path.strip_prefix(&ours), their_path.strip_prefix(&theirs));
            assert_eq!(facts(our), facts(their), "{name}: {}", our_path.display());
            if our.is_file() {
                assert_eq!(std::fs::read(our_path).unwrap(), std::fs::read(their_path).unwrap());
            } else if our.is_symlink() {
                assert_eq!(std::fs::read_link(our_path).unwrap(), std::fs::read_link(their_path).unwrap());
            }
        }
        assert!(our_tree.values().any(|found| found.mtime_nsec() != 0), "{name}: nanoseconds");
    }
}

/// The containerd that made a store takes it back, images complete and runnable.
#[test]
fn its_containerd_takes_it_back() {
    let Some(bed) = bed::gate() else { return };
    for name in golden::names() {
        let Some(generation) = Generation::from_name(name).filter(|generation| bed.has(*generation)) else {
            continue;
        };
        let home = tempfile::tempdir().unwrap();
        golden::unpack(name, home.path()).unwrap();
        let containerd = Containerd::start(&bed, generation, home.path());
        assert_eq!(containerd.ctr(&["images", "check"]).matches("complete (3/3)").count(), 2, "{name}");
        assert_eq!(
            containerd.ctr(&["-n", "other", "images", "check"]).matches("complete (3/3)").count(),
            1,
            "{name}"
        );
        assert!(containerd.ctr(&["containers", "list"]).contains("web"), "{name}");
        assert!(containerd.ctr(&["leases", "list"]).contains("kept"), "{name}");
        assert!(
            containerd.ctr(&["content", "list"]).contains("distribution.source.registry.example"),
            "{name}"
        );
    }
}

/// What `ctr snapshots usage` says was recorded, as sorted (bytes, inodes).
fn recorded(containerd: &Containerd) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    for namespace in ["default", "other"] {
        for line in containerd.ctr(&["-n", namespace, "snapshots", "usage", "-b"]).lines().skip(1) {
            let numbers: Vec<u64> =
                line.split_whitespace().skip(1).map(|field| field.parse().unwrap()).collect();
            found.push((numbers[0], numbers[1]));
        }
    }
    found.sort_unstable();
    found
}

/// What the trees have now, as sorted (bytes, inodes).
fn walked(root: &Path) -> Vec<(u64, u64)> {
    let snapshots = std::fs::read_dir(root.join("io.containerd.snapshotter.v1.overlayfs/snapshots")).unwrap();
    let usage = |upper: PathBuf| {
        let mut found = tree(&upper);
        found.insert(upper.clone(), upper.metadata().unwrap());
        let inodes: BTreeMap<u64, u64> = found.values().map(|one| (one.ino(), one.blocks() * 512)).collect();
        (inodes.values().sum(), inodes.len() as u64)
    };
    let mut found: Vec<(u64, u64)> = snapshots.map(|id| usage(id.unwrap().path().join("fs"))).collect();
    found.sort_unstable();
    found
}

/// Inodes are exact wherever a store is unpacked; bytes only on ext4, where it was made: folders take none on xfs and btrfs.
#[test]
fn recorded_usage_is_exact_on_ext4_and_its_inodes_everywhere() {
    let Some(bed) = bed::gate() else { return };
    for kind in FsKind::ALL {
        for name in golden::names() {
            let Some(generation) = Generation::from_name(name).filter(|it| bed.has(*it)) else { continue };
            let fs = LoopFs::new(kind, 1 << 30);
            let root = fs.path().join("root");
            golden::unpack(name, &root).unwrap();
            fs.sync();
            let walked = walked(&root);
            let recorded = recorded(&Containerd::start(&bed, generation, &root));
            assert_eq!(
                recorded.len(),
                6,
                "{name}: 3 chains and an active one in `default`, 2 chains in `other`"
            );
            for (recorded, walked) in recorded.iter().zip(&walked) {
                assert_eq!(recorded.1, walked.1, "{kind} {name}: inodes");
                assert!(
                    kind != FsKind::Ext4 || recorded.0 == walked.0,
                    "{kind} {name}: {recorded:?} {walked:?}"
                );
            }
        }
    }
}
