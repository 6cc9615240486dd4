//! The test bed does what it says, on every generation that this machine has.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use testdata::bed::{self, Bed, Containerd, CutAt, FsKind, Generation, LoopFs, Registry};

const BLOCK: usize = 4096;
const CONTENT: &str = "io.containerd.content.v1.content/blobs/sha256";
const META: &str = "io.containerd.metadata.v1.bolt/meta.db";
const SNAPSHOTS: &str = "io.containerd.snapshotter.v1.overlayfs/snapshots";

fn names(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// (regular files, empty ones) of a tree.
fn files(folder: &Path) -> (usize, usize) {
    let mut count = (0, 0);
    for path in names(folder) {
        let found = path.symlink_metadata().unwrap();
        if found.is_dir() {
            let (all, empty) = files(&path);
            count = (count.0 + all, count.1 + empty);
        } else if found.is_file() {
            count = (count.0 + 1, count.1 + usize::from(found.len() == 0));
        }
    }
    count
}

fn alive(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

fn mounts_below(folder: &Path) -> usize {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    table
        .lines()
        .filter(|line| line.split(' ').nth(4).is_some_and(|at| Path::new(at).starts_with(folder)))
        .count()
}

fn on_each(test: impl Fn(&Bed, Generation)) {
    let bed = bed::gate();
    for generation in bed.generations() {
        eprintln!("containerd {generation}");
        test(&bed, generation);
    }
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn every_image_goes_through_the_registry_into_every_generation() {
    let bed = bed::gate();
    let registry = Registry::start(&bed);
    for image in ["small", "small-b", "small-docker", "small-zstd", "multi"] {
        registry.push(&bed.image(image), &format!("{image}:t"));
    }
    for generation in bed.generations() {
        let home = tempfile::tempdir().unwrap();
        let containerd = Containerd::start(&bed, generation, home.path());
        assert!(containerd.ctr(&["version"]).contains(generation.name()), "the right containerd answers");
        let before = registry.blob_pulls();
        // Blobs there after each pull: those shared with an earlier image are not fetched again.
        for (image, blobs) in [("small", 4), ("small-b", 7), ("small-docker", 8)] {
            containerd.pull(&registry.reference(&format!("{image}:t")));
            assert_eq!(names(&home.path().join(CONTENT)).len(), blobs, "{generation} {image}");
        }
        // In a namespace of its own: 2.1 fetches no layer whose chain it has unpacked already.
        containerd.ctr(&[
            "-n",
            "zstd",
            "images",
            "pull",
            "--plain-http",
            &registry.reference("small-zstd:t"),
        ]);
        assert_eq!(names(&home.path().join(CONTENT)).len(), 11, "{generation} small-zstd");
        containerd.pull(&registry.reference("multi:t"));
        assert!(registry.blob_pulls() > before, "the registry saw the pulls");
        let checked = containerd.ctr(&["images", "check"]);
        assert_eq!(checked.matches("complete (").count(), 4, "{generation}: {checked}");
        // small, small-docker and multi are the same two layers, small-b has a second one of its own; zstd has two more.
        assert_eq!(names(&home.path().join(SNAPSHOTS)).len(), 5, "{generation}");
    }
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn an_import_runs_and_nothing_is_left_behind() {
    on_each(|bed, generation| {
        let home = tempfile::tempdir().unwrap();
        let mut containerd = Containerd::start(bed, generation, home.path());
        containerd.import(&bed.image("small"), "example.test/small");
        let image = "example.test/small:latest";
        assert_eq!(
            containerd.run_with(&["--rm"], image, "once", &["/bin/cat", "/etc/hostname"]),
            "changed\n"
        );
        containerd.run(image, "stays", &["/bin/sleep", "600"]);
        let tasks = containerd.ctr(&["tasks", "list"]);
        let task: u32 =
            tasks.lines().nth(1).and_then(|line| line.split_whitespace().nth(1)).unwrap().parse().unwrap();
        assert!(alive(task), "{tasks}");
        let state = containerd.socket().parent().unwrap().to_owned();
        assert_ne!(mounts_below(&state), 0, "the container's root is mounted");
        let daemon = containerd.pid();
        containerd.stop();
        assert!(!alive(daemon) && !alive(task), "{generation}: daemon and container ended");
        assert_eq!(mounts_below(&state), 0);
        drop(containerd);
        assert!(!state.exists());
        assert!(home.path().join(META).is_file());
    });
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn containers_that_outlive_a_killed_daemon_are_ended_too() {
    on_each(|bed, generation| {
        let home = tempfile::tempdir().unwrap();
        let mut containerd = Containerd::start(bed, generation, home.path());
        containerd.import(&bed.image("small"), "example.test/small");
        containerd.run("example.test/small:latest", "orphan", &["/bin/sleep", "600"]);
        let tasks = containerd.ctr(&["tasks", "list"]);
        let task: u32 =
            tasks.lines().nth(1).and_then(|line| line.split_whitespace().nth(1)).unwrap().parse().unwrap();
        containerd.kill();
        assert!(alive(task), "{generation}: a container does not end with its containerd");
        drop(containerd);
        assert!(!alive(task), "{generation}");
    });
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn two_daemons_may_use_the_same_container_id() {
    let bed = bed::gate();
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let daemons = homes.each_ref().map(|home| Containerd::start(&bed, bed.generations()[0], home.path()));
    for containerd in &daemons {
        containerd.import(&bed.image("small"), "example.test/small");
        containerd.run("example.test/small:latest", "twin", &["/bin/sleep", "600"]);
    }
    daemons[0].stop_container("twin");
    assert!(daemons[1].ctr(&["tasks", "list"]).contains("RUNNING"));
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn cri_runs_when_asked_for() {
    on_each(|bed, generation| {
        let home = tempfile::tempdir().unwrap();
        let options = bed::Options { cri: true, ..Default::default() };
        let containerd = Containerd::start_with(bed, generation, home.path(), &options);
        let plugins = containerd.ctr(&["plugins", "list"]);
        let cri =
            plugins.lines().find(|line| line.starts_with("io.containerd.grpc.v1") && line.contains(" cri "));
        assert!(cri.is_some_and(|line| line.contains("ok")), "{generation}: {plugins}");
    });
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn a_synced_file_system_survives_its_cut_and_an_unsynced_one_does_not() {
    let _bed = bed::gate();
    for kind in FsKind::ALL {
        let live = LoopFs::new(kind, 512 << 20);
        std::fs::write(live.path().join("kept"), vec![7; 100_000]).unwrap();
        live.sync();
        std::fs::write(live.path().join("lost"), vec![7; 100_000]).unwrap();
        let cut = live.cut_image();
        let image = live.image_file();
        drop(live);
        assert!(!image.exists(), "{kind}: the live image is deleted");
        let cut = cut.mount();
        assert_eq!(std::fs::read(cut.path().join("kept")).unwrap(), vec![7; 100_000], "{kind}");
        let lost = std::fs::read(cut.path().join("lost")).unwrap_or_default();
        assert_ne!(lost.len(), 100_000, "{kind}: nothing synced this");
        let path = cut.path().to_owned();
        drop(cut);
        assert_eq!(mounts_below(&path), 0, "{kind}");
    }
}

/// A disk loses its power at one moment. Of a file's two ends that are written in turn, past the page cache, the first is never
/// more than one step ahead of the last; a copy that takes a while has the last as it was later, and a database torn.
#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn a_cut_is_of_one_moment() {
    let _bed = bed::gate();
    for kind in [FsKind::Ext4, FsKind::Xfs] {
        let live = LoopFs::new(kind, 1 << 30);
        std::fs::write(live.path().join("file"), vec![0; 100 << 20]).unwrap();
        live.sync();
        let done = AtomicBool::new(false);
        let cuts = std::thread::scope(|scope| {
            scope.spawn(|| write_ends(&live.path().join("file"), &done));
            let cuts = std::array::from_fn::<_, 4, _>(|_| live.cut_image());
            done.store(true, Ordering::Relaxed);
            cuts
        });
        for cut in cuts {
            let cut = cut.mount();
            let file = File::open(cut.path().join("file")).unwrap();
            let [first, last] = [0, file.metadata().unwrap().len() - BLOCK as u64].map(|place| {
                let mut bytes = [0; 8];
                file.read_exact_at(&mut bytes, place).unwrap();
                u64::from_le_bytes(bytes)
            });
            eprintln!("{kind}: {first} {last}");
            assert!(first == last || first == last + 1, "{kind}: {first} {last}");
        }
    }
}

/// One number after the other into the file's first and last block, each on the device before the next.
fn write_ends(path: &Path, done: &AtomicBool) {
    let direct = rustix::fs::OFlags::DIRECT.bits().cast_signed();
    let file = File::options().write(true).custom_flags(direct).open(path).unwrap();
    let last = file.metadata().unwrap().len() - BLOCK as u64;
    let mut room = vec![0; 2 * BLOCK];
    let start = room.as_ptr().align_offset(BLOCK);
    let block = &mut room[start..start + BLOCK];
    for step in (1_u64..).take_while(|_| !done.load(Ordering::Relaxed)) {
        block[..8].copy_from_slice(&step.to_le_bytes());
        for place in [0, last] {
            file.write_all_at(block, place).unwrap();
        }
    }
}

/// The fact that this project stands on: blobs are whole, metadata is there, the unpacked files are empty.
#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_power_cut_after_a_pull_leaves_a_store_of_empty_files() {
    let bed = bed::gate();
    for kind in [FsKind::Ext4, FsKind::Xfs] {
        for generation in bed.generations() {
            let layout = bed.image("base");
            let cut = bed::power_cut(&bed, kind, generation, &layout, CutAt::Pulled(Duration::ZERO));
            let blobs = names(&cut.root.join(CONTENT));
            let wrong = blobs.iter().filter(|blob| !rehashes(blob)).count();
            let (files, empty) = files(&cut.root.join(SNAPSHOTS));
            eprintln!(
                "{kind}, containerd {generation}: {wrong} of {} blobs wrong, {empty} of {files} files empty",
                blobs.len()
            );
            assert!(cut.root.join(META).metadata().unwrap().len() > 0);
            assert_eq!((blobs.len(), wrong), (4, 0), "{kind} {generation}");
            assert!(
                files > 3000 && empty * 10 > files * 9,
                "{kind} {generation}: {empty} of {files} are empty"
            );
        }
    }
}

fn rehashes(blob: &Path) -> bool {
    let sum = bed::succeed(std::process::Command::new("sha256sum").arg(blob), Duration::from_secs(60));
    sum.starts_with(blob.file_name().unwrap().to_str().unwrap())
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn containerd_starts_again_after_a_power_cut_in_the_middle_of_a_pull() {
    let bed = bed::gate();
    let newest = *bed.generations().last().unwrap();
    for kind in FsKind::ALL {
        let cut = bed::power_cut(&bed, kind, newest, &bed.image("base"), CutAt::Unpacking);
        let containerd = Containerd::start(&bed, newest, &cut.root);
        let committed = containerd.ctr(&["snapshots", "list"]).matches("Committed").count();
        assert!(committed < 2, "{kind}: {committed} layers were unpacked before the cut");
    }
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_layout_of_hand_written_layers_is_applied_and_pushed() {
    use testdata::bed::Compression::{Gzip, None, Zstd};
    let tar = |name: &str, byte: u8| {
        let mut header = tar::Header::new_gnu();
        header.set_size(5);
        header.set_mode(0o640);
        let mut tar = tar::Builder::new(Vec::new());
        tar.append_data(&mut header, name, [byte; 5].as_slice()).unwrap();
        tar.into_inner().unwrap()
    };
    on_each(|bed, generation| {
        let home = tempfile::tempdir().unwrap();
        let layout = home.path().join("layout");
        let tars = [tar("a", b'a'), tar("b", b'b'), tar("a", b'c')];
        bed::write_layout(&layout, &[(None, &tars[0]), (Gzip, &tars[1]), (Zstd, &tars[2])]);
        let root = home.path().join("root");
        let containerd = Containerd::start(bed, generation, &root);
        containerd.import(&layout, "example.test/layers");
        let snapshots = names(&root.join(SNAPSHOTS));
        let mut read: Vec<_> = snapshots
            .iter()
            .flat_map(|id| names(&id.join("fs")))
            .map(std::fs::read)
            .map(Result::unwrap)
            .collect();
        read.sort();
        assert_eq!(read, [b"aaaaa", b"bbbbb", b"ccccc"], "{generation}");
        let registry = Registry::start(bed);
        registry.push(&layout, "layers:t");
        containerd.ctr(&["-n", "again", "images", "pull", "--plain-http", &registry.reference("layers:t")]);
        // 2.1 also keeps the index of an import, until the next collection.
        let digest = |namespace: &str| {
            let list = containerd.ctr(&["-n", namespace, "images", "list"]);
            list.split_whitespace().find(|word| word.starts_with("sha256:")).unwrap().to_owned()
        };
        assert_eq!(digest("again"), digest("default"), "{generation}: the digests did not change");
    });
}
