//! `install-units`: systemd units for this machine.

use std::io;
use std::path::{Path, PathBuf};

use verifier_core::io::write_file;
use verifier_core::sweep::StateDir;

use super::output::{complain, print};
use crate::args::InstallUnitsArgs;
use crate::exit::Status;
use crate::render::escape_path;

/// The units as they are for a plain containerd.
const UNITS: [(&str, &str); 4] = [
    ("containerd-fsck-boot.service", include_str!("../../packaging/systemd/containerd-fsck-boot.service")),
    ("containerd-fsck-stamp.service", include_str!("../../packaging/systemd/containerd-fsck-stamp.service")),
    ("containerd-fsck-sweep.service", include_str!("../../packaging/systemd/containerd-fsck-sweep.service")),
    ("containerd-fsck-sweep.timer", include_str!("../../packaging/systemd/containerd-fsck-sweep.timer")),
];
const GUARD: &str = include_str!("../../packaging/systemd/guard.conf");
/// What the units say, to be replaced.
const PROGRAM: &str = "/usr/bin/containerd-fsck";
const ROOT: &str = "/var/lib/containerd";

/// Who starts the containerd of a root, by the end of the root's path.
const STARTERS: [(&str, &[&str]); 6] = [
    ("rancher/k3s/agent/containerd", &["k3s.service", "k3s-agent.service"]),
    ("rancher/rke2/agent/containerd", &["rke2-server.service", "rke2-agent.service"]),
    ("microk8s/common/var/lib/containerd", &["snap.microk8s.daemon-containerd.service"]),
    ("k0s/containerd", &["k0sworker.service", "k0scontroller.service"]),
    ("docker/containerd/daemon", &["docker.service"]),
    ("", &["containerd.service"]),
];

/// Writes the units, and says which.
pub(super) fn run(args: &InstallUnitsArgs) -> Status {
    let root = match args.root.clone().map_or_else(|| super::check::the_one_root(&args.machine), Ok) {
        Ok(root) => root,
        Err(status) => return status,
    };
    let program = args.program.clone().map_or_else(std::env::current_exe, Ok).and_then(std::path::absolute);
    let written = program.and_then(|program| install(&args.dest, &root, &program, args.guard));
    match written {
        Ok(files) => print(Status::CLEAN, |out| {
            for file in &files {
                writeln!(out, "wrote {}", escape_path(file))?;
            }
            let units =
                "containerd-fsck-boot.service containerd-fsck-stamp.service containerd-fsck-sweep.timer";
            writeln!(out, "To use them: systemctl daemon-reload && systemctl enable {units}")?;
            writeln!(
                out,
                "and now, without a restart: systemctl start containerd-fsck-stamp.service containerd-fsck-sweep.timer"
            )
        }),
        Err(error) => {
            complain(format_args!("the units could not be written: {error}"));
            Status::INCOMPLETE
        }
    }
}

fn install(dest: &Path, root: &Path, program: &Path, guard: bool) -> io::Result<Vec<PathBuf>> {
    let root = root.canonicalize()?;
    let fill = |text: &str| fill(text, &root, program);
    std::fs::create_dir_all(dest)?;
    let mut files = Vec::new();
    for (name, text) in UNITS {
        files.push(write(dest, name, &fill(text)?)?);
    }
    for starter in starters(&root).iter().filter(|_| guard) {
        let folder = dest.join(format!("{starter}.d"));
        std::fs::create_dir_all(&folder)?;
        files.push(write(&folder, "50-containerd-fsck.conf", &fill(GUARD)?)?);
    }
    Ok(files)
}

fn write(folder: &Path, name: &str, text: &str) -> io::Result<PathBuf> {
    let path = folder.join(name);
    write_file(&path, 0o644, text.as_bytes())?;
    Ok(path)
}

fn starters(root: &Path) -> &'static [&'static str] {
    STARTERS.iter().find(|(end, _)| end.is_empty() || root.ends_with(end)).map_or(&[], |(_, units)| units)
}

/// A unit for `root` and `program`.
fn fill(text: &str, root: &Path, program: &Path) -> io::Result<String> {
    let (root, program) = (plain(root)?, plain(program)?);
    // The state folder's name begins as the root's does.
    const STATE: &str = "\u{0}state";
    let text = text.replace(StateDir::DEFAULT, STATE);
    Ok(text.replace(PROGRAM, program).replace(ROOT, root).replace(STATE, StateDir::DEFAULT))
}

/// A path that needs no quoting in a unit.
fn plain(path: &Path) -> io::Result<&str> {
    let is_plain =
        |text: &&str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+:,@".contains(&byte));
    let why = || io::Error::other(format!("{}: a path that units cannot name", escape_path(path)));
    path.to_str().filter(is_plain).ok_or_else(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_filled_in() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("rancher/k3s/agent/containerd");
        std::fs::create_dir_all(&root).unwrap();
        let dest = folder.path().join("units");
        let files = install(&dest, &root, Path::new("/opt/bin/fsck"), true).unwrap();
        assert_eq!(files.len(), UNITS.len() + 2);
        for file in &files {
            let text = std::fs::read_to_string(file).unwrap();
            assert!(!text.contains(PROGRAM), "{text}");
            let others = text.replace(StateDir::DEFAULT, "");
            assert!(!others.contains("/var/lib/containerd"), "{others}");
            assert!(file.ends_with("containerd-fsck-sweep.timer") || text.contains(root.to_str().unwrap()));
        }
        assert!(dest.join("k3s.service.d/50-containerd-fsck.conf").exists());
        assert!(install(&dest, &root, Path::new("/opt/a b"), false).is_err());
    }

    #[test]
    fn who_starts_what() {
        for (root, unit) in [
            ("/var/lib/containerd", "containerd.service"),
            ("/var/lib/k0s/containerd", "k0sworker.service"),
            ("/var/snap/microk8s/common/var/lib/containerd", "snap.microk8s.daemon-containerd.service"),
            ("/var/lib/rancher/rke2/agent/containerd", "rke2-server.service"),
        ] {
            assert_eq!(starters(Path::new(root)).first(), Some(&unit));
        }
    }
}
