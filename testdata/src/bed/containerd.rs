//! A real containerd on a root of the test's choosing.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::process::{end_child, ended_well, kill_by_argument, poll, run, succeed, unmount_below};
use super::{Bed, Generation};

/// How long one `ctr` command may take.
const CTR_LIMIT: Duration = Duration::from_secs(180);

/// What a test may want otherwise than [`Containerd::start`] does it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether the CRI plugins run.
    pub cri: bool,
    /// TOML (config version 2) to append to the config file.
    pub config: String,
    /// Variables to set for the daemon.
    pub env: Vec<(String, String)>,
}

/// A running containerd. Dropped: its containers and shims are killed, it is stopped, and what it mounted is unmounted;
/// its root stays.
///
/// State, socket and log are in a temporary folder of its own, so any number can run beside each other and beside the
/// machine's own.
#[derive(Debug)]
pub struct Containerd {
    child: Child,
    folder: TempDir,
    root: PathBuf,
    bin: PathBuf,
    generation: Generation,
}

impl Containerd {
    /// Starts one on `root`, which is made when it is missing, and waits until it answers.
    pub fn start(bed: &Bed, generation: Generation, root: &Path) -> Containerd {
        Containerd::start_with(bed, generation, root, &Options::default())
    }

    /// [`Containerd::start`] with options.
    pub fn start_with(bed: &Bed, generation: Generation, root: &Path, options: &Options) -> Containerd {
        let started = Containerd::try_start(bed, generation, root, options);
        started.unwrap_or_else(|log| panic!("containerd {generation} does not answer:\n{log}"))
    }

    /// Starts one that may fail, as on a damaged root. The error is its log.
    pub fn try_start(
        bed: &Bed,
        generation: Generation,
        root: &Path,
        options: &Options,
    ) -> Result<Containerd, String> {
        std::fs::create_dir_all(root).expect("containerd's root");
        let root = root.canonicalize().expect("containerd's root");
        // A socket's path has 107 bytes at most: keep it short.
        let folder = tempfile::Builder::new().prefix("fsck-bed-").tempdir_in("/run").expect("folder in /run");
        let bin = bed.bin(generation);
        let config = folder.path().join("config.toml");
        std::fs::write(&config, config_text(folder.path(), &root, options)).expect("containerd config");
        let log = File::create(folder.path().join("log")).expect("containerd log");
        let child = Command::new(bin.join("containerd"))
            .arg("--config")
            .arg(&config)
            .env("PATH", path_with(&bin))
            .envs(options.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("descriptor"))
            .stderr(log)
            .spawn()
            .expect("containerd, which ci/setup unpacks");
        let mut containerd = Containerd { child, folder, root, bin, generation };
        match poll(Duration::from_secs(60), || containerd.state()) {
            Some(true) => Ok(containerd),
            _ => Err(containerd.log()),
        }
    }

