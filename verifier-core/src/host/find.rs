//! Which roots there are, and which one is meant.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::state::{State, state};
use super::{Machine, config, process};

/// containerd's configuration file.
pub(super) const CONFIG: &str = "/etc/containerd/config.toml";
/// The containerd root in Docker's data folder, where Docker runs a containerd of its own (29 and newer).
pub(super) const IN_DOCKER: &str = "containerd/daemon";

/// containerd's root and socket, unless told otherwise (defaults/defaults_unix.go).
pub(super) const DEFAULT_ROOT: &str = "/var/lib/containerd";
/// The socket of a containerd that was told of no other.
pub const DEFAULT_ADDRESS: &str = "/run/containerd/containerd.sock";
/// k3s's and rke2's.
pub(super) const K3S_ADDRESS: &str = "/run/k3s/containerd/containerd.sock";
pub(super) const K0S_ADDRESS: &str = "/run/k0s/containerd.sock";
const MICROK8S_ADDRESS: &str = "/var/snap/microk8s/common/run/containerd.sock";
/// That of the containerd that Docker runs.
pub(super) const DOCKER_ADDRESS: &str = "/run/docker/containerd/containerd.sock";

/// Where distributions of containerd put their root and their socket unless told otherwise. A new one is a line here.
const DEFAULTS: [(&str, &str, &str); 6] = [
    ("containerd", DEFAULT_ROOT, DEFAULT_ADDRESS),
    ("k3s", "/var/lib/rancher/k3s/agent/containerd", K3S_ADDRESS),
    ("rke2", "/var/lib/rancher/rke2/agent/containerd", K3S_ADDRESS),
    ("microk8s", "/var/snap/microk8s/common/var/lib/containerd", MICROK8S_ADDRESS),
    ("k0s", "/var/lib/k0s/containerd", K0S_ADDRESS),
    ("docker", "/var/lib/docker/containerd/daemon", DOCKER_ADDRESS),
];

/// Configuration files in containerd's format.
pub(super) const CONFIGS: [&str; 3] = [
    CONFIG,
    "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
    "/var/lib/rancher/rke2/agent/etc/containerd/config.toml",
];

/// The root of the containerd that is started without a word.
pub(super) fn default_root(machine: &Machine) -> PathBuf {
    config::named(machine, Path::new(CONFIG)).root.unwrap_or_else(|| DEFAULT_ROOT.into())
}

/// A containerd root.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Root {
    /// Its folder, as it is reached from here.
    pub path: PathBuf,
    /// Whether a containerd holds it.
    pub state: State,
    /// How it was found, at least one way.
    pub sources: Vec<Source>,
    /// The socket of its containerd, as it is reached from here: the holder's, else by how the root was found.
    pub address: PathBuf,
}

