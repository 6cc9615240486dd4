//! The repair at boot as its unit makes it: on what a power cut left, at a boot that really is another one.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use testdata::bed::{self, Bed, Containerd, FsKind, Generation, LoopFs, Registry, write_noise};

use super::support::{check, layers_of};

const UNIT: &str = include_str!("../../../packaging/systemd/containerd-fsck-boot.service");
const OLDER: u64 = 50;
/// Most images are larger. What is at risk is read four times: seen, verified, unpacked, seen again.
const OLDER_BYTES: usize = 6 << 20;
/// A node's is two minutes; a test waits for seconds.
const WINDOW: Duration = Duration::from_secs(5);

/// A boot of its own, by its id and its uptime, for commands that are run in it.
struct Boot {
    folder: tempfile::TempDir,
    began: Instant,
}

/// What a command came to.
struct Ran {
    status: i32,
    stdout: Vec<u8>,
    stderr: String,
    /// All that it read, of whatever file.
    read_bytes: u64,
}

impl Boot {
    /// Begins now, and is up when nothing that was written before it can be taken for later.
    fn begin() -> Boot {
        let folder = tempfile::tempdir().unwrap();
        // The kernel has a random number for whoever asks.
        let id = std::fs::read("/proc/sys/kernel/random/uuid").unwrap();
        std::fs::write(folder.path().join("boot_id"), id).unwrap();
        std::thread::sleep(Duration::from_secs(2));
        Boot { folder, began: Instant::now() }
    }

    /// Runs the command there, with no more rights than the unit gives it.
    fn run(&self, through: &[&str], args: &[&str]) -> Ran {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: u64 = uptime.split('.').next().unwrap().parse().unwrap();
        let offset = uptime.saturating_sub(self.began.elapsed().as_secs());
        let (id, io) = (self.folder.path().join("boot_id"), self.folder.path().join("io"));
        // The shell's own figures have those of the children that it waited for.
        let script = "mount --bind \"$0\" /proc/sys/kernel/random/boot_id && io=$1 && shift && \"$@\"\n\
                      status=$?; cat /proc/$$/io > \"$io\"; exit $status";
        let mut command = Command::new("unshare");
        command.args([
            "--time",
            "--boottime",
            &format!("-{offset}"),
            "--mount",
            "--fork",
            "sh",
            "-c",
            script,
        ]);
        command.arg(id).arg(&io).args(["setpriv", "--no-new-privs", "--bounding-set", &bounding_set()]);
        let Output { status, stdout, stderr } =
            command.args(through).arg(env!("CARGO_BIN_EXE_containerd-fsck")).args(args).output().unwrap();
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        let io = std::fs::read_to_string(&io).unwrap_or_else(|_| panic!("{stderr}"));
        let read = io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
        Ran { status: status.code().unwrap(), stdout, stderr, read_bytes: read.trim().parse().unwrap() }
    }
}

impl Ran {
    #[track_caller]
    fn document(&self, status: i32) -> Value {
        let text = String::from_utf8_lossy(&self.stdout);
        assert_eq!(self.status, status, "{text}\n{}", self.stderr);
        serde_json::from_str(&text).unwrap()
    }
}

