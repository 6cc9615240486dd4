//! The containerd of a root: the version of the installed one, and whether it syncs what it unpacks. Read as text, never asked of
//! a program: who holds a root may run a program of his choice.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use super::state::{State, state};
use super::{Machine, config, find};
use crate::io::locks::inode;

/// What is known of the containerd that uses a root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Daemon {
    /// The version of the installed one, `2.1.4`, where the root is that one's and a package says so.
    pub(super) version: Option<String>,
    /// Whether it syncs what it unpacks, where its configuration could be read.
    pub(super) syncs_unpacked: Option<bool>,
}

/// Where packages put containerd.
const PROGRAM: &str = "/usr/bin/containerd";
/// The packages that bring it: Docker's, Debian's and Ubuntu's.
const PACKAGES: [&str; 3] = ["containerd.io", "containerd", "containerd-app"];
/// No list of packages is longer.
const LIST_BYTES: u64 = 64 << 20;

/// What can be told of the containerd that uses `root`, on this machine.
pub(super) fn daemon(root: &Path) -> Daemon {
    let machine = Machine::at(Path::new("/"));
    let root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    let version = is_installed_ones(&machine, &root).then(|| installed_version(&machine)).flatten();
    Daemon { version, syncs_unpacked: config::syncs_unpacked(&machine, &root) }
}

/// Whether the root is the installed containerd's: it holds it, or nobody does and it would by default.
fn is_installed_ones(machine: &Machine, root: &Path) -> bool {
    match state(machine, root) {
        State::InUse { pid } => pid.is_some_and(|pid| {
            let exe = machine.real(Path::new(&format!("/proc/{pid}/exe")));
            // A program that was replaced since has ` (deleted)` behind its name; one in a container has another inode.
            std::fs::read_link(&exe).is_ok_and(|path| path == Path::new(PROGRAM))
                && inode(&exe).is_some_and(|exe| Some(exe) == inode(&machine.real(Path::new(PROGRAM))))
        }),
        _ => machine.canonical(&find::default_root(machine)).as_deref() == Some(root),
    }
}

/// The version that the package of [`PROGRAM`] has, by dpkg's own lists (dpkg(1), `/var/lib/dpkg`).
fn installed_version(machine: &Machine) -> Option<String> {
    let package = PACKAGES.into_iter().find(|package| brings(machine, package))?;
    let mut stanza = Stanza::default();
    for line in lines(machine, Path::new("/var/lib/dpkg/status"))? {
        if line.is_empty() {
            if let Some(version) = stanza.version_of(package) {
                return Some(version);
            }
            stanza = Stanza::default();
        }
        stanza.add(&line);
    }
    stanza.version_of(package)
}

/// Whether the list of the package's files names the program.
fn brings(machine: &Machine, package: &str) -> bool {
    let list = PathBuf::from(format!("/var/lib/dpkg/info/{package}.list"));
    lines(machine, &list).is_some_and(|mut lines| lines.any(|line| line == PROGRAM))
}

fn lines(machine: &Machine, path: &Path) -> Option<impl Iterator<Item = String>> {
    let file = BufReader::new(machine.open(path)?.take(LIST_BYTES));
    Some(file.split(b'\n').map_while(Result::ok).map(|line| String::from_utf8_lossy(&line).into_owned()))
}

/// What matters of one package in dpkg's `status`.
#[derive(Default)]
struct Stanza {
    package: Option<String>,
    version: Option<String>,
    is_installed: bool,
}

impl Stanza {
    fn add(&mut self, line: &str) {
        match line.split_once(": ") {
            Some(("Package", name)) => self.package = Some(name.to_owned()),
            Some(("Version", version)) => self.version = Some(version.to_owned()),
            Some(("Status", status)) => self.is_installed = status.ends_with(" installed"),
            _ => {}
        }
    }

