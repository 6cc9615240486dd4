//! Nothing is read twice: what passes the gate is counted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use testdata::builder::{
    Form, ImageSpec, Labels, Layer, META_DB, PackedLayer, Platform, StoreBuilder, blob_path, file, folder,
};
use verifier_core::Interrupt;
use verifier_core::event::{Event, Observer};
use verifier_core::finding::Depth;
use verifier_core::io::{Gate, Op};
use verifier_core::{CheckOptions, Store, check};

const METADATA_DB: &str = "io.containerd.snapshotter.v1.overlayfs/metadata.db";

#[derive(Default)]
struct Bytes(AtomicU64);

impl Observer for Bytes {
    fn event(&self, event: Event) {
        if let Event::Read { bytes } = event {
            self.0.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}

/// What a check did to each file: how often it was opened, and how often it was read from.
type Seen = BTreeMap<PathBuf, (u64, u64)>;

fn look(root: &Path, depth: Depth) -> (Seen, u64) {
    let seen: Arc<Mutex<Seen>> = Arc::default();
    let gate = Gate::new({
        let seen = Arc::clone(&seen);
        move |op, path| {
            let mut seen = seen.lock().unwrap();
            let (opens, reads) = seen.entry(path.to_owned()).or_default();
            match op {
                Op::Open => *opens += 1,
                Op::Read => *reads += 1,
                _ => {}
            }
            Ok(())
        }
    });
    let store = Store::open_with(root, gate).unwrap();
    let bytes = Bytes::default();
    let report = check(&store, &CheckOptions::default().depth(depth), &bytes, &Interrupt::default()).unwrap();
    assert_eq!(report.findings, [], "{depth:?}");
    drop(store);
    (std::mem::take(&mut seen.lock().unwrap()), bytes.0.into_inner())
}

fn layer(name: &str, bytes: usize) -> PackedLayer {
    let noise: Vec<u8> =
        (0..bytes as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    Layer::new([folder(name), file(&format!("{name}/file"), noise)]).pack().unwrap()
}

/// Two images on one base, unpacked in one namespace; another namespace shares the content of both.
fn store(layers: &[PackedLayer; 3]) -> StoreBuilder {
    let mut store = StoreBuilder::default();
    let [base, one, two] = layers;
    for (namespace, unpack) in [("default", &["overlayfs"][..]), ("other", &[])] {
        for (name, top) in [("one", one), ("two", two)] {
            let layers = [base.clone(), top.clone()];
            let (form, platform) = (Form::Oci, Platform::LINUX_AMD64);
            let spec = ImageSpec { namespace, repository: name, layers: &layers, form, platform, unpack };
            let image = store.add_image(&spec).unwrap();
            store.add_name(namespace, &format!("registry.example/{name}:1"), &image.manifest, Labels::new());
        }
    }
    store
}

/// The calls that it takes to read `bytes` once, with buffers of 256 KiB at least. The end gives nothing up to three times:
/// behind a piece that is not full, to the decompressor, to the hash.
fn most_reads(bytes: u64) -> u64 {
    bytes.div_ceil(256 << 10) + 3
}

#[test]
fn a_blob_is_read_once_whoever_shares_it() {
    let layers = [layer("base", 3_000_000), layer("one", 400_000), layer("two", 70_000)];
    let store = store(&layers);
    let dir = tempfile::tempdir().unwrap();
    store.write(dir.path()).unwrap();
    let layer_bytes: u64 = layers.iter().map(|layer| layer.bytes.len() as u64).sum();
    // Quick: the documents alone. Blobs and full: every blob, a layer either to be hashed or to be compared.
    for (depth, expected) in [(Depth::Quick, 0), (Depth::Blobs, layer_bytes), (Depth::Full, layer_bytes)] {
        let (seen, bytes) = look(dir.path(), depth);
        assert_eq!(bytes, expected, "{depth:?}");
        for (digest, content) in &store.blobs {
            let is_layer = layers.iter().any(|layer| layer.digest == *digest);
            let (opens, reads) = seen.get(&blob_path(digest)).copied().unwrap_or_default();
            assert_eq!(opens, u64::from(!is_layer || depth != Depth::Quick), "{depth:?}: {digest}");
            assert!(reads <= most_reads(content.len() as u64), "{depth:?}: {digest}: {reads} reads");
        }
        let files =
            seen.iter().filter(|(path, (opens, _))| path.ends_with("base/file") && *opens == 1).count();
        assert_eq!(files, usize::from(depth == Depth::Full), "{depth:?}: the tree's file");
        for database in [META_DB, METADATA_DB] {
            let (opens, reads) = seen[Path::new(database)];
            // Both meta pages: before, to open it, and after. All else in one piece, and its end.
            assert!(opens == 1 && reads <= 8, "{depth:?}: {database}: opened {opens} times, {reads} reads");
        }
    }
}
