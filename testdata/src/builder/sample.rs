//! A healthy store with everything in it that looks odd in healthy stores.

use std::io;

use super::digest::sha256;
use super::image::{Descriptor, Form, Image, ImageSpec, Platform};
use super::layer::{Compression, Layer, PackedLayer, file, folder, hard_link, symlink, whiteout};
use super::model::{ContainerRow, IngestFolder, IngestRow, Kind, Labels, LeaseRow, SandboxRow, StoreBuilder};
use super::time::Time;

/// When what is kept may be collected: not while these tests matter.
const FAR: Time = Time { seconds: 4_102_444_800, nanoseconds: 0 };

/// A healthy store, and the names of what is in it.
///
/// ```text
/// default   app:1    index ─ linux/amd64: base, app (zstd), page (plain tar); unpacked by overlayfs and native
///                          ├ linux/arm64: never pulled        ├ linux/arm: manifest and config without layers
///                          └ an attestation
///           extra:1  manifest: base, spare (discarded after unpacking), top (named by sha512); overlayfs
///           web      container on app:1           look  a view of app:1        saved  committed by hand
///           keep     lease                        an ingest in progress        a dangling child of base's snapshot
/// k8s.io    tool:1   docker schema 2: base, tool; three records, as CRI keeps them; overlayfs
///           pod      sandbox                      work  container on tool:1
/// ```
#[derive(Debug, Clone)]
pub struct Sample {
    /// The store.
    pub store: StoreBuilder,
    /// The layer below all three images.
    pub base: PackedLayer,
    /// The index that [`Self::APP`] names.
    pub index: Descriptor,
    /// Its image for linux/amd64.
    pub app: Image,
    /// Its image for linux/arm: no layers here.
    pub arm: Image,
    /// Its attestation's manifest.
    pub attestation: Image,
    /// The image of [`Self::EXTRA`].
    pub extra: Image,
    /// The image of [`Self::TOOL`].
    pub tool: Image,
    /// The ingest in progress: its backend ref.
    pub ingest: String,
}

impl Sample {
    /// An image in `default`.
    pub const APP: &str = "registry.example/app:1";
    /// Another, which shares its lowest layer and snapshot.
    pub const EXTRA: &str = "registry.example/extra:1";
    /// An image in `k8s.io`, which shares the layer.
    pub const TOOL: &str = "registry.example/tool:1";
    /// A container on [`Self::APP`].
    pub const WEB: &str = "web";
    /// A container on [`Self::TOOL`].
    pub const WORK: &str = "work";
    /// Where CRI keeps it, below the root.
    pub const WORK_FOLDER: &str = "io.containerd.grpc.v1.cri/containers/work";
    /// Where containerd keeps its own UUID, below the root.
    pub const UUID: &str = "io.containerd.grpc.v1.introspection/uuid";
}

/// Builds the sample.
///
/// # Errors
/// Never, in practice.
pub fn sample() -> io::Result<Sample> {
    let mut store = StoreBuilder::default();
    let base = base_layer().pack()?;
    let app = add_app(&mut store, &base)?;
    let arm = add_arm(&mut store, &base)?;
    let attestation = add_attestation(&mut store)?;
    let index = add_app_index(&mut store, &app, &arm, &attestation)?;
    let extra = add_extra(&mut store, &base)?;
    let tool = add_tool(&mut store, &base)?;
    add_containers(&mut store, &app, &tool);
    // So many that they need a branch page.
    for number in 0..120 {
        let label = format!("example.io/note-{number:03}");
        store.namespace("default").labels.insert(label, "a label of a namespace that has many".into());
    }
    let ingest = add_ingest_and_lease(&mut store, &app);
    add_dangling_child(&mut store, &app);
    Ok(Sample { store, base, index, app, arm, attestation, extra, tool, ingest })
}

fn base_layer() -> Layer {
    Layer::new([
        folder("bin"),
        file("bin/busybox", noise(40_000)).mode(0o755),
        hard_link("bin/sh", "bin/busybox").mode(0o755),
        symlink("bin/ls", "busybox"),
        folder("etc"),
        file("etc/hosts", "127.0.0.1 localhost\n"),
        file("etc/motd", "welcome\n"),
        file("etc/empty", ""),
        folder("tmp").mode(0o1777),
    ])
}

/// Bytes that do not compress and are the same every time (a linear congruential generator's high bits).
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(&mut next).take(len).collect()
}

