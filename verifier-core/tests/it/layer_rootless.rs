//! A containerd in a user namespace: what it unpacks is compared as far as that is sound, and nothing healthy is called
//! damaged.

use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testdata::bed::{self, Bed, Compression, Generation};
use testdata::layers;
use verifier_core::Interrupt;
use verifier_core::event::Unobserved;
use verifier_core::finding::Code;
use verifier_core::finding::Depth;
use verifier_core::{CheckOptions, Store, check};

/// The namespace's root, outside of it.
const OWNER: u32 = 100_000;

/// A process that is ended with its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A namespace where 0 to 65535 are 100000 to 165535 outside.
fn namespace() -> Process {
    let mut unshare = Command::new("unshare");
    let process = Process(unshare.args(["--user", "--mount", "sleep", "600"]).spawn().unwrap());
    let proc = format!("/proc/{}", process.0.id());
    let own = std::fs::read_link("/proc/self/ns/user").unwrap();
    wait("a user namespace", || {
        std::fs::read_link(format!("{proc}/ns/user")).is_ok_and(|found| found != own)
    });
    for map in ["uid_map", "gid_map"] {
        std::fs::write(format!("{proc}/{map}"), format!("0 {OWNER} 65536\n")).unwrap();
    }
    process
}

struct Rootless {
    daemon: Process,
    _namespace: Process,
    ctr: std::path::PathBuf,
    socket: std::path::PathBuf,
}

impl Rootless {
    fn start(bed: &Bed, generation: Generation, home: &Path) -> Rootless {
        let namespace = namespace();
        for folder in ["", "root", "state"] {
            std::fs::create_dir_all(home.join(folder)).unwrap();
            chown(home.join(folder), Some(OWNER), Some(OWNER)).unwrap();
        }
        std::fs::set_permissions(home, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let (at, socket) = (home.display(), home.join("sock"));
        let config = format!(
            "version = 2\nroot = \"{at}/root\"\nstate = \"{at}/state\"\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = \"{}\"\n",
            socket.display()
        );
        std::fs::write(home.join("config.toml"), config).unwrap();
        let bin = bed.bin(generation);
        let log = std::fs::File::create(home.join("log")).unwrap();
        let daemon = Command::new("nsenter")
            .args([
                "--target",
                &namespace.0.id().to_string(),
                "--user",
                "--mount",
                "--setuid",
                "0",
                "--setgid",
                "0",
            ])
            .arg(bin.join("containerd"))
            .arg("--config")
            .arg(home.join("config.toml"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let rootless =
            Rootless { daemon: Process(daemon), _namespace: namespace, ctr: bin.join("ctr"), socket };
        wait("a containerd in a user namespace", || rootless.ctr(&["version"]));
        rootless
    }

    fn ctr(&self, args: &[&str]) -> bool {
        let mut command = Command::new(&self.ctr);
        command.arg("--address").arg(&self.socket).args(args);
        bed::run(&mut command, Duration::from_secs(60)).status.success()
    }
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn nothing_healthy_is_damaged_and_empty_files_are() {
    let bed = bed::gate();
    for generation in bed.generations() {
        let home = tempfile::tempdir().unwrap();
        let mut rootless = Rootless::start(&bed, generation, home.path());
        let mut taken = 0;
        for (number, image) in layers::images().into_iter().enumerate() {
            let layout = home.path().join("layout");
            let layers: Vec<_> =
                image.layers.iter().map(|layer| (Compression::Gzip, layer.as_slice())).collect();
            bed::write_layout(&layout, &layers);
            let archive = home.path().join("archive.tar");
            let mut tar = Command::new("tar");
            bed::succeed(
                tar.arg("-C").arg(&layout).arg("-cf").arg(&archive).arg("."),
                Duration::from_secs(60),
            );
            let (namespace, archive) = (format!("n{number}"), archive.to_string_lossy().into_owned());
            // Some need what no namespace allows; what is left of a failed one goes.
            if rootless.ctr(&["-n", &namespace, "images", "import", "--base-name", "x", &archive]) {
                taken += 1;
            }
            std::fs::remove_dir_all(layout).unwrap();
        }
        assert!(taken > 20, "{generation} takes {taken} images");
        rootless.daemon.0.kill().unwrap();
        rootless.daemon.0.wait().unwrap();

        let root = home.path().join("root");
        let store = Store::open(&root).unwrap();
        let options = CheckOptions::default().depth(Depth::Full);
        let look = || check(&store, &options, &Unobserved, &Interrupt::default()).unwrap();
        let report = look();
        let found = report.findings.iter().filter(|finding| finding.code() == Code::SnapshotDiffers);
        let found: Vec<String> = found.map(|finding| serde_json::to_string(finding).unwrap()).collect();
        assert!(found.is_empty(), "{generation}: {}", found.join("\n"));
        assert!(report.coverage.snapshots.checked > 20, "{:?}", report.coverage.snapshots);

        // What is compared is compared: the files of an image lose their bytes.
        let snapshots = root.join("io.containerd.snapshotter.v1.overlayfs/snapshots");
        let mut emptied = 0;
        for snapshot in std::fs::read_dir(snapshots).unwrap() {
            let file = snapshot.unwrap().path().join("fs/d/a");
            if std::fs::symlink_metadata(&file).is_ok_and(|found| found.is_file() && found.len() > 0) {
                std::fs::File::create(&file).unwrap();
                emptied += 1;
            }
        }
        let report = look();
        let damaged =
            report.findings.iter().filter(|finding| finding.code() == Code::SnapshotDiffers).count();
        assert!(emptied > 0 && damaged >= emptied, "{emptied} emptied, {damaged} found");
    }
}
