//! The roots that running processes use, by their command lines.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{Machine, config, find};

/// A process that runs, or is, a containerd.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// The program's name.
    pub(super) name: String,
    /// The root that its command line leads to.
    pub(super) root: PathBuf,
    /// The socket that it leads to.
    pub(super) address: PathBuf,
}

/// The processes of `machine` that use a root, with what they use.
pub(super) fn processes(machine: &Machine) -> Vec<Process> {
    let mut pids: Vec<u32> =
        machine.list(Path::new("/proc")).iter().filter_map(|name| name.to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids.into_iter().filter_map(|pid| process(machine, pid)).collect()
}

fn process(machine: &Machine, pid: u32) -> Option<Process> {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let line = machine.read(&folder.join("cmdline"))?;
    let args: Vec<&[u8]> = line.split(|byte| *byte == 0).filter(|arg| !arg.is_empty()).collect();
    let (program, args) = args.split_first()?;
    // k3s and rke2 write over their command line: one argument with spaces, `/usr/local/bin/k3s server`.
    let program = program.split(|byte| *byte == b' ').next()?;
    let name = std::str::from_utf8(program.rsplit(|byte| *byte == b'/').next()?).ok()?;
    let Used { root, address } = used(machine, name, args)?;
    let is_ours = is_trusted(machine, &folder, &root) && is_same_folder(machine, &folder, &root);
    is_ours.then(|| Process { pid, name: name.to_owned(), root, address })
}

/// What a command line leads to.
#[derive(Debug, PartialEq, Eq)]
struct Used {
    root: PathBuf,
    address: PathBuf,
}

fn used(machine: &Machine, name: &str, args: &[&[u8]]) -> Option<Used> {
    let data_dir = |names: &[&str], default: &str| option(args, names).unwrap_or_else(|| default.into());
    let of = |root: PathBuf, address: &str| Some(Used { root, address: address.into() });
    match name {
        "containerd" => {
            let file = option(args, &["--config", "-config", "-c"]);
            let named = config::named(machine, &file.unwrap_or_else(|| find::CONFIG.into()));
            let root = option(args, &["--root", "-root"]).or(named.root);
            let address = option(args, &["--address", "-address", "-a"]).or(named.address);
            Some(Used {
                root: root.unwrap_or_else(|| find::DEFAULT_ROOT.into()),
                address: address.unwrap_or_else(|| find::DEFAULT_ADDRESS.into()),
            })
        }
        "k3s" => of(
            data_dir(&["--data-dir", "-d"], "/var/lib/rancher/k3s").join("agent/containerd"),
            find::K3S_ADDRESS,
        ),
        "rke2" => of(
            data_dir(&["--data-dir", "-d"], "/var/lib/rancher/rke2").join("agent/containerd"),
            find::K3S_ADDRESS,
        ),
        "k0s" => of(data_dir(&["--data-dir"], "/var/lib/k0s").join("containerd"), find::K0S_ADDRESS),
        "dockerd" => of(option(args, &["--data-root", "-g"])?.join(find::IN_DOCKER), find::DOCKER_ADDRESS),
        _ => None,
    }
}

/// The value of the first of `names` that is among `args`, as `NAME VALUE` or `NAME=VALUE`, if it is absolute.
fn option(args: &[&[u8]], names: &[&str]) -> Option<PathBuf> {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        for name in names {
            let value = match arg.strip_prefix(name.as_bytes()) {
                Some([]) => args.as_slice().first().copied(),
                Some([b'=', value @ ..]) => Some(value),
                _ => None,
            };
            if let Some(value) = value {
                let value = PathBuf::from(std::ffi::OsStr::from_bytes(value));
                return value.is_absolute().then_some(value);
            }
        }
    }
    None
}

/// Whether root runs the process, or the owner of the root that it names: what others call containerd leads nowhere.
fn is_trusted(machine: &Machine, process: &Path, root: &Path) -> bool {
    let owner = |path: PathBuf| path.metadata().ok().map(|stat| stat.uid());
    // A program that is set-uid root, waiting for a password, still has its caller's number for its real one.
    let status = machine.read(&process.join("status")).and_then(|status| uids(&status));
    let Some(uids) = status.or_else(|| Some(vec![owner(machine.real(process))?])) else { return false };
    let is_trusted = |uid: &u32| {
        *uid == 0 || machine.canonical(root).and_then(|root| owner(machine.real(&root))) == Some(*uid)
    };
    uids.iter().all(is_trusted)
}

/// The real, effective, saved and file system's user, by `/proc/PID/status`.
fn uids(status: &[u8]) -> Option<Vec<u32>> {
    let line = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"Uid:"))?;
    let uids: Option<Vec<u32>> =
        std::str::from_utf8(line).ok()?.split_ascii_whitespace().map(|uid| uid.parse().ok()).collect();
    uids.filter(|uids| !uids.is_empty())
}

