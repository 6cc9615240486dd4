//! Any folder below `ingest/` and any name below `blobs/`: the first byte says what stands in the place of `ref`, then come
//! a name, its length first, and the bytes of `ref`.
#![no_main]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use verifier_core::content::{list_blobs, list_ingests};
use verifier_core::digest::Digest;
use verifier_core::io::{Folder, Gate};

/// The root of a store with empty content, made anew.
fn root() -> &'static PathBuf {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    let root = ROOT.get_or_init(|| {
                std::env::temp_dir().join(format!("fuzz-ingests-{}", std::process::id()))
    });
    drop(fs::remove_dir_all(root));
    fs::create_dir_all(root.join("io.containerd.content.v1.content/ingest")).unwrap();
    fs::create_dir_all(root.join("io.containerd.content.v1.content/blobs/sha256")).unwrap();
    root
}

/// A name that a file may have.
fn is_name(name: &[u8]) -> bool {
    let odd = name.is_empty() || name.len() > 255 || name.contains(&0) || name.contains(&b'/');
    !odd && name != b"." && name != b".."
}

fuzz_target!(|input: &[u8]| {
    let [what, length, rest @ ..] = input else { return };
    let (name, bytes) = rest.split_at(usize::from(*length).min(rest.len()));
    if !is_name(name) {
        return;
    }
    let name = OsStr::from_bytes(name);
    let root = root();
    let content = root.join("io.containerd.content.v1.content");
    let (ingest, blob) = (content.join("ingest").join(name), content.join("blobs/sha256").join(name));
    match what % 6 {
        0 => fs::write(&ingest, bytes).unwrap(),
        kind => {
            fs::create_dir(&ingest).unwrap();
            let path = ingest.join("ref");
            match kind {
                1 => fs::create_dir(path).unwrap(),
                2 => std::os::unix::fs::symlink("/etc/passwd", path).unwrap(),
                3 => {}
                _ => fs::write(path, bytes).unwrap(),
            }
            fs::write(ingest.join("data"), bytes).unwrap();
        }
    }
    fs::write(blob, bytes).unwrap();
    let folder = Folder::open_root(root, Gate::default()).unwrap();
    let mut unreadable = Vec::new();
    let ingests = list_ingests(&folder, &mut unreadable);
    match (what % 6, ingests.as_slice()) {
        // Not a folder: no ingest.
        (0, found) => assert!(found.is_empty()),
        (1..=3, [found]) => assert_eq!((found.backend_ref.as_deref(), found.name.as_os_str()), (None, name)),
        (1..=3, found) => assert!(found.is_empty() && unreadable.len() == 1, "{unreadable:?}"),
        (_, [found]) => {
            let text = std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty());
            assert_eq!(found.backend_ref.as_deref(), text);
            assert_eq!(found.size_bytes, bytes.len() as u64);
        }
        (_, found) => panic!("{found:?}"),
    }
    let blobs = list_blobs(&folder);
    let is_digest = name.to_str().is_some_and(|name| format!("sha256:{name}").parse::<Digest>().is_ok());
    assert_eq!((blobs.files.len(), blobs.foreign.len()), (usize::from(is_digest), usize::from(!is_digest)));
});
