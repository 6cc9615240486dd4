//! The `root` that configuration files name.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Machine;

/// More files than any configuration imports.
const FILES: usize = 100;

/// What of containerd's configuration matters here (cmd/containerd/server/config/config.go).
#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    root: PathBuf,
    #[serde(default)]
    grpc: Grpc,
    #[serde(default)]
    imports: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Grpc {
    #[serde(default)]
    address: PathBuf,
}

/// What a containerd's configuration names, where it does.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) root: Option<PathBuf>,
    /// Its socket.
    pub(super) address: Option<PathBuf>,
}

/// What containerd's configuration file `file` sets, by itself or through what it imports.
///
/// As containerd does it: imports come after the file that names them, and the last file that sets something wins.
pub(super) fn named(machine: &Machine, file: &Path) -> Named {
    let mut named = Named::default();
    for config in files(machine, file).into_iter().filter_map(|file| parse(machine, &file)) {
        if config.root.is_absolute() {
            named.root = Some(config.root);
        }
        if config.grpc.address.is_absolute() {
            named.address = Some(config.grpc.address);
        }
    }
    named
}

/// `file` and what it imports, in the order in which they count.
fn files(machine: &Machine, file: &Path) -> Vec<PathBuf> {
    let mut files = VecDeque::from([file.to_path_buf()]);
    let mut seen = Vec::new();
    while let Some(file) = files.pop_front() {
        let Some(file) = machine.canonical(&file) else { continue };
        if seen.len() == FILES || seen.contains(&file) {
            continue;
        }
        for import in parse(machine, &file).into_iter().flat_map(|config| config.imports) {
            files.extend(imported(machine, &file, &import));
        }
        seen.push(file);
    }
    seen
}

fn parse(machine: &Machine, file: &Path) -> Option<Config> {
    toml::from_str(std::str::from_utf8(&machine.read(file)?).ok()?).ok()
}

/// Whether the containerd of `root` syncs what it unpacks, by the configuration file that names the root. By default it
/// does not.
pub(super) fn syncs_unpacked(machine: &Machine, root: &Path) -> Option<bool> {
    let files = super::find::CONFIGS.iter().map(Path::new).filter(|file| machine.read(file).is_some());
    let mut own = files.filter(|file| {
        let named = named(machine, file).root.unwrap_or_else(|| super::find::DEFAULT_ROOT.into());
        machine.canonical(&named).as_deref() == Some(root)
    });
    let file = machine.canonical(own.next()?)?;
    let bytes = machine.read(&file)?;
    let table: toml::Table = toml::from_str(std::str::from_utf8(&bytes).ok()?).ok()?;
    Some(table.values().any(syncs))
}

/// The snapshotters of the containerd of `root` that keep their snapshots outside it, by the configuration file that names the
/// root: those with a `root_path`, and those that run on their own.
pub(super) fn elsewhere(machine: &Machine, root: &Path) -> BTreeSet<String> {
    let default = || Some(PathBuf::from("/var/lib/containerd"));
    let own = super::find::CONFIGS.iter().map(Path::new).filter(|file| {
        let own = named(machine, file).root.or_else(default);
        own.and_then(|named| machine.canonical(&named)).as_deref() == Some(root)
    });
    let mut found = BTreeSet::new();
    for file in own.flat_map(|file| files(machine, file)) {
        let text = machine.read(&file).and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        let Ok(table) = toml::from_str::<toml::Table>(&text) else { continue };
        let of = |name: &str| table.get(name).and_then(toml::Value::as_table).into_iter().flatten();
        for (plugin, settings) in of("plugins") {
            let name = plugin.rsplit_once("snapshotter.v1.").map_or(plugin.as_str(), |(_, name)| name);
            let path = settings.get("root_path").and_then(toml::Value::as_str);
            found.extend(path.filter(|path| !path.is_empty()).map(|_| name.to_owned()));
        }
        found.extend(of("proxy_plugins").map(|(name, _)| name.clone()));
    }
    found
}

/// The CRI plugin's and the diff service's switches, wherever a version of the file has them.
fn syncs(value: &toml::Value) -> bool {
    let toml::Value::Table(table) = value else { return false };
    let is_on = |(key, value): (&String, &toml::Value)| match value {
        toml::Value::Boolean(on) => *on && ["image_pull_with_sync_fs", "sync_fs"].contains(&key.as_str()),
        other => syncs(other),
    };
    table.iter().any(is_on)
}

/// The files that `import` in `file` names; a `*` may stand in the last part of its path.
fn imported(machine: &Machine, file: &Path, import: &str) -> Vec<PathBuf> {
    let path = file.parent().unwrap_or(Path::new("/")).join(import);
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let Some((head, tail)) = name.split_once('*') else { return vec![path] };
    let names = machine.list(folder).into_iter().filter(|name| {
        name.to_str().and_then(|name| name.strip_prefix(head)).is_some_and(|rest| rest.ends_with(tail))
    });
    names.map(|name| folder.join(name)).collect()
}