/// Whether `root` is for the process what it is for us: in a container of its own it is another folder.
fn is_same_folder(machine: &Machine, process: &Path, root: &Path) -> bool {
    let of = |path: PathBuf| path.metadata().ok().map(|stat| (stat.dev(), stat.ino()));
    let process_root = machine.real(&process.join("root"));
    if process_root.read_dir().is_err() {
        return true;
    }
    of(process_root.join(root.strip_prefix("/").unwrap_or(root))) == of(machine.real(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used_by(name: &str, line: &str) -> Option<(String, String)> {
        let mount = tempfile::tempdir().unwrap();
        let config = "root = \"/from/config\"\n[grpc]\naddress = \"/from/c.sock\"\n";
        std::fs::write(mount.path().join("c.toml"), config).unwrap();
        let args: Vec<&[u8]> = line.split_whitespace().map(str::as_bytes).collect();
        let used = used(&Machine::at(mount.path()), name, &args)?;
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        Some((text(used.root), text(used.address)))
    }

    #[test]
    fn command_lines() {
        let k3s = "/run/k3s/containerd/containerd.sock";
        let own = find::DEFAULT_ADDRESS;
        for (name, line, used) in [
            ("containerd", "", Some(("/var/lib/containerd", own))),
            ("containerd", "--log-level debug --root /a", Some(("/a", own))),
            ("containerd", "-c /c.toml", Some(("/from/config", "/from/c.sock"))),
            ("containerd", "--config=/c.toml --root=/b -a /b.sock", Some(("/b", "/b.sock"))),
            ("containerd", "--address=/x.sock --config /none.toml", Some(("/var/lib/containerd", "/x.sock"))),
            ("containerd", "--root relative -c", Some(("/var/lib/containerd", own))),
            ("containerd-shim-runc-v2", "--root /a -address /a.sock", None),
            ("k3s", "server --data-dir /k", Some(("/k/agent/containerd", k3s))),
            ("k3s", "agent", Some(("/var/lib/rancher/k3s/agent/containerd", k3s))),
            ("rke2", "server -d /r", Some(("/r/agent/containerd", k3s))),
            ("k0s", "worker --data-dir=/z", Some(("/z/containerd", "/run/k0s/containerd.sock"))),
            ("dockerd", "-H fd://", None),
            (
                "dockerd",
                "--data-root /d",
                Some(("/d/containerd/daemon", "/run/docker/containerd/containerd.sock")),
            ),
        ] {
            let found = used_by(name, line);
            let found = found.as_ref().map(|(root, address)| (root.as_str(), address.as_str()));
            assert_eq!(found, used, "{name} {line}");
        }
    }

    #[test]
    fn what_others_run_does_not_count() {
        let mount = tempfile::tempdir().unwrap();
        let machine = Machine::at(mount.path());
        let at = |path: &str| mount.path().join(path);
        for folder in ["proc/9", "theirs", "ours"] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        let is_trusted = |root: &str| is_trusted(&machine, Path::new("/proc/9"), Path::new(root));
        if std::os::unix::fs::chown(at("proc/9"), Some(1000), None).is_err() {
            assert!(is_trusted("/ours"), "its own, where this is not root");
            return;
        }
        std::os::unix::fs::chown(at("theirs"), Some(1000), None).unwrap();
        assert!(is_trusted("/theirs"));
        assert!(!is_trusted("/ours") && !is_trusted("/none"));
        std::os::unix::fs::chown(at("proc/9"), Some(0), None).unwrap();
        assert!(is_trusted("/theirs") && is_trusted("/ours") && is_trusted("/none"));
        let status =
            |uids: &str| std::fs::write(at("proc/9/status"), format!("Name:\tx\nUid:{uids}\nGid:\t0\n"));
        status("\t1000\t0\t0\t0").unwrap();
        assert!(is_trusted("/theirs") && !is_trusted("/ours"), "set-uid root, run by another");
        status("\t0\t0\t0\t0").unwrap();
        assert!(is_trusted("/theirs") && is_trusted("/ours"));
    }

    #[test]
    fn processes_are_read_from_proc() {
        let mount = tempfile::tempdir().unwrap();
        let start = |pid: &str, line: &[u8]| {
            std::fs::create_dir_all(mount.path().join("proc").join(pid)).unwrap();
            std::fs::write(mount.path().join("proc").join(pid).join("cmdline"), line).unwrap();
        };
        std::fs::create_dir_all(mount.path().join("data")).unwrap();
        start("20", b"/usr/bin/containerd\0--root\0/data\0--address\0/d.sock\0");
        start("3", b"/usr/local/bin/k3s server\0\0\0");
        start("4", b"");
        start("5", b"\xff\xfe\0--root\0/x");
        start("self", b"containerd\0");
        let found = processes(&Machine::at(mount.path()));
        let k3s = "/var/lib/rancher/k3s/agent/containerd".into();
        assert_eq!(
            found,
            [
                Process { pid: 3, name: "k3s".into(), root: k3s, address: find::K3S_ADDRESS.into() },
                Process {
                    pid: 20,
                    name: "containerd".into(),
                    root: "/data".into(),
                    address: "/d.sock".into()
                }
            ]
        );
    }

    #[test]
    fn what_a_container_calls_by_that_name_is_not_ours() {
        let mount = tempfile::tempdir().unwrap();
        let machine = Machine::at(mount.path());
        let (process, root) = (Path::new("/proc/7"), Path::new("/data"));
        std::fs::create_dir_all(mount.path().join("data")).unwrap();
        assert!(is_same_folder(&machine, process, root), "its root may not be looked at");
        std::fs::create_dir_all(mount.path().join("proc/7/root/data")).unwrap();
        assert!(!is_same_folder(&machine, process, root));
        std::fs::remove_dir_all(mount.path().join("proc/7/root")).unwrap();
        std::os::unix::fs::symlink(mount.path(), mount.path().join("proc/7/root")).unwrap();
        assert!(is_same_folder(&machine, process, root));
    }
}
