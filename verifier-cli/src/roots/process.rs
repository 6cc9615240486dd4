//! The roots that running processes use, by their command lines.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{Machine, config};

/// A process that runs, or is, a containerd.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// The program's name.
    pub(super) name: String,
    /// The root that its command line leads to.
    pub(super) root: PathBuf,
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
    let root = root_of(machine, name, args)?;
    is_ours(machine, &folder, &root).then(|| Process { pid, name: name.to_owned(), root })
}

/// The root that a command line leads to.
fn root_of(machine: &Machine, name: &str, args: &[&[u8]]) -> Option<PathBuf> {
    let data_dir = |names: &[&str], default: &str| option(args, names).unwrap_or_else(|| default.into());
    match name {
        "containerd" => option(args, &["--root", "-root"])
            .or_else(|| {
                let file = option(args, &["--config", "-config", "-c"]);
                config::containerd_root(machine, &file.unwrap_or_else(|| super::find::CONFIG.into()))
            })
            .or_else(|| Some("/var/lib/containerd".into())),
        "k3s" => Some(data_dir(&["--data-dir", "-d"], "/var/lib/rancher/k3s").join("agent/containerd")),
        "rke2" => Some(data_dir(&["--data-dir", "-d"], "/var/lib/rancher/rke2").join("agent/containerd")),
        "k0s" => Some(data_dir(&["--data-dir"], "/var/lib/k0s").join("containerd")),
        "dockerd" => {
            let own = option(args, &["--data-root", "-g"])?;
            Some(own.join(super::find::IN_DOCKER))
        }
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

/// Whether `root` is for the process what it is for us: in a container of its own it is another folder.
fn is_ours(machine: &Machine, process: &Path, root: &Path) -> bool {
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

    fn root_by(name: &str, line: &str) -> Option<String> {
        let mount = tempfile::tempdir().unwrap();
        std::fs::write(mount.path().join("c.toml"), "root = \"/from/config\"\n").unwrap();
        let args: Vec<&[u8]> = line.split_whitespace().map(str::as_bytes).collect();
        root_of(&Machine::at(mount.path()), name, &args).map(|root| root.to_str().unwrap().to_owned())
    }

    #[test]
    fn command_lines() {
        for (name, line, root) in [
            ("containerd", "", Some("/var/lib/containerd")),
            ("containerd", "--log-level debug --root /a", Some("/a")),
            ("containerd", "-c /c.toml", Some("/from/config")),
            ("containerd", "--config=/c.toml --root=/b", Some("/b")),
            ("containerd", "--config /none.toml", Some("/var/lib/containerd")),
            ("containerd", "--root relative -c", Some("/var/lib/containerd")),
            ("containerd-shim-runc-v2", "--root /a", None),
            ("k3s", "server --data-dir /k", Some("/k/agent/containerd")),
            ("k3s", "agent", Some("/var/lib/rancher/k3s/agent/containerd")),
            ("rke2", "server -d /r", Some("/r/agent/containerd")),
            ("k0s", "worker --data-dir=/z", Some("/z/containerd")),
            ("dockerd", "-H fd://", None),
            ("dockerd", "--data-root /d", Some("/d/containerd/daemon")),
        ] {
            assert_eq!(root_by(name, line).as_deref(), root, "{name} {line}");
        }
    }

    #[test]
    fn processes_are_read_from_proc() {
        let mount = tempfile::tempdir().unwrap();
        let start = |pid: &str, line: &[u8]| {
            std::fs::create_dir_all(mount.path().join("proc").join(pid)).unwrap();
            std::fs::write(mount.path().join("proc").join(pid).join("cmdline"), line).unwrap();
        };
        start("20", b"/usr/bin/containerd\0--root\0/data\0");
        start("3", b"/usr/local/bin/k3s server\0\0\0");
        start("4", b"");
        start("5", b"\xff\xfe\0--root\0/x");
        start("self", b"containerd\0");
        let found = processes(&Machine::at(mount.path()));
        let k3s = "/var/lib/rancher/k3s/agent/containerd".into();
        assert_eq!(
            found,
            [
                Process { pid: 3, name: "k3s".into(), root: k3s },
                Process { pid: 20, name: "containerd".into(), root: "/data".into() }
            ]
        );
    }

    #[test]
    fn what_a_container_calls_by_that_name_is_not_ours() {
        let mount = tempfile::tempdir().unwrap();
        let machine = Machine::at(mount.path());
        let (process, root) = (Path::new("/proc/7"), Path::new("/data"));
        std::fs::create_dir_all(mount.path().join("data")).unwrap();
        assert!(is_ours(&machine, process, root), "its root may not be looked at");
        std::fs::create_dir_all(mount.path().join("proc/7/root/data")).unwrap();
        assert!(!is_ours(&machine, process, root));
        std::fs::remove_dir_all(mount.path().join("proc/7/root")).unwrap();
        std::os::unix::fs::symlink(mount.path(), mount.path().join("proc/7/root")).unwrap();
        assert!(is_ours(&machine, process, root));
    }
}