/// Docker's `data-root`, from its `daemon.json`.
pub(super) fn docker_data_root(machine: &Machine, file: &Path) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Daemon {
        #[serde(rename = "data-root")]
        data_root: PathBuf,
    }
    let daemon: Daemon = serde_json::from_slice(&machine.read(file)?).ok()?;
    daemon.data_root.is_absolute().then_some(daemon.data_root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_unpacked_files_are_synced() {
        let of = |text: &str| {
            let (_mount, machine) = machine(&[("etc/containerd/config.toml", text)]);
            syncs_unpacked(&machine, Path::new("/var/lib/containerd"))
        };
        let cri = "[plugins.\"io.containerd.grpc.v1.cri\"]\nimage_pull_with_sync_fs = ";
        assert_eq!(of(&format!("{cri}true\n")), Some(true));
        assert_eq!(of(&format!("{cri}false\n")), Some(false));
        assert_eq!(of("[plugins.\"io.containerd.service.v1.diff-service\"]\nsync_fs = true\n"), Some(true));
        assert_eq!(of("version = 2\n"), Some(false));
        assert_eq!(of("root = \"/elsewhere\"\n"), None);
        assert_eq!(of("no toml"), None);
    }

    #[test]
    fn snapshotters_that_are_elsewhere() {
        let of = |files: &[(&str, &str)]| {
            let (_mount, machine) = machine(files);
            elsewhere(&machine, Path::new("/data/c")).into_iter().collect::<Vec<_>>().join(" ")
        };
        let root = "root = \"/data/c\"\nimports = [\"/etc/more.toml\"]\n";
        let overlayfs = "[plugins.\"io.containerd.snapshotter.v1.overlayfs\"]\nroot_path = \"/fast\"\n";
        let native = "[plugins.\"io.containerd.snapshotter.v1.native\"]\nroot_path = \"\"\n";
        let proxy = "[proxy_plugins.stargz]\ntype = \"snapshot\"\n";
        let config = "etc/containerd/config.toml";
        assert_eq!(of(&[(config, &format!("{root}{overlayfs}{native}"))]), "overlayfs");
        assert_eq!(
            of(&[(config, root), ("etc/more.toml", &format!("{overlayfs}{proxy}"))]),
            "overlayfs stargz"
        );
        assert_eq!(of(&[(config, overlayfs)]), "", "another root's");
        assert_eq!(of(&[(config, "no toml")]), "");
    }

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
        let mount = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = mount.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let machine = Machine::at(mount.path());
        (mount, machine)
    }

    fn root(files: &[(&str, &str)]) -> Option<String> {
        let (_mount, machine) = machine(files);
        let root = named(&machine, Path::new("/etc/containerd/config.toml")).root;
        root.map(|root| root.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_root_is_the_top_level_one() {
        let own = "version = 3\nroot = \"/data/c\"\n[plugins.'io.containerd.x']\n  root = \"/other\"\n";
        assert_eq!(root(&[("etc/containerd/config.toml", own)]).as_deref(), Some("/data/c"));
        for none in [
            "",
            "version = 2\n[plugins.x]\nroot = \"/other\"",
            "root = \"\"",
            "root = \"here\"",
            "][",
            "root=1",
        ] {
            assert_eq!(root(&[("etc/containerd/config.toml", none)]), None, "{none}");
        }
        assert_eq!(root(&[]), None);
    }

    #[test]
    fn the_address_is_the_grpc_servers() {
        let address = |text: &str| {
            let (_mount, machine) = machine(&[("c.toml", text)]);
            named(&machine, Path::new("/c.toml")).address
        };
        let own = "root = \"/r\"\n[debug]\n  address = \"/debug\"\n[grpc]\n  address = \"/run/own.sock\"\n  uid = 0\n";
        assert_eq!(address(own), Some("/run/own.sock".into()));
        assert_eq!(address("[ttrpc]\naddress = \"/t\"\n[grpc]\nuid = 0\n"), None);
        assert_eq!(address("[grpc]\naddress = \"relative\"\n"), None);
    }

    #[test]
    fn imports_come_later_and_win() {
        let files = [
            (
                "etc/containerd/config.toml",
                "root = \"/first\"\nimports = [\"conf.d/*.toml\", \"/etc/c.toml\"]\n",
            ),
            ("etc/containerd/conf.d/10.toml", "root = \"/ten\"\n"),
            ("etc/containerd/conf.d/20.toml", "imports = [\"../config.toml\", \"20.toml\"]\n"),
            ("etc/containerd/conf.d/30.conf", "root = \"/wrong\"\n"),
        ];
        assert_eq!(root(&files).as_deref(), Some("/ten"));
        let more = [files.as_slice(), &[("etc/c.toml", "root = \"/last\"\n")]].concat();
        assert_eq!(root(&more).as_deref(), Some("/last"));
    }

    #[test]
    fn docker_says_where_its_data_is() {
        let data_root = |text| {
            let (_mount, machine) = machine(&[("etc/docker/daemon.json", text)]);
            docker_data_root(&machine, Path::new("/etc/docker/daemon.json"))
        };
        assert_eq!(data_root(r#"{"data-root": "/d", "debug": true}"#), Some("/d".into()));
        for none in ["{}", r#"{"data-root": 1}"#, r#"{"data-root": "d"}"#, ""] {
            assert_eq!(data_root(none), None, "{none}");
        }
    }
}
