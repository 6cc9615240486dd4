//! Makes a containerd root to measure with.
//!
//! ```text
//! store blobs ROOT COUNT MIB     a root with COUNT blobs of MIB each, that nothing compresses
//! store image ROOT LAYOUT        a root that a real containerd pulled an image to (needs root and ci/setup)
//! ```

use std::path::Path;

use testdata::bed::{Bed, Containerd, Registry};
use testdata::builder::{Labels, StoreBuilder};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["blobs", root, count, mib] => blobs(Path::new(root), count.parse()?, mib.parse()?),
        ["image", root, layout] => image(Path::new(root), layout),
        _ => Err("store blobs ROOT COUNT MIB | store image ROOT LAYOUT".into()),
    }
}

fn blobs(root: &Path, count: u64, mib: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut store = StoreBuilder::default();
    for number in 1..=count {
        let bytes = benches::noise(number, mib << 20);
        let digest = testdata::builder::sha256(&bytes);
        // Kept, as something that an operator put there: nothing refers to it.
        let labels = Labels::from([("containerd.io/gc.root".into(), "2026-01-01T00:00:00Z".into())]);
        store.add_blob("default", &digest, &bytes, labels);
    }
    Ok(store.write(root)?)
}

fn image(root: &Path, layout: &str) -> Result<(), Box<dyn std::error::Error>> {
    let bed = Bed::find()?;
    let newest = *bed.generations().last().ok_or("no containerd")?;
    let registry = Registry::start(&bed);
    registry.push(&bed.image(layout), "measured:1");
    let mut containerd = Containerd::start(&bed, newest, root);
    containerd.pull(&registry.reference("measured:1"));
    containerd.stop();
    Ok(())
}