/// The unit's capabilities, as setpriv(1) takes them.
fn bounding_set() -> String {
    let names = UNIT.lines().find_map(|line| line.strip_prefix("CapabilityBoundingSet=")).unwrap();
    let names = names.split(' ').map(|name| name.trim_start_matches("CAP_").to_lowercase());
    names.fold("-all".to_owned(), |set, name| format!("{set},+{name}"))
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_boot_after_a_power_cut_heals_what_was_at_risk_and_one_after_a_clean_stop_reads_nothing() {
    let bed = bed::gate();
    let generations = bed.generations();
    for (kind, generation) in
        [(FsKind::Ext4, generations[0]), (FsKind::Xfs, generations[generations.len() - 1])]
    {
        cut_and_boot(&bed, kind, generation);
    }
}

fn cut_and_boot(bed: &Bed, kind: FsKind, generation: Generation) {
    let registry = Registry::start(bed);
    let (fs, state) = (cut(bed, &registry, kind, generation), tempfile::tempdir().unwrap());
    let root = fs.path().join("root");
    let boot = Boot::begin();
    let place = ["--root", root.to_str().unwrap(), "--state-dir", state.path().to_str().unwrap()];
    let window = format!("{}s", WINDOW.as_secs());
    let repair = ["repair", "--at-risk", "--at-risk-window", &window, "--yes", "--format", "json"];

    let full = boot.run(&[], &["check", "--root", root.to_str().unwrap(), "--format", "json"]);
    assert_eq!(full.status, 4, "{}", full.stderr);
    let healed = boot.run(&[], &[&repair[..], &place].concat());
    let document = healed.document(1);
    let verbs: Vec<&Value> =
        document["actions"].as_array().unwrap().iter().map(|action| &action["verb"]).collect();
    assert!(!verbs.is_empty() && verbs.iter().all(|verb| *verb == "restore"), "{document:#}");
    assert_eq!(document["pull_bytes"], 0);
    eprintln!("{kind} containerd {generation}: {} of {} bytes", healed.read_bytes, full.read_bytes);
    assert!(healed.read_bytes * 20 < full.read_bytes, "{} of {}", healed.read_bytes, full.read_bytes);

    let before = registry.blob_pulls();
    let mut containerd = Containerd::start(bed, generation, &root);
    let image = registry.reference("small:t");
    containerd.pull(&image);
    let said = containerd.run_with(&["--rm"], &image, "once", &["/bin/sh", "-c", "echo $((6 * 7))"]);
    assert_eq!((said.trim(), registry.blob_pulls()), ("42", before), "{kind} {generation}");
    containerd.stop();
    let after = check(&root, &["--strict"]);
    assert_eq!(after.status, 0, "{kind} {generation}: {:#}", after.report);

    assert_eq!(boot.run(&[], &[&["stamp"][..], &place].concat()).status, 0);
    let reads = state.path().join("reads");
    let trace = "trace=read,pread64,readv,preadv,preadv2,mmap,sendfile,copy_file_range";
    // Names alone: what is read may hold such names itself, of the mounts of other tests.
    let strace = ["strace", "-f", "-y", "-s", "0", "-e", trace, "-o", reads.to_str().unwrap()];
    let next = Boot::begin();
    let document = next.run(&strace, &[&repair[..], &place].concat()).document(0);
    assert_eq!(document["outcome"], "clean", "{document:#}");
    let reads = std::fs::read_to_string(reads).unwrap();
    assert!(reads.contains("/meta.db>"), "{reads}");
    let layers = layers_of(&bed.image("small"));
    let layers: Vec<&str> = layers.iter().map(|layer| layer.trim_start_matches("sha256:")).collect();
    let content =
        |line: &&str| line.contains("/snapshots/") || layers.iter().any(|layer| line.contains(layer));
    eprintln!("after a clean stop: {} reads of blobs", reads.matches("/blobs/").count());
    assert_eq!(reads.lines().filter(content).collect::<Vec<_>>(), [""; 0], "content was read");
}

/// A node with many images, and one that was pulled just before the power went: what is left of it.
fn cut(bed: &Bed, registry: &Registry, kind: FsKind, generation: Generation) -> LoopFs {
    let live = LoopFs::new(kind, 4 << 30);
    let mut containerd = Containerd::start(bed, generation, &live.path().join("root"));
    let folder = tempfile::tempdir().unwrap();
    for number in 0..OLDER {
        let name = format!("older-{number}:t");
        let layout = folder.path().join(number.to_string());
        write_noise(&layout, OLDER_BYTES, number);
        registry.push(&layout, &name);
        containerd.pull(&registry.reference(&name));
    }
    live.sync();
    std::thread::sleep(WINDOW + Duration::from_secs(3));
    registry.push(&bed.image("small"), "small:t");
    containerd.pull(&registry.reference("small:t"));
    let cut = live.cut_image();
    containerd.stop();
    drop((containerd, live));
    cut.mount()
}