/// What led to a root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Source {
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
#[must_use]
pub fn find(machine: &Machine) -> Vec<Root> {
    let mut found: Vec<(PathBuf, Vec<(Source, PathBuf)>)> = Vec::new();
    for (path, source, address) in candidates(machine) {
        let Some(path) = machine.canonical(&path) else { continue };
        if !machine.real(&path).is_dir() {
            continue;
        }
        match found.iter_mut().find(|(have, _)| *have == path) {
            Some((_, sources)) => sources.push((source, address)),
            None => found.push((path, vec![(source, address)])),
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found.into_iter().map(|(path, sources)| root(machine, &path, sources)).collect()
}

fn root(machine: &Machine, path: &Path, sources: Vec<(Source, PathBuf)>) -> Root {
    let state = state(machine, path);
    let holder = if let State::InUse { pid } = state { pid } else { None };
    // The holder knows best; then whoever is a containerd, what configures one, who starts one, and last what is usual.
    let rank = |source: &Source| match source {
        Source::Process { pid, .. } if Some(*pid) == holder => 0,
        Source::Process { name, .. } if name == "containerd" => 1,
        Source::Config { .. } => 2,
        Source::Process { .. } => 3,
        Source::Default { .. } => 4,
    };
    let best = sources.iter().min_by_key(|(source, _)| rank(source));
    let address = best.map_or(Path::new(DEFAULT_ADDRESS), |(_, address)| address);
    let address =
        machine.canonical(address).map_or_else(|| address.to_path_buf(), |path| machine.real(&path));
    let sources = sources.into_iter().map(|(source, _)| source).collect();
    Root { state, path: machine.real(path), sources, address }
}

/// The socket of the containerd that uses the root at `path`, as both are reached from here; `None` for a root that nothing
/// leads to.
#[must_use]
pub fn address_of(machine: &Machine, path: &Path) -> Option<PathBuf> {
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let wanted = canonical(path);
    find(machine).into_iter().find(|root| canonical(&root.path) == wanted).map(|root| root.address)
}

fn candidates(machine: &Machine) -> Vec<(PathBuf, Source, PathBuf)> {
    // A configuration that names no root is the default one's.
    let own = config::named(machine, Path::new(CONFIG));
    let own_address = own.address.filter(|_| own.root.is_none());
    let defaults = DEFAULTS.map(|(of, path, address)| {
        let own = own_address.clone().filter(|_| path == DEFAULT_ROOT);
        (path.into(), Source::Default { of }, own.unwrap_or_else(|| address.into()))
    });
    let configs = CONFIGS.into_iter().filter_map(|file| {
        let named = config::named(machine, Path::new(file));
        let usual = if file == CONFIG { DEFAULT_ADDRESS } else { K3S_ADDRESS };
        let address = named.address.unwrap_or_else(|| usual.into());
        Some((named.root?, Source::Config { file: file.into() }, address))
    });
    let docker = "/etc/docker/daemon.json";
    let docker_root = config::docker_data_root(machine, Path::new(docker)).map(|root| root.join(IN_DOCKER));
    let docker =
        docker_root.map(|root| (root, Source::Config { file: docker.into() }, DOCKER_ADDRESS.into()));
    let processes = process::processes(machine).into_iter().map(|process| {
        (process.root, Source::Process { pid: process.pid, name: process.name }, process.address)
    });
    defaults.into_iter().chain(configs).chain(docker).chain(processes).collect()
}

/// Which of several roots is meant when none is named.
#[derive(Debug, PartialEq, Eq)]
pub enum Choice<'a> {
    /// This one.
    One(&'a Root),
    /// There is none.
    None,
    /// It cannot be told.
    Several,
}

/// The only root that has something in it. A folder that an installation made and never used does not count.
#[must_use]
pub fn choose(roots: &[Root]) -> Choice<'_> {
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
    fn the_socket_is_found_as_the_root_is() {
        let mount = tempfile::tempdir().unwrap();
        let at = |path: &str| mount.path().join(path);
        let machine = Machine::at(mount.path());
        let address = |root: &str| {
            let address = address_of(&machine, &at(root))?;
            Some(address.strip_prefix(mount.path()).unwrap().to_str().unwrap().to_owned())
        };
        for root in
            ["var/lib/containerd", "var/lib/rancher/k3s/agent/containerd", "var/lib/k0s/containerd", "own"]
        {
            create_dir_all(at(root)).unwrap();
        }
        create_dir_all(at("var/snap/microk8s/common/var/lib/containerd")).unwrap();
        assert_eq!(address("var/lib/containerd").as_deref(), Some("run/containerd/containerd.sock"));
        let k3s = "var/lib/rancher/k3s/agent/containerd";
        assert_eq!(address(k3s).as_deref(), Some("run/k3s/containerd/containerd.sock"));
        assert_eq!(address("var/lib/k0s/containerd").as_deref(), Some("run/k0s/containerd.sock"));
        let microk8s = address("var/snap/microk8s/common/var/lib/containerd");
        assert_eq!(microk8s.as_deref(), Some("var/snap/microk8s/common/run/containerd.sock"));
        assert_eq!(address("own"), None);

        // A configuration that names no root is the default one's.
        create_dir_all(at("etc/containerd")).unwrap();
        write(at("etc/containerd/config.toml"), "[grpc]\naddress = \"/run/c.sock\"\n").unwrap();
        assert_eq!(address("var/lib/containerd").as_deref(), Some("run/c.sock"));
        create_dir_all(at(k3s).join("../etc/containerd")).unwrap();
        let config = "root = \"/own\"\n[grpc]\naddress = \"/run/k.sock\"\n";
        write(at(k3s).join("../etc/containerd/config.toml"), config).unwrap();
        assert_eq!(address("own").as_deref(), Some("run/k.sock"));
        // A process says it better.
        create_dir_all(at("proc/9")).unwrap();
        write(at("proc/9/cmdline"), "/usr/bin/containerd\0--root\0/own\0-a\0/run/p.sock\0").unwrap();
        assert_eq!(address("own").as_deref(), Some("run/p.sock"));
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
