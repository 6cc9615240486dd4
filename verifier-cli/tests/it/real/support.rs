//! What the tests on real stores share.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use testdata::bed::{self, Bed, Generation};

pub(crate) const BLOBS: &str = "io.containerd.content.v1.content/blobs/sha256";

/// A report and the exit status it came with.
pub(crate) struct Checked {
    pub(crate) status: i32,
    pub(crate) report: Value,
}

impl Checked {
    /// Every finding's code, in the report's order.
    pub(crate) fn codes(&self) -> Vec<&str> {
        self.findings().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
    }

    pub(crate) fn findings(&self) -> &[Value] {
        self.report["findings"].as_array().unwrap()
    }

    /// Panics with the whole report unless nothing at all was found.
    pub(crate) fn assert_clean(&self, what: &str) {
        assert!(
            self.status == 0 && self.findings().is_empty() && self.report["outcome"] == "clean",
            "{what}: status {}\n{:#}",
            self.status,
            self.report
        );
    }
}

pub(crate) fn fsck(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_containerd-fsck")).args(args).output().unwrap()
}

/// `containerd-fsck check --format json` on `root`.
pub(crate) fn check(root: &Path, more: &[&str]) -> Checked {
    let mut args = vec!["check", "--root", root.to_str().unwrap(), "--format", "json"];
    args.extend(more);
    let output = fsck(&args);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|why| {
        panic!("{why}: status {:?}, {}", output.status, String::from_utf8_lossy(&output.stderr))
    });
    Checked { status: output.status.code().unwrap(), report }
}

/// Runs `test` with each generation of containerd that the bed has.
pub(crate) fn on_each(test: impl Fn(&Bed, Generation)) {
    let bed = bed::gate();
    for generation in bed.generations() {
        eprintln!("containerd {generation}");
        test(&bed, generation);
    }
}

/// The blobs of a store: path and size, by name.
pub(crate) fn blobs(root: &Path) -> BTreeMap<String, u64> {
    std::fs::read_dir(root.join(BLOBS))
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()))
        .collect()
}

/// The digests of an image's layers, by its layout's own manifest (not by what we read).
pub(crate) fn layers_of(layout: &Path) -> Vec<String> {
    let read = |path: PathBuf| serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap();
    let index = read(layout.join("index.json"));
    let digest = index["manifests"][0]["digest"].as_str().unwrap().to_owned();
    let manifest = read(layout.join("blobs").join(digest.replace(':', "/")));
    manifest["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| layer["digest"].as_str().unwrap().to_owned())
        .collect()
}

/// Flips one bit in the middle of a file, and leaves its length alone.
pub(crate) fn flip_a_bit(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let old = std::fs::metadata(path).unwrap();
    // The content store's files are read-only to others, not to root.
    std::fs::write(path, &bytes).unwrap();
    assert_eq!(old.len(), std::fs::metadata(path).unwrap().len());
}

/// Everything that can be seen of a tree from outside: name, type and mode, owner, size, all three times, contents. Not
/// the access times of symbolic links.
pub(crate) fn fingerprint(root: &Path) -> BTreeMap<PathBuf, (Vec<i64>, Vec<u8>)> {
    let mut seen = BTreeMap::new();
    let mut queue = vec![root.to_path_buf()];
    // All times first: reading a folder or a file may move its access time.
    let mut paths = Vec::new();
    while let Some(path) = queue.pop() {
        let meta = path.symlink_metadata().unwrap();
        // readlink(2) may move a link's access time, and no flag or open mode keeps it from doing so.
        let atime = if meta.is_symlink() { 0 } else { meta.atime() * 1_000_000_000 + meta.atime_nsec() };
        let facts = vec![
            i64::from(meta.mode()),
            i64::from(meta.uid()),
            i64::from(meta.gid()),
            i64::try_from(meta.len()).unwrap(),
            atime,
            meta.mtime() * 1_000_000_000 + meta.mtime_nsec(),
            meta.ctime() * 1_000_000_000 + meta.ctime_nsec(),
        ];
        if meta.is_dir() {
            queue.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        paths.push((path, facts, meta.is_file()));
    }
    for (path, facts, is_file) in paths {
        let content = if is_file { std::fs::read(&path).unwrap() } else { Vec::new() };
        seen.insert(path, (facts, content));
    }
    seen
}
