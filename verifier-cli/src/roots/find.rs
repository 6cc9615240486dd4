//! Which roots there are, and which one is meant.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::state::{State, state};
use super::{Machine, config, process};

/// containerd's configuration file.
pub(super) const CONFIG: &str = "/etc/containerd/config.toml";
/// The containerd root in Docker's data folder, where Docker runs a containerd of its own (29 and newer).
pub(super) const IN_DOCKER: &str = "containerd/daemon";

/// Where distributions of containerd put their root unless told otherwise.
const DEFAULTS: [(&str, &str); 6] = [
    ("containerd", "/var/lib/containerd"),
    ("k3s", "/var/lib/rancher/k3s/agent/containerd"),
    ("rke2", "/var/lib/rancher/rke2/agent/containerd"),
    ("microk8s", "/var/snap/microk8s/common/var/lib/containerd"),
    ("k0s", "/var/lib/k0s/containerd"),
    ("docker", "/var/lib/docker/containerd/daemon"),
];

/// Configuration files in containerd's format.
pub(super) const CONFIGS: [&str; 3] = [
    CONFIG,
    "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
    "/var/lib/rancher/rke2/agent/etc/containerd/config.toml",
];

/// A containerd root.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Root {
    /// Its folder, as it is reached from here.
    pub(crate) path: PathBuf,
    /// Whether a containerd holds it.
    pub(crate) state: State,
    /// How it was found, at least one way.
    pub(crate) sources: Vec<Source>,
}

/// What led to a root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Source {
    /// It has the default name.
    Default {
        /// Of what.
        of: &'static str,
    },
    /// A configuration file names it.
    Config {
        /// The file.
        file: PathBuf,
    },
    /// A process uses it.
    Process {
        /// Its number.
        pid: u32,
        /// The program's name.
        name: String,
    },
}

/// The roots of `machine` whose folders exist, each once, sorted by path.
pub(crate) fn find(machine: &Machine) -> Vec<Root> {
    let mut found: Vec<(PathBuf, Vec<Source>)> = Vec::new();
    for (path, source) in candidates(machine) {
        let Some(path) = machine.canonical(&path) else { continue };
        if !machine.real(&path).is_dir() {
            continue;
        }
        match found.iter_mut().find(|(have, _)| *have == path) {
            Some((_, sources)) => sources.push(source),
            None => found.push((path, vec![source])),
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
        .into_iter()
        .map(|(path, sources)| Root { state: state(machine, &path), path: machine.real(&path), sources })
        .collect()
}

fn candidates(machine: &Machine) -> Vec<(PathBuf, Source)> {
    let defaults = DEFAULTS.map(|(of, path)| (path.into(), Source::Default { of }));
    let configs = CONFIGS.map(|file| (config::containerd_root(machine, Path::new(file)), file));
    let docker = "/etc/docker/daemon.json";
    let docker_root = config::docker_data_root(machine, Path::new(docker)).map(|root| root.join(IN_DOCKER));
    let configs = configs
        .into_iter()
        .chain([(docker_root, docker)])
        .filter_map(|(root, file)| Some((root?, Source::Config { file: file.into() })));
    let processes = process::processes(machine)
        .into_iter()
        .map(|process| (process.root, Source::Process { pid: process.pid, name: process.name }));
    defaults.into_iter().chain(configs).chain(processes).collect()
}

/// Which of several roots is meant when none is named.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Choice<'a> {
    /// This one.
    One(&'a Root),
    /// There is none.
    None,
    /// It cannot be told.
    Several,
}

/// The only root that has something in it. A folder that an installation made and never used does not count.
pub(crate) fn choose(roots: &[Root]) -> Choice<'_> {
    let mut used = roots.iter().filter(|root| root.state != State::Empty);
    match (used.next(), used.next()) {
        (Some(root), None) => Choice::One(root),
        (None, _) => Choice::None,
        (Some(_), Some(_)) => Choice::Several,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir_all, write};
    use std::os::unix::fs::symlink;

    #[test]
    fn a_root_that_several_ways_lead_to_is_one() {
        let mount = tempfile::tempdir().unwrap();
        let at = |path: &str| mount.path().join(path);
        create_dir_all(at("data/c/io.containerd.content.v1.content")).unwrap();
        create_dir_all(at("var/lib")).unwrap();
        create_dir_all(at("etc/containerd")).unwrap();
        create_dir_all(at("proc/9")).unwrap();
        symlink("/data/c", at("var/lib/containerd")).unwrap();
        write(at("etc/containerd/config.toml"), "root = \"/data/c/\"").unwrap();
        write(at("proc/9/cmdline"), "containerd\0--root=/data/./c\0").unwrap();
        let found = find(&Machine::at(mount.path()));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((&found[0].path, &found[0].state), (&at("data/c"), &State::Stopped));
        assert_eq!(
            found[0].sources,
            [
                Source::Default { of: "containerd" },
                Source::Config { file: CONFIG.into() },
                Source::Process { pid: 9, name: "containerd".into() }
            ]
        );
    }

    #[test]
    fn an_unused_folder_is_no_choice() {
        let mount = tempfile::tempdir().unwrap();
        let at = |path: &str| mount.path().join(path);
        let machine = Machine::at(mount.path());
        assert_eq!(choose(&find(&machine)), Choice::None);
        create_dir_all(at("var/lib/containerd")).unwrap();
        assert_eq!(choose(&find(&machine)), Choice::None);
        create_dir_all(at("var/lib/k0s/containerd/io.containerd.metadata.v1.bolt")).unwrap();
        let found = find(&machine);
        assert_eq!(found.len(), 2);
        assert!(matches!(choose(&found), Choice::One(root) if root.path == at("var/lib/k0s/containerd")));
        create_dir_all(at("var/lib/containerd/io.containerd.metadata.v1.bolt")).unwrap();
        assert_eq!(choose(&find(&machine)), Choice::Several);
    }
}