fn add_app(store: &mut StoreBuilder, base: &PackedLayer) -> io::Result<Image> {
    let app = Layer::new([
        folder("etc"),
        whiteout("etc/motd"),
        file("etc/hosts", "127.0.0.1 localhost app\n"),
        folder("opt"),
        file("opt/app", noise(9_000)).mode(0o755),
    ]);
    let page = Layer::new([folder("srv"), file("srv/index.html", "<h1>it works</h1>\n")]);
    let layers = [
        base.clone(),
        app.compression(Compression::Zstd).pack()?,
        page.compression(Compression::None).pack()?,
    ];
    store.add_image(&ImageSpec {
        namespace: "default",
        repository: "app",
        layers: &layers,
        form: Form::Oci,
        platform: Platform::LINUX_AMD64,
        unpack: &["overlayfs", "native"],
    })
}

/// As 2.1's `ctr` leaves another platform: manifest and config are fetched, the layers are not.
fn add_arm(store: &mut StoreBuilder, base: &PackedLayer) -> io::Result<Image> {
    let layer = Layer::new([file("arm", "arm\n")]).pack()?;
    let arm = store.add_image(&ImageSpec {
        namespace: "default",
        repository: "app",
        layers: &[base.clone(), layer.clone()],
        form: Form::Oci,
        platform: Platform { os: "linux", architecture: "arm" },
        unpack: &[],
    })?;
    discard(store, "default", &layer.digest);
    Ok(arm)
}

