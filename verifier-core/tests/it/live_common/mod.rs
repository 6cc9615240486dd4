//! A node: a registry with images that share their lowest layer, a containerd, and a container of another image running on it.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use testdata::bed::{Bed, Compression, Containerd, Generation, Options, Registry, write_layout};
use testdata::builder::chain_ids;
use verifier_core::live::{Act, Evictions, Held, Live, LiveError, LiveStore};

pub(crate) const OVERLAYFS: &str = "overlayfs";

/// Images by these names are `base layer + a file of that name`; `other` has all of its own.
pub(crate) const IMAGES: [&str; 2] = ["one", "two"];

pub(crate) struct Node {
    pub(crate) containerd: Containerd,
    pub(crate) registry: Registry,
    pub(crate) folder: TempDir,
    pub(crate) namespace: &'static str,
}

/// The digests of an image, lowest layer first.
#[derive(Debug, Clone)]
pub(crate) struct Digests {
    pub(crate) manifest: String,
    pub(crate) config: String,
    pub(crate) layers: Vec<String>,
    pub(crate) chain_ids: Vec<String>,
}

impl Node {
    pub(crate) fn start(bed: &Bed, generation: Generation) -> Node {
        Node::start_with(bed, generation, "default", |_| Options::default())
    }

    pub(crate) fn start_with(
        bed: &Bed,
        generation: Generation,
        namespace: &'static str,
        options: impl FnOnce(&Registry) -> Options,
    ) -> Node {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::start(bed);
        let base = tar(&busybox("base"));
        for name in IMAGES {
            let top = tar(&[(name, name.as_bytes().to_vec(), 0o644)]);
            push(&registry, folder.path(), name, &[&base, &top]);
        }
        push(&registry, folder.path(), "other", &[&tar(&busybox("other"))]);
        let options = options(&registry);
        let root = folder.path().join("root");
        let containerd = Containerd::start_with(bed, generation, &root, &options);
        let node = Node { containerd, registry, folder, namespace };
        node.containerd.pull(&node.name("other"));
        node.containerd.run(&node.name("other"), "bystander", &["/bin/sleep", "10000"]);
        node
    }

    /// The reference of an image.
    pub(crate) fn name(&self, image: &str) -> String {
        self.registry.reference(&format!("{image}:t"))
    }

    pub(crate) fn live(&self) -> Live {
        Live::connect(&self.containerd.socket()).unwrap()
    }

    /// `ctr images pull` as it also fetches a layer whose row is missing (facts F1); gives the blobs that were pulled.
    pub(crate) fn pull(&self, image: &str) -> Vec<String> {
        self.pulling(|| {
            let local: &[&str] =
                if self.containerd.generation() == Generation::V2_1 { &["--local"] } else { &[] };
            let pull = ["-n", self.namespace, "images", "pull", "--plain-http"];
            self.containerd.ctr(&[&pull[..], local, &[&self.name(image)]].concat());
        })
    }

    /// Does something, and gives the digests of the blobs that were pulled meanwhile.
    pub(crate) fn pulling(&self, work: impl FnOnce()) -> Vec<String> {
        let before = self.registry.requests().len();
        work();
        let requests = self.registry.requests().split_off(before);
        let pulls = requests.iter().filter(|request| request.is_blob_pull());
        pulls.filter_map(|pull| Some(pull.path.rsplit_once('/')?.1.to_owned())).collect()
    }

    /// Runs an image to its end, and gives what `cat FILE` says in it.
    pub(crate) fn cat(&self, image: &str, file: &str) -> String {
        self.containerd.run_with(&["--rm"], &self.name(image), "once", &["/bin/cat", file])
    }

    pub(crate) fn digests(&self, image: &str) -> Digests {
        let live = self.live();
        let row = live.namespace(self.namespace).image(&self.name(image)).unwrap().unwrap();
        let manifest = self.json(&row.digest);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let config = text(&manifest["config"]["digest"]);
        let diff_ids: Vec<String> =
            self.json(&config)["rootfs"]["diff_ids"].as_array().unwrap().iter().map(text).collect();
        Digests {
            manifest: row.digest,
            config,
            layers: manifest["layers"]
                .as_array()
                .unwrap()
                .iter()
                .map(|layer| text(&layer["digest"]))
                .collect(),
            chain_ids: chain_ids(diff_ids.iter().map(String::as_str)),
        }
    }

    fn json(&self, digest: &str) -> Value {
        serde_json::from_slice(&fs::read(self.blob(digest)).unwrap()).unwrap()
    }

    /// The file of a blob.
    pub(crate) fn blob(&self, digest: &str) -> PathBuf {
        let name = digest.strip_prefix("sha256:").unwrap();
        self.containerd.root().join("io.containerd.content.v1.content/blobs/sha256").join(name)
    }

    /// Flips a byte in the middle of a blob.
    pub(crate) fn flip(&self, digest: &str) {
        let file = fs::File::options().read(true).write(true).open(self.blob(digest)).unwrap();
        let middle = file.metadata().unwrap().len() / 2;
        let mut byte = [0];
        file.read_exact_at(&mut byte, middle).unwrap();
        file.write_all_at(&[byte[0] ^ 0x20], middle).unwrap();
    }