    /// Whether it is up (true), has ended (false), or is still on its way.
    fn state(&mut self) -> Option<bool> {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return Some(false);
        }
        (self.socket().exists() && self.try_ctr(&["version"]).status.success()).then_some(true)
    }

    /// Runs `ctr ARGS` and panics unless it succeeds; gives its stdout. `-n NAMESPACE` may stand first.
    ///
    /// A snapshot that nothing holds may be collected between ctr's look at it and its use as a parent (seen on 1.6, where a
    /// lease takes hold of new snapshots only): such a command runs once more.
    pub fn ctr(&self, args: &[&str]) -> String {
        let first = self.try_ctr(args);
        let said = String::from_utf8_lossy(&first.stderr);
        if !first.status.success() && said.contains("parent snapshot") && said.contains("does not exist") {
            return succeed(&mut self.ctr_command(args), CTR_LIMIT);
        }
        ended_well(&self.ctr_command(args), &first)
    }

    /// Runs `ctr ARGS`, whatever comes of it.
    pub fn try_ctr(&self, args: &[&str]) -> Output {
        run(&mut self.ctr_command(args), CTR_LIMIT)
    }

    /// `ctr -a SOCKET ARGS`, not yet run.
    pub fn ctr_command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.bin.join("ctr"));
        command.arg("--address").arg(self.socket()).args(args).env("PATH", path_with(&self.bin));
        command
    }

    /// Imports the tag `latest` of an OCI layout as `NAME:latest`, unpacked.
    pub fn import(&self, layout: &Path, name: &str) {
        let archive = self.folder.path().join("import.tar");
        succeed(Command::new("tar").arg("-C").arg(layout).arg("-cf").arg(&archive).arg("."), CTR_LIMIT);
        self.ctr(&["images", "import", "--base-name", name, &archive.to_string_lossy()]);
        std::fs::remove_file(&archive).expect("the archive just made");
    }

    /// Has the collector run, to its end: else it may be stopped between a record and its file.
    pub fn collect(&self) {
        self.ctr(&["leases", "create", "--id", "collect"]);
        self.ctr(&["leases", "delete", "--sync", "collect"]);
    }

    /// Pulls over plain HTTP and unpacks.
    pub fn pull(&self, reference: &str) {
        self.ctr(&["images", "pull", "--plain-http", reference]);
    }

    /// Runs a container of an image that is here, in the background, in namespace `default`.
    pub fn run(&self, image: &str, id: &str, args: &[&str]) {
        self.run_with(&["--detach"], image, id, args);
    }

    /// Runs a container with more flags of `ctr run`; `--rm` waits for its end, and its output comes back.
    ///
    /// runc's own state and the cgroup are this daemon's, so two daemons may use the same id.
    pub fn run_with(&self, flags: &[&str], image: &str, id: &str, args: &[&str]) -> String {
        let runc_root = self.runc_root().to_string_lossy().into_owned();
        let cgroup =
            format!("/{}-{id}", self.folder.path().file_name().unwrap_or_default().to_string_lossy());
        let own = ["run", "--runc-root", &runc_root, "--cgroup", &cgroup];
        let args = [&own, flags, &[image, id], args].concat();
        let said = self.ctr(&args);
        if said.is_empty() && flags.contains(&"--rm") {
            // Under load ctr was seen to lose what a container wrote just before it ended: once more.
            return self.ctr(&args);
        }
        said
    }

    /// Kills a container's task and waits until containerd has cleaned it up; container and snapshot stay.
    pub fn stop_container(&self, id: &str) {
        self.try_ctr(&["tasks", "kill", "--signal", "SIGKILL", id]);
        let gone = poll(Duration::from_secs(30), || {
            self.try_ctr(&["tasks", "delete", id]);
            let tasks = self.ctr(&["tasks", "list", "--quiet"]);
            (!tasks.lines().any(|task| task == id)).then_some(())
        });
        assert!(gone.is_some(), "the task of {id} does not end");
    }

    /// Stops it and waits: containers and shims first, then SIGTERM. Everything of its metadata is in the page cache.
    pub fn stop(&mut self) {
        self.kill_containers();
        end_child(&mut self.child, Duration::from_secs(20));
        unmount_below(self.folder.path());
        unmount_below(&self.root);
    }

    /// Kills it as the kernel's OOM killer would, containers left running, and waits until it is gone.
    pub fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// containerd's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its generation.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Its root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Its gRPC socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("sock")
    }

    /// Its config file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn runc_root(&self) -> PathBuf {
        self.folder.path().join("runc")
    }

    /// `runc delete --force` kills a container and removes its cgroup; runc keeps ROOT/NAMESPACE/ID.
    fn kill_containers(&self) {
        for namespace in children(&self.runc_root()) {
            for container in children(&namespace) {
                let mut runc = Command::new(self.bin.join("runc"));
                runc.arg("--root").arg(&namespace).args(["delete", "--force"]);
                run(runc.arg(container.file_name().unwrap_or_default()), Duration::from_secs(30));
            }
        }
        kill_by_argument(&self.socket().to_string_lossy());
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        self.stop();
    }
}

fn config_text(folder: &Path, root: &Path, options: &Options) -> String {
    // Ids of 1.x, 2.x and of both. A disabled plugin that a generation does not know is no error.
    let cri = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"];
    let slow = ["io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"];
    let off: Vec<&str> = if options.cri { slow.to_vec() } else { [&slow[..], &cri[..]].concat() };
    let folder = folder.display();
    let cri_runtime = format!(
        "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n  runtime_type = \"io.containerd.runc.v2\"\n\
         [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n  Root = \"{folder}/runc\"\n"
    );
    format!(
        "version = 2\nroot = {root:?}\nstate = \"{folder}/state\"\ndisabled_plugins = {off:?}\n[grpc]\n  address = \"{folder}/sock\"\n\
         {}{}\n",
        if options.cri { cri_runtime.as_str() } else { "" },
        options.config
    )
}

fn path_with(bin: &Path) -> String {
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default())
}

fn children(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
