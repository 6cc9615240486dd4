//! The containerd of a root: its version, and whether it syncs what it unpacks.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use verifier_core::host::Daemon;

use super::state::{State, state};
use super::{Machine, config};

/// Where a system has its containerd.
const PROGRAMS: [&str; 3] = ["/usr/bin/containerd", "/usr/local/bin/containerd", "/usr/sbin/containerd"];
/// A program that takes longer to tell its version is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What can be told of the containerd that uses `root`, on this machine.
pub(crate) fn daemon(root: &Path) -> Daemon {
    let machine = Machine::at(Path::new("/"));
    let root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    let version = program(&machine, &root).and_then(|program| version(&program));
    Daemon { version, syncs_unpacked: config::syncs_unpacked(&machine, &root) }
}

/// The program of the process that holds the root, or the system's own. Never one from the root itself: what lies there is
/// what images brought.
fn program(machine: &Machine, root: &Path) -> Option<PathBuf> {
    let running = match state(machine, root) {
        State::InUse { pid: Some(pid) } => std::fs::read_link(format!("/proc/{pid}/exe")).ok(),
        _ => None,
    };
    let candidates = running.into_iter().chain(PROGRAMS.map(PathBuf::from));
    let is_ours =
        |path: &PathBuf| path.canonicalize().is_ok_and(|path| !path.starts_with(root) && path.is_file());
    candidates.into_iter().find(is_ours)
}

/// What `containerd --version` says: `containerd github.com/containerd/containerd/v2 2.1.9 <revision>`.
fn version(program: &Path) -> Option<String> {
    // k3s and rke2 are all their programs in one file, and go by the name they are called by.
    let mut child = Command::new(program)
        .arg0("containerd")
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end && child.try_wait().ok()?.is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let _ = child.wait();
    let mut text = String::new();
    child.stdout.take()?.take(4096).read_to_string(&mut text).ok()?;
    let mut words = text.split_ascii_whitespace().skip_while(|word| !word.contains("containerd/containerd"));
    words.nth(1).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn script(folder: &Path, text: &str) -> PathBuf {
        let path = folder.join("containerd");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn a_version_is_what_the_program_says() {
        let folder = tempfile::tempdir().unwrap();
        let said = "echo 'containerd github.com/containerd/containerd/v2 2.1.9 abc'";
        assert_eq!(version(&script(folder.path(), said)).as_deref(), Some("2.1.9"));
        assert_eq!(version(&script(folder.path(), "echo nonsense")), None);
        assert_eq!(version(&script(folder.path(), "exec sleep 60")), None);
        assert_eq!(version(Path::new("/no/such")), None);
    }
}