/// As `docker buildx` adds them: an OCI image by its form, an in-toto statement by its layer.
fn add_attestation(store: &mut StoreBuilder) -> io::Result<Image> {
    store.add_statement("default", "app", br#"{"_type":"https://in-toto.io/Statement/v0.1","subject":[]}"#)
}

fn add_app_index(
    store: &mut StoreBuilder,
    app: &Image,
    arm: &Image,
    attestation: &Image,
) -> io::Result<Descriptor> {
    let never_pulled = Descriptor {
        digest: sha256(b"the manifest for linux/arm64"),
        platform: Some(Platform { os: "linux", architecture: "arm64" }),
        ..app.manifest.clone()
    };
    let annotations = vec![
        ("vnd.docker.reference.type".into(), "attestation-manifest".into()),
        ("vnd.docker.reference.digest".into(), app.manifest.digest.clone()),
    ];
    let attestation = Descriptor { annotations, ..attestation.manifest.clone() };
    let children = [app.manifest.clone(), never_pulled, arm.manifest.clone(), attestation];
    let index = store.add_index("default", &children, &[0, 2, 3])?;
    store.add_name("default", Sample::APP, &index, Labels::new());
    Ok(index)
}

fn add_extra(store: &mut StoreBuilder, base: &PackedLayer) -> io::Result<Image> {
    let spare = Layer::new([folder("spare"), file("spare/part", noise(5_000))]).pack()?;
    // No entries for the folders: unpacking makes them, with the time it has.
    let top = Layer::new([file("usr/share/top/hat", noise(6_000))]).sha512().pack()?;
    let extra = store.add_image(&ImageSpec {
        namespace: "default",
        repository: "extra",
        layers: &[base.clone(), spare.clone(), top],
        form: Form::Oci,
        platform: Platform::LINUX_AMD64,
        unpack: &["overlayfs"],
    })?;
    discard(store, "default", &spare.digest);
    store.add_name("default", Sample::EXTRA, &extra.manifest, Labels::new());
    Ok(extra)
}

fn add_tool(store: &mut StoreBuilder, base: &PackedLayer) -> io::Result<Image> {
    // No entry for `tmp`: it has its mode from the base.
    let layer = Layer::new([
        folder("usr"),
        folder("usr/bin"),
        file("usr/bin/tool", noise(7_000)).mode(0o755),
        file("tmp/socket", ""),
    ]);
    let tool = store.add_image(&ImageSpec {
        namespace: "k8s.io",
        repository: "tool",
        layers: &[base.clone(), layer.pack()?],
        form: Form::Docker,
        platform: Platform::LINUX_AMD64,
        unpack: &["overlayfs"],
    })?;
    let top = tool.chain.get(1).and_then(|key| store.snapshot_mut("k8s.io", "overlayfs", key));
    if let Some(snapshot) = top {
        snapshot.tree.insert(0, folder("tmp").mode(0o1777));
    }
    let managed = Labels::from([("io.cri-containerd.image".into(), "managed".into())]);
    let by_digest = format!("registry.example/tool@{}", tool.manifest.digest);
    for name in [Sample::TOOL, by_digest.as_str(), tool.config.as_str()] {
        store.add_name("k8s.io", name, &tool.manifest, managed.clone());
    }
    Ok(tool)
}

fn add_containers(store: &mut StoreBuilder, app: &Image, tool: &Image) {
    let top = app.chain.last().map(String::as_str);
    let log = [folder("var"), file("var/log", "started\n")];
    store.add_snapshot("default", "overlayfs", Sample::WEB, Kind::Active, top, &log);
    store.add_snapshot("default", "overlayfs", "look", Kind::View, top, &[]);
    let saved = [folder("opt"), file("opt/saved", "by hand\n")];
    store.add_snapshot("default", "overlayfs", "saved", Kind::Committed, top, &saved);
    let rows = store.namespace("default").snapshots.entry("overlayfs".into()).or_default();
    for kept in ["look", "saved"] {
        // Else the collector takes what neither an image nor a container needs.
        let labels = rows.rows.get_mut(kept).map(|row| &mut row.labels);
        // Since today: what such a label alone keeps for long is told.
        labels.map(|labels| labels.insert("containerd.io/gc.root".into(), Time::now().to_text()));
    }
    let top = tool.chain.last().map(String::as_str);
    store.add_snapshot("k8s.io", "overlayfs", Sample::WORK, Kind::Active, top, &[]);

    let web = ContainerRow {
        image: Sample::APP.into(),
        snapshotter: "overlayfs".into(),
        snapshot_key: Sample::WEB.into(),
        ..ContainerRow::default()
    };
    store.namespace("default").containers.insert(Sample::WEB.into(), web);
    let work = ContainerRow {
        image: Sample::TOOL.into(),
        snapshotter: "overlayfs".into(),
        snapshot_key: Sample::WORK.into(),
        sandbox_id: "pod".into(),
        labels: Labels::from([("io.cri-containerd.kind".into(), "container".into())]),
        ..ContainerRow::default()
    };
    add_own_files(store);
    let pod = SandboxRow { sandboxer: "podsandbox".into(), labels: Labels::new() };
    let cri = store.namespace("k8s.io");
    cri.containers.insert(Sample::WORK.into(), work);
    cri.sandboxes.insert("pod".into(), pod);
    cri.labels.insert("owner".into(), "kubelet".into());
}

/// What containerd and CRI keep in files of their own.
fn add_own_files(store: &mut StoreBuilder) {
    let status = r#"{"Version":"v1","Pid":0,"CreatedAt":1767323045123456789,"StartedAt":0,"FinishedAt":0,"ExitCode":0}"#;
    let pod = "io.containerd.grpc.v1.cri/sandboxes/pod";
    let files = [
        (Sample::UUID.into(), "0bd1a2f6-6b1c-4c9f-9c41-8b3f1a2d3e4f"),
        (format!("{}/status", Sample::WORK_FOLDER), status),
        (format!("{}/volumes/0123/seed", Sample::WORK_FOLDER), "copied from the image"),
        (format!("{pod}/hostname"), "pod\n"),
        (format!("{pod}/hosts"), "127.0.0.1 localhost\n"),
    ];
    store.files.extend(files.into_iter().map(|(path, text)| (path, text.as_bytes().to_vec())));
}

fn add_ingest_and_lease(store: &mut StoreBuilder, app: &Image) -> String {
    let expected = sha256(b"a layer that is being pulled");
    let client_ref = format!("layer-{expected}");
    let backend_ref = format!("default/1/{client_ref}");
    let folder = IngestFolder { data: noise(3_000), total: Some(8_000) };
    store.ingests.insert(backend_ref.clone(), folder);
    let row = IngestRow { backend_ref: backend_ref.clone(), expected: Some(expected), expire_at: FAR };
    let lease = LeaseRow {
        content: vec![app.manifest.digest.clone()],
        snapshots: app.chain.iter().take(1).map(|key| ("overlayfs".into(), key.clone())).collect(),
        images: vec![Sample::APP.into()],
        ingests: vec![client_ref.clone()],
        labels: Labels::from([("containerd.io/gc.expire".into(), FAR.to_text())]),
    };
    let namespace = store.namespace("default");
    namespace.ingests.insert(client_ref, row);
    namespace.leases.insert("keep".into(), lease);
    backend_ref
}

/// What containerd's collector leaves when one of two images that share a base goes (its issue 11908).
fn add_dangling_child(store: &mut StoreBuilder, app: &Image) {
    let rows = store.namespace("default").snapshots.get_mut("overlayfs");
    let base = app.chain.first().and_then(|key| rows?.rows.get_mut(key));
    if let Some(base) = base {
        base.children.push(sha256(b"the chain of an image that was removed"));
    }
}

/// No row and no file: a layer that is not, or no longer, here.
fn discard(store: &mut StoreBuilder, namespace: &str, digest: &str) {
    store.namespace(namespace).blobs.remove(digest);
    store.blobs.remove(digest);
}
