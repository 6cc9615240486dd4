//! Healthy stores of a size that no node should have, and one of a size that most have; and [`Hostile`] ones, where what one
//! row leads to grows with all the others.
//!
//! Contents are small and all different: what is to be large is the number of rows and names.

use std::io;

use super::image::{Form, ImageSpec, Platform};
use super::layer::{Compression, Layer, PackedLayer, file, folder};
use super::model::{ContainerRow, Kind, Labels, LastCommit, StoreBuilder};
use super::{Time, Usage, sha256};

const NAMESPACE: &str = "k8s.io";

/// Which of the stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// 100,000 blobs that nothing but a label keeps, in images' stead.
    Blobs,
    /// 20,000 committed snapshots: 2,000 images of ten layers.
    Snapshots,
    /// A meta.db of 200 MB: 6,200 containers with the specs that they have in a cluster, 12,400 blobs with labels.
    MetaDb,
    /// A manifest with 500 layers, unpacked.
    Layers,
    /// A layer with 500,000 entries, unpacked.
    Entries,
    /// 100 images of five layers, 200 files to the layer: a node.
    Node,
}

impl Scale {
    /// All of them.
    pub const ALL: [Scale; 6] =
        [Scale::Blobs, Scale::Snapshots, Scale::MetaDb, Scale::Layers, Scale::Entries, Scale::Node];

    /// As it is called on a command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Scale::Blobs => "blobs",
            Scale::Snapshots => "snapshots",
            Scale::MetaDb => "meta-db",
            Scale::Layers => "layers",
            Scale::Entries => "entries",
            Scale::Node => "node",
        }
    }

    /// The rows of the whole store.
    #[must_use]
    pub fn rows(self) -> usize {
        match self {
            Scale::Blobs => 100_000,
            Scale::Snapshots => 20_000,
            Scale::MetaDb => 18_600,
            Scale::Layers => 500,
            Scale::Entries => 500_000,
            Scale::Node => 500,
        }
    }

    /// The store with about so many rows.
    ///
    /// # Errors
    /// Never, in practice.
    pub fn build(self, rows: usize) -> io::Result<StoreBuilder> {
        let mut store = StoreBuilder { last_commit: LastCommit::OneBucket, ..StoreBuilder::default() };
        match self {
            Scale::Blobs => add_blobs(&mut store, rows),
            Scale::Snapshots => add_images(&mut store, rows / 10, 10, 1)?,
            Scale::MetaDb => {
                add_blobs(&mut store, rows * 2 / 3);
                add_containers(&mut store, rows / 3);
            }
            Scale::Layers => {
                let layers: Vec<_> = (0..rows).map(|number| layer(number, 2)).collect::<io::Result<_>>()?;
                add_image(&mut store, 0, &layers)?;
            }
            Scale::Entries => add_image(&mut store, 0, &[large_layer(rows)?])?,
            Scale::Node => add_images(&mut store, rows / 5, 5, 200)?,
        }
        Ok(store)
    }
}

/// Stores that somebody made to have a check take time or memory by the square of their rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hostile {
    /// native snapshots, each on the one before: the tree of each is made by all layers below. All have one blob.
    Copies,
    /// overlayfs snapshots, each on the one before, all with another usage than is recorded; on the highest stand as many
    /// containers, which each of them reaches.
    Tower,
    /// The same, but a container on each.
    Stairs,
}

impl Hostile {
    /// As it is called in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Hostile::Copies => "copies",
            Hostile::Tower => "tower",
            Hostile::Stairs => "stairs",
        }
    }

    /// The store with a stack of `height` layers.
    ///
    /// # Errors
    /// Never, in practice.
    pub fn build(self, height: usize) -> io::Result<StoreBuilder> {
        let mut store = StoreBuilder { last_commit: LastCommit::OneBucket, ..StoreBuilder::default() };
        let snapshotter = if self == Hostile::Copies { "native" } else { "overlayfs" };
        let chain = add_stack(&mut store, snapshotter, height)?;
        if self == Hostile::Copies {
            return Ok(store);
        }
        for (number, key) in chain.iter().enumerate() {
            let id = sha256(format!("container {number}").as_bytes()).split_off("sha256:".len());
            let parent = if self == Hostile::Tower { chain.last() } else { Some(key) };
            let parent = parent.map(String::as_str);
            store.add_snapshot(NAMESPACE, snapshotter, &id, Kind::Active, parent, &[]);
            if let Some(snapshot) = store.snapshot_mut(NAMESPACE, snapshotter, key) {
                snapshot.usage = Some(Usage { inodes: 1000, size: 1 << 30 });
            }
            let row = ContainerRow {
                snapshotter: snapshotter.into(),
                snapshot_key: id.clone(),
                ..ContainerRow::default()
            };
            store.namespace(NAMESPACE).containers.insert(id, row);
        }
        Ok(store)
    }
}