    /// containerd's own part of `epoch:version-revision` (deb-version(7)).
    fn version_of(&self, package: &str) -> Option<String> {
        let is_it = self.is_installed && self.package.as_deref() == Some(package);
        let version = self.version.as_deref().filter(|_| is_it)?;
        let version = version.split_once(':').map_or(version, |(_, version)| version);
        Some(version.rsplit_once('-').map_or(version, |(version, _)| version).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const STATUS: &str = "Package: containerd\nStatus: deinstall ok config-files\nVersion: 1.6.20~ds1-1\n\n\
        Package: containerd.io\nStatus: install ok installed\nDescription: x\n Version: 9\nVersion: 5:2.1.9-1~debian.12\n\n\
        Package: zlib1g\nStatus: install ok installed\nVersion: 1:1.2.13.dfsg-1\n";

    fn machine(package: &str, status: &str) -> (tempfile::TempDir, Machine) {
        let mount = tempfile::tempdir().unwrap();
        let at = |path: &str| mount.path().join(path);
        for folder in ["var/lib/dpkg/info", "usr/bin", "var/lib/containerd"] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        std::fs::write(at("usr/bin/containerd"), "").unwrap();
        std::fs::write(at("var/lib/dpkg/status"), status).unwrap();
        std::fs::write(at(&format!("var/lib/dpkg/info/{package}.list")), "/.\n/usr\n/usr/bin/containerd\n")
            .unwrap();
        let machine = Machine::at(mount.path());
        (mount, machine)
    }

    #[test]
    fn a_version_is_what_the_package_says() {
        let version = |package, status| installed_version(&machine(package, status).1);
        assert_eq!(version("containerd.io", STATUS).as_deref(), Some("2.1.9"));
        assert_eq!(version("containerd", STATUS), None, "removed");
        assert_eq!(version("zlib1g", STATUS), None, "brings it, and is no containerd");
        let debian = "Package: containerd\nStatus: install ok installed\nVersion: 1.6.20~ds1-1+deb12u1";
        assert_eq!(version("containerd", debian).as_deref(), Some("1.6.20~ds1"));
        assert_eq!(version("containerd", ""), None);
    }

    #[test]
    fn it_is_said_of_its_own_root_alone() {
        let (mount, machine) = machine("containerd.io", STATUS);
        assert!(is_installed_ones(&machine, Path::new("/var/lib/containerd")));
        assert!(!is_installed_ones(&machine, Path::new("/data")));
        std::fs::create_dir_all(mount.path().join("etc/containerd")).unwrap();
        std::fs::write(mount.path().join("etc/containerd/config.toml"), "root = \"/data\"\n").unwrap();
        assert!(is_installed_ones(&machine, Path::new("/data")));
        assert!(!is_installed_ones(&machine, Path::new("/var/lib/containerd")));
    }

    #[test]
    fn a_holder_that_is_another_program_is_not_the_installed_one() {
        let (mount, machine) = machine("containerd.io", STATUS);
        let at = |path: &str| mount.path().join(path);
        let meta_db = at("var/lib/containerd").join(crate::layout::META_DB);
        std::fs::create_dir_all(meta_db.parent().unwrap()).unwrap();
        // Another process: what this one holds does not count.
        let child =
            std::process::Command::new("flock").arg("--no-fork").arg(&meta_db).args(["sleep", "60"]).spawn();
        let Ok(mut child) = child else { panic!("flock(1) is needed") };
        let root = Path::new("/var/lib/containerd");
        let pid = loop {
            match state(&machine, root) {
                State::InUse { pid: Some(pid) } => break pid,
                _ => std::thread::sleep(std::time::Duration::from_millis(10)),
            }
        };
        let exe = at(&format!("proc/{pid}/exe"));
        std::fs::create_dir_all(exe.parent().unwrap()).unwrap();
        assert!(!is_installed_ones(&machine, root), "its program does not show");
        symlink("/opt/containerd", &exe).unwrap();
        assert!(!is_installed_ones(&machine, root), "another program");
        std::fs::remove_file(&exe).unwrap();
        symlink("/usr/bin/containerd (deleted)", &exe).unwrap();
        assert!(!is_installed_ones(&machine, root), "replaced since");
        let _ = child.kill();
        let _ = child.wait();
    }
}
