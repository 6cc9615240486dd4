//! Parts that are gone as a whole, layers that were never written out, images for other machines, and leaks.

use std::fs;
use std::io;

use super::kind::Damage;
use super::reach::Reach;
use super::subject::Subject;
use crate::builder::{
    CONTENT, Compression, Form, ImageSpec, Kind, Labels, Layer, LeaseRow, Platform, Sample, Time, file,
    sha256, snapshotter_folder,
};

const SNAPSHOTTER: &str = "snapshotter-missing";
const EROFS: &str = "erofs-layer-invalid";

/// The content that a lease or a label alone keeps.
const LEFT: &[u8] = b"what a client left";

pub(super) const TABLE: &[Damage] = &[
    Damage::files(
        "snapshotter-folder-missing",
        |_| Subject::path(snapshotter_folder("native")),
        |_, root| fs::remove_dir_all(root.join(snapshotter_folder("native"))),
    )
    .always(SNAPSHOTTER)
    .reaching(Reach::NATIVE),
    Damage::files(
        "snapshotter-folder-hidden",
        |_| Subject::path(snapshotter_folder("native")),
        |_, root| {
            let folder = root.join(snapshotter_folder("native"));
            fs::remove_dir_all(&folder)?;
            fs::create_dir(folder)
        },
    )
    .always(SNAPSHOTTER)
    .reaching(Reach::NATIVE),
    Damage::files(
        "content-folder-missing",
        |_| Subject::path(CONTENT),
        |_, root| fs::remove_dir_all(root.join(CONTENT)),
    )
    .always("content-missing")
    .reaching(Reach::IMAGES),
    Damage::model("erofs-layer-of-zeros", erofs, |s| erofs_layer(s, Some(vec![0; 8192])))
        .always(EROFS)
        .reaching(Reach::DEFAULT),
    Damage::model("erofs-layer-empty", erofs, |s| erofs_layer(s, Some(Vec::new())))
        .always(EROFS)
        .reaching(Reach::DEFAULT),
    Damage::model("erofs-layer-missing", erofs, |s| erofs_layer(s, None))
        .always(EROFS)
        .reaching(Reach::DEFAULT),
    Damage::model(
        "image-of-another-platform",
        |_| Subject::Image("default".into(), Reach::ODD_NAME.into()),
        |s| {
            let layer =
                Layer::new([file("bin/program", "for another machine")]).compression(Compression::Gzip);
            let image = s.store.add_image(&ImageSpec {
                namespace: "default",
                repository: "odd",
                layers: &[layer.pack()?],
                form: Form::Oci,
                // No processor that anybody emulates.
                platform: Platform { os: "linux", architecture: "pdp11" },
                unpack: &[],
            })?;
            s.store.add_name("default", Reach::ODD_NAME, &image.manifest, Labels::new());
            Ok(())
        },
    )
    .always("image-not-runnable")
    .reaching(Reach::ODD),
    Damage::model(
        "lease-without-an-end",
        |_| Subject::meta_record(["v1", "default", "leases"]),
        |s| {
            let digest = sha256(LEFT);
            s.store.add_blob("default", &digest, LEFT, Labels::new());
            let lease = LeaseRow { content: vec![digest], ..LeaseRow::default() };
            s.store.namespace("default").leases.insert("left".into(), lease);
            Ok(())
        },
    )
    .always("lease-endless")
    .reaching(Reach::DEFAULT),
    Damage::model(
        "content-that-a-label-keeps",
        |_| Subject::meta_record(["v1", "default"]),
        |s| {
            let labels = Labels::from([("containerd.io/gc.root".into(), Time::BUILT.to_text())]);
            s.store.add_blob("default", &sha256(LEFT), LEFT, labels);
            Ok(())
        },
    )
    .always("gc-root-unreached")
    .reaching(Reach::DEFAULT),
];

fn erofs(sample: &Sample) -> Subject {
    Subject::snapshot(sample, "default", "erofs", "layer")
}

/// A committed snapshot of erofs, which is a file, or should be.
fn erofs_layer(sample: &mut Sample, image: Option<Vec<u8>>) -> io::Result<()> {
    let tree: Vec<_> = image.into_iter().map(|bytes| file("layer.erofs", bytes)).collect();
    sample.store.add_snapshot("default", "erofs", "layer", Kind::Committed, None, &tree);
    Ok(())
}