/// An image of `height` layers that are all the same, and its ChainIDs.
fn add_stack(store: &mut StoreBuilder, snapshotter: &str, height: usize) -> io::Result<Vec<String>> {
    let image = store.add_image(&ImageSpec {
        namespace: NAMESPACE,
        repository: "high",
        layers: &vec![layer(0, 0)?; height],
        form: Form::Oci,
        platform: Platform::LINUX_AMD64,
        unpack: &[snapshotter],
    })?;
    store.add_name(NAMESPACE, "registry.example/high:1", &image.manifest, Labels::new());
    Ok(image.chain)
}

/// Blobs as an image's are, by their labels, that a root label keeps.
fn add_blobs(store: &mut StoreBuilder, count: usize) {
    for number in 0..count {
        let bytes = format!("the bytes of blob {number}");
        let digest = sha256(bytes.as_bytes());
        let labels = Labels::from([
            ("containerd.io/gc.root".into(), Time::BUILT.to_text()),
            (
                "containerd.io/distribution.source.registry.example".into(),
                format!("team-{}/service", number % 97),
            ),
        ]);
        store.add_blob(NAMESPACE, &digest, bytes.as_bytes(), labels);
    }
}

/// Images of so many layers each, none of which they share.
fn add_images(store: &mut StoreBuilder, count: usize, layers: usize, files: usize) -> io::Result<()> {
    for number in 0..count {
        let own = number * layers..(number + 1) * layers;
        let own: Vec<PackedLayer> = own.map(|number| layer(number, files)).collect::<io::Result<_>>()?;
        add_image(store, number, &own)?;
    }
    Ok(())
}

fn add_image(store: &mut StoreBuilder, number: usize, layers: &[PackedLayer]) -> io::Result<()> {
    let image = store.add_image(&ImageSpec {
        namespace: NAMESPACE,
        repository: &format!("service-{number}"),
        layers,
        form: Form::Oci,
        platform: Platform::LINUX_AMD64,
        unpack: &["overlayfs"],
    })?;
    store.add_name(
        NAMESPACE,
        &format!("registry.example/service-{number}:1"),
        &image.manifest,
        Labels::new(),
    );
    Ok(())
}

/// Containers with a snapshot each, and a spec of 11 KB, as a pod with mounts, variables and a seccomp profile has.
fn add_containers(store: &mut StoreBuilder, count: usize) {
    for number in 0..count {
        let id = sha256(format!("container {number}").as_bytes()).split_off("sha256:".len());
        store.add_snapshot(NAMESPACE, "overlayfs", &id, Kind::Active, None, &[]);
        let row = ContainerRow {
            image: format!("registry.example/service-{}:1", number % 100),
            snapshotter: "overlayfs".into(),
            snapshot_key: id.clone(),
            labels: Labels::from([("io.cri-containerd.kind".into(), "container".into())]),
            spec_bytes: 11_000,
            ..ContainerRow::default()
        };
        store.namespace(NAMESPACE).containers.insert(id, row);
    }
}

/// A layer like no other, with `files` small files.
fn layer(number: usize, files: usize) -> io::Result<PackedLayer> {
    let top = format!("srv-{number}");
    let mut entries = vec![folder(&top)];
    for at in 0..files {
        entries.push(file(
            &format!("{top}/file-{at}"),
            format!("file {at} of layer {number}\n").repeat(1 + at % 90),
        ));
    }
    Layer::new(entries).pack()
}

/// Empty files, fifty to a folder, with names as packages have them.
fn large_layer(count: usize) -> io::Result<PackedLayer> {
    let mut entries = vec![folder("usr"), folder("usr/share")];
    for number in 0..count {
        let package = format!("usr/share/package-{}", number / 50);
        if number % 50 == 0 {
            entries.push(folder(&package));
        }
        entries.push(file(&format!("{package}/message-{number}.mo"), ""));
    }
    Layer::new(entries).compression(Compression::Zstd).pack()
}
