//! A root on disk, from the structs.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::bolt::{Bucket, Node, write_bolt};
use super::digest::sha256;
use super::meta_db::meta_db;
use super::model::{Change, Database, Edit, IngestFolder, Kind, Snapshot, Snapshotter, StoreBuilder};
use super::snapshotter_db::snapshotter_db;
use super::time::Time;
use super::tree::{Usage, usage, write_tree};

/// The content store, below the root.
pub const CONTENT: &str = "io.containerd.content.v1.content";
/// containerd's own database, below the root.
pub const META_DB: &str = "io.containerd.metadata.v1.bolt/meta.db";

/// A blob's file, below the root.
#[must_use]
pub fn blob_path(digest: &str) -> PathBuf {
    Path::new(CONTENT).join("blobs").join(digest.replacen(':', "/", 1))
}

/// An ingest's folder, below the root.
#[must_use]
pub fn ingest_path(backend_ref: &str) -> PathBuf {
    let digest = sha256(backend_ref.as_bytes());
    Path::new(CONTENT).join("ingest").join(digest.trim_start_matches("sha256:"))
}

/// A snapshotter's folder, below the root.
#[must_use]
pub fn snapshotter_folder(name: &str) -> PathBuf {
    format!("io.containerd.snapshotter.v1.{name}").into()
}

impl StoreBuilder {
    /// Writes the store to `root`, which must be empty or absent.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, root: &Path) -> io::Result<()> {
        make_folder(root, 0o700)?;
        self.write_content(root)?;
        for (name, snapshotter) in &self.snapshotters {
            self.write_snapshotter(root, name, snapshotter)?;
        }
        for (path, bytes) in &self.files {
            let path = root.join(path);
            make_folder(path.parent().unwrap_or(root), 0o755)?;
            fs::write(&path, bytes)?;
        }
        let path = root.join(META_DB);
        make_folder(path.parent().unwrap_or(root), 0o711)?;
        let mut meta = meta_db(self);
        self.edit(&Database::Meta, &mut meta);
        write_bolt(&path, &meta, self.last_commit)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
        set_old(&path)
    }

    fn write_content(&self, root: &Path) -> io::Result<()> {
        make_folder(&root.join(CONTENT).join("blobs/sha256"), 0o755)?;
        make_folder(&root.join(CONTENT).join("ingest"), 0o755)?;
        for (digest, bytes) in &self.blobs {
            let path = root.join(blob_path(digest));
            make_folder(path.parent().unwrap_or(root), 0o755)?;
            fs::write(&path, bytes)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o444))?;
        }
        for (backend_ref, ingest) in &self.ingests {
            write_ingest(&root.join(ingest_path(backend_ref)), backend_ref, ingest)?;
        }
        Ok(())
    }

    fn write_snapshotter(&self, root: &Path, name: &str, snapshotter: &Snapshotter) -> io::Result<()> {
        let folder = root.join(snapshotter_folder(name));
        make_folder(&folder.join("snapshots"), 0o700)?;
        let mut usages: BTreeMap<u64, Usage> = BTreeMap::new();
        for snapshot in snapshotter.snapshots.values() {
            let top = write_snapshot(&folder.join("snapshots"), name, snapshot)?;
            usages.insert(snapshot.id, usage(&top)?);
        }
        let made = self.snapshots_made.unwrap_or_else(Time::now);
        let mut database = snapshotter_db(snapshotter, made, |id| usages.get(&id).copied());
        self.edit(&Database::Snapshotter(name.into()), &mut database);
        let path = folder.join("metadata.db");
        write_bolt(&path, &database, self.last_commit)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        set_old(&path)?;
        set_old(&folder.join("snapshots"))
    }

    fn edit(&self, database: &Database, top: &mut Bucket) {
        for edit in self.edits.iter().filter(|edit| edit.database == *database) {
            apply(edit, top);
        }
    }
}

fn apply(edit: &Edit, top: &mut Bucket) {
    let Some((key, parents)) = edit.path.split_last() else { return };
    let bucket = parents.iter().fold(top, |bucket, parent| bucket.bucket(parent));
    match &edit.change {
        Change::Put(value) => bucket.put(key, value),
        Change::Bucket => {
            bucket.entries.insert(key.clone(), Node::Bucket(Bucket::default()));
        }
        Change::Remove => {
            bucket.entries.remove(key);
        }
    }
}

/// Makes the folders that overlayfs or native keep for a snapshot, and returns the one that holds its tree.
fn write_snapshot(folder: &Path, snapshotter: &str, snapshot: &Snapshot) -> io::Result<PathBuf> {
    let own = folder.join(snapshot.id.to_string());
    let top = if snapshotter == "overlayfs" {
        make_folder(&own, 0o700)?;
        if snapshot.kind != Kind::View {
            make_folder(&own.join("work"), 0o711)?;
        }
        own.join("fs")
    } else {
        own
    };
    make_folder(&top, 0o755)?;
    write_tree(&top, &snapshot.tree)?;
    Ok(top)
}

fn write_ingest(folder: &Path, backend_ref: &str, ingest: &IngestFolder) -> io::Result<()> {
    make_folder(folder, 0o755)?;
    fs::write(folder.join("ref"), backend_ref)?;
    fs::write(folder.join("data"), &ingest.data)?;
    fs::write(folder.join("startedat"), Time::BUILT.to_text())?;
    fs::write(folder.join("updatedat"), Time::BUILT.plus(3).to_text())?;
    if let Some(total) = ingest.total {
        fs::write(folder.join("total"), total.to_string())?;
    }
    Ok(())
}

/// Makes a database or a folder as old as all that is built: at rest.
pub(crate) fn set_old(path: &Path) -> io::Result<()> {
    let since = std::time::Duration::from_secs(Time::BUILT.seconds.cast_unsigned());
    fs::File::open(path)?.set_times(fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH + since))
}

fn make_folder(path: &Path, mode: u32) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(mode).create(path)
}
