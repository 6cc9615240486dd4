//! A tree that is in use is left alone, whoever uses it and however; and only that one.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::layer_common::folder;
use crate::restore_common::tasks;
use testdata::bed::{self, Compression, Containerd};
use testdata::layers::{Entry, Layer};
use verifier_core::repair::mounted::{InUse, refuse_if_used};

fn is_used(tree: &Path) -> bool {
    match refuse_if_used(&folder(tree)) {
        Ok(()) => false,
        Err(InUse::Mounted { .. }) => true,
        Err(other) => panic!("{}: {other}", tree.display()),
    }
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn under_a_container() {
    let bed = bed::gate();
    for generation in bed.generations() {
        let [root, other] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let containerd = Containerd::start(&bed, generation, root.path());
        let second = Containerd::start(&bed, generation, other.path());
        for containerd in [&containerd, &second] {
            containerd.import(&bed.image("small"), "small");
        }
        let trees = |root: &Path| tasks(root).iter().map(|task| root.join(&task.tree)).collect::<Vec<_>>();
        let (trees, others) = (trees(root.path()), trees(other.path()));
        assert!(trees.len() > 1);
        assert!(!trees.iter().any(|tree| is_used(tree)), "{generation}: nothing runs yet");
        containerd.run("small:latest", "busy", &["/bin/sleep", "1000"]);
        for tree in &trees {
            assert!(is_used(tree), "{generation}: {}", tree.display());
        }
        for tree in &others {
            assert!(!is_used(tree), "{generation}: the same numbers in another root: {}", tree.display());
        }
        containerd.stop_container("busy");
        assert!(!trees.iter().any(|tree| is_used(tree)), "{generation}: stopped");
    }
}

/// The folders of many layers do not fit into mount(2)'s page: containerd shortens them to relative ones.
#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn under_many_layers() {
    let bed = bed::gate();
    for generation in bed.generations() {
        let root = tempfile::Builder::new().prefix(&"long-".repeat(20)).tempdir().unwrap();
        let containerd = Containerd::start(&bed, generation, root.path());
        let layers: Vec<Vec<u8>> =
            (0..40).map(|at| Layer::of(&[Entry::file(format!("file-{at}"), b"x")])).collect();
        let layers: Vec<_> = layers.iter().map(|layer| (Compression::None, layer.as_slice())).collect();
        let layout = root.path().join("layout");
        bed::write_layout(&layout, &layers);
        containerd.import(&layout, "many");
        let tasks = tasks(root.path());
        assert_eq!(tasks.len(), 40);
        let key = tasks[39].backend_key.rsplit('/').next().unwrap();
        let point = root.path().join("point");
        std::fs::create_dir(&point).unwrap();
        containerd.ctr(&["snapshots", "prepare", "mine", key]);
        let commands = containerd.ctr(&["snapshots", "mounts", &point.to_string_lossy(), "mine"]);
        // What containerd itself does with options that are too long: from the folder that holds the snapshots.
        let snapshots = root.path().canonicalize().unwrap();
        let snapshots = snapshots.join("io.containerd.snapshotter.v1.overlayfs/snapshots");
        let short = commands.replace(&format!("{}/", snapshots.display()), "");
        let upper = short.split("upperdir=").nth(1).unwrap().split(',').next().unwrap().to_owned();
        let short = short
            .replace(&format!("upperdir={upper}"), &format!("upperdir={}", snapshots.join(&upper).display()));
        assert!(short.contains("lowerdir=40/fs:39/fs") || short.contains("lowerdir="), "{short}");
        bed::succeed(
            Command::new("sh").arg("-c").arg(short.trim()).current_dir(&snapshots),
            Duration::from_secs(9),
        );
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let shown = table.lines().find(|line| line.contains(point.to_str().unwrap())).unwrap().to_owned();
        let used: Vec<bool> = tasks.iter().map(|task| is_used(&root.path().join(&task.tree))).collect();
        bed::succeed(Command::new("umount").arg(&point), Duration::from_secs(9));
        assert!(!shown.contains(&format!("lowerdir={}", snapshots.display())), "relative: {shown}");
        assert!(used.iter().all(|used| *used), "{generation}: {used:?}");
        // Another test's mount, in a namespace that cannot be looked into, may be of folders with these names: it passes.
        let free = || tasks.iter().all(|task| !is_used(&root.path().join(&task.tree)));
        let freed = (0..50).any(|_| {
            let free = free();
            if !free {
                std::thread::sleep(Duration::from_millis(200));
            }
            free
        });
        assert!(freed, "{generation}");
    }
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn bound_elsewhere_and_mounted_over() {
    let _bed = bed::gate();
    let dir = tempfile::tempdir().unwrap();
    let (tree, point) = (dir.path().join("snapshots/7/fs"), dir.path().join("point"));
    std::fs::create_dir_all(tree.join("below/deep")).unwrap();
    std::fs::create_dir_all(dir.path().join("snapshots/77/fs")).unwrap();
    std::fs::create_dir(&point).unwrap();
    let bind = |from: &Path, to: &Path| {
        bed::succeed(Command::new("mount").arg("--bind").arg(from).arg(to), Duration::from_secs(9));
    };
    let umount = |at: &Path| bed::succeed(Command::new("umount").arg(at), Duration::from_secs(9));
    assert!(!is_used(&tree));
    for (from, to, used) in [
        (tree.clone(), point.clone(), true),
        (tree.join("below"), point.clone(), true),
        (dir.path().join("snapshots/77/fs"), point.clone(), false),
        (dir.path().join("snapshots"), point.clone(), false),
        (point.clone(), tree.join("below/deep"), true),
    ] {
        bind(&from, &to);
        let seen = is_used(&tree);
        umount(&to);
        assert_eq!(seen, used, "{} at {}", from.display(), to.display());
    }
    assert!(!is_used(&tree));
}

/// In a mount namespace of its own, a mount shows in no table but that one's.
#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn in_another_mount_namespace() {
    let _bed = bed::gate();
    let dir = tempfile::tempdir().unwrap();
    let (tree, point) = (dir.path().join("snapshots/7/fs"), dir.path().join("point"));
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::create_dir(&point).unwrap();
    let script = "mount --bind \"$0\" \"$1\" && echo mounted && exec sleep 1000";
    let mut process = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script])
        .arg(&tree)
        .arg(&point)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut output = std::io::BufReader::new(process.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut output, &mut said).unwrap();
    let seen = is_used(&tree);
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(said.trim(), "mounted");
    assert!(seen);
    assert!(!is_used(&tree));
}
