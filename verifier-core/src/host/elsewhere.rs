//! What is not in the roots: snapshotters that keep their snapshots elsewhere, and Docker's own stores.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{GraphStore, Machine, config};

/// The snapshotters of the containerd of `root` that keep their snapshots outside it, by the configuration of the system at
/// `sysroot`.
#[must_use]
pub fn elsewhere(sysroot: &Path, root: &Path) -> BTreeSet<String> {
    let root = root.canonicalize().unwrap_or_else(|_| root.into());
    // Below another system's root the machine's own name of it is meant.
    let sysroot = sysroot.canonicalize().unwrap_or_else(|_| sysroot.into());
    let own = root.strip_prefix(&sysroot).map_or(root.clone(), |below| Path::new("/").join(below));
    config::elsewhere(&Machine::at(&sysroot), &own)
}

/// The stores that Docker keeps its images in, where it does not use containerd's.
#[must_use]
pub fn graph_stores(machine: &Machine) -> Vec<GraphStore> {
    let configured = config::docker_data_root(machine, Path::new("/etc/docker/daemon.json"));
    let data_root = configured.unwrap_or_else(|| PathBuf::from("/var/lib/docker"));
    let data_root = machine.canonical(&data_root).unwrap_or(data_root);
    GraphStore::below(&machine.real(&data_root))
}