    /// The folders of overlayfs snapshots.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        let all = self.containerd.root().join("io.containerd.snapshotter.v1.overlayfs/snapshots");
        let mut folders: Vec<PathBuf> =
            fs::read_dir(all).unwrap().map(|folder| folder.unwrap().path()).collect();
        folders.sort();
        folders
    }

    /// The file of the layer that made it.
    pub(crate) fn unpacked(&self, file: &str) -> PathBuf {
        let has = |folder: PathBuf| Some(folder.join("fs").join(file)).filter(|file| file.exists());
        let found: Vec<PathBuf> = self.folders().into_iter().filter_map(has).collect();
        assert_eq!(found.len(), 1, "{file}");
        found.into_iter().next().unwrap()
    }

    /// The container of the other image still runs and its files are there.
    pub(crate) fn bystander_is_well(&self) {
        let tasks = self.containerd.ctr(&["tasks", "ls"]);
        let line = tasks.lines().find(|line| line.starts_with("bystander")).unwrap();
        assert!(line.contains("RUNNING"), "{line}");
        let exec = ["tasks", "exec", "--exec-id", "look", "bystander", "/bin/cat", "/who"];
        assert_eq!(self.containerd.ctr(&exec), "other");
    }

    /// Holds all but these, does the work, releases.
    pub(crate) fn repair<T>(
        &self,
        evictions: &Evictions,
        work: impl FnOnce(&mut Held<'_>) -> Result<T, LiveError>,
    ) -> T {
        let live = self.live();
        let mut acts = Vec::new();
        let journal = |act: &Act| {
            acts.push(act.clone());
            Ok(())
        };
        let store = LiveStore::new(&live, "test", journal);
        let mut held = store.hold(evictions, &snapshotters()).unwrap();
        let done = work(&mut held).unwrap();
        held.release().unwrap();
        drop(held);
        assert!(matches!(acts.last(), Some(Act::DeleteLease { .. })));
        self.leases_are(&[]);
        done
    }

    /// The leases left that are ours.
    pub(crate) fn leases_are(&self, expected: &[&str]) {
        let live = self.live();
        let journal = |_: &Act| Ok(());
        let store = LiveStore::new(&live, "look", journal);
        let mut left = store.leases(self.namespace).unwrap();
        left.retain(|id| !id.ends_with("-pull"));
        assert_eq!(left, expected);
    }
}

pub(crate) fn snapshotters() -> Vec<String> {
    vec![OVERLAYFS.to_owned(), "native".to_owned(), "nobody's".to_owned()]
}

/// These blobs, and these snapshots of the namespace.
pub(crate) fn evictions(namespace: &str, blobs: &[&String], keys: &[&String]) -> Evictions {
    let snapshot = |key: &&String| (namespace.to_owned(), OVERLAYFS.to_owned(), (*key).clone());
    Evictions::new(blobs.iter().map(|&digest| digest.clone()), keys.iter().map(snapshot))
}

type File<'f> = (&'f str, Vec<u8>, u32);

fn busybox(who: &str) -> Vec<File<'static>> {
    let busybox = fs::read("/bin/busybox").unwrap();
    vec![("bin/busybox", busybox, 0o755), ("who", who.as_bytes().to_vec(), 0o644)]
}

/// A tar of files; busybox gets its links.
fn tar(files: &[File<'_>]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let header = |mode: u32, kind: tar::EntryType, size: usize| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode);
        header.set_entry_type(kind);
        header.set_size(size as u64);
        header.set_mtime(1_700_000_000);
        header
    };
    for (path, bytes, mode) in files {
        let mut entry = header(*mode, tar::EntryType::Regular, bytes.len());
        tar.append_data(&mut entry, path, &bytes[..]).unwrap();
    }
    if files.iter().any(|(path, ..)| *path == "bin/busybox") {
        for tool in ["sh", "cat", "sleep"] {
            let mut entry = header(0o777, tar::EntryType::Symlink, 0);
            tar.append_link(&mut entry, format!("bin/{tool}"), "busybox").unwrap();
        }
    }
    tar.into_inner().unwrap()
}

fn push(registry: &Registry, folder: &Path, name: &str, layers: &[&[u8]]) {
    let layout = folder.join("layouts").join(name);
    let layers: Vec<_> = layers.iter().map(|&tar| (Compression::Gzip, tar)).collect();
    write_layout(&layout, &layers);
    registry.push(&layout, &format!("{name}:t"));
}

/// A journal that keeps what it takes and fails from the nth act on, as a process that is killed before it.
pub(crate) fn killed_at(nth: usize, log: &mut Vec<u8>) -> impl FnMut(&Act) -> io::Result<()> {
    let mut left = nth;
    move |act| {
        left = left.checked_sub(1).ok_or_else(|| io::Error::other("killed"))?;
        serde_json::to_writer(&mut *log, act)?;
        log.write_all(b"\n")
    }
}
