//! Layers with the right digest that are not what their image says, although a snapshot claims to hold them.

use std::io;

use super::documents::add_image;
use super::kind::Damage;
use super::reach::Reach;
use super::subject::Subject;
use crate::builder::{Compression, Layer, PackedLayer, Sample, file, sha256};

const DIFF_ID: &str = "layer-diffid-mismatch";
const INVALID: &str = "layer-invalid";

pub(super) const TABLE: &[Damage] = &[
    Damage::model(
        "diffid-of-another-layer",
        |_| subject(good),
        |s| add(s, PackedLayer { diff_id: sha256(b"another layer"), ..good()? }),
    )
    .at_full(DIFF_ID)
    .reaching(Reach::ODD),
    Damage::model(
        "plain-layer-of-another-diffid",
        |_| subject(plain),
        |s| add(s, PackedLayer { diff_id: sha256(b"another layer"), ..plain()? }),
    )
    .at_full(DIFF_ID)
    .reaching(Reach::ODD),
    Damage::model(
        "label-of-another-layer",
        |_| subject(good),
        |s| {
            let layer = good()?;
            let digest = layer.digest.clone();
            add(s, layer)?;
            let row = s.store.namespace("default").blobs.get_mut(&digest).ok_or(io::ErrorKind::NotFound)?;
            row.labels.insert("containerd.io/uncompressed".into(), sha256(b"another layer"));
            Ok(())
        },
    )
    .at_full(DIFF_ID)
    .reaching(Reach::ODD),
    Damage::model("gzip-cut", |_| subject(cut), |s| add(s, cut()?)).at_full(INVALID).reaching(Reach::ODD),
    Damage::model("zstd-broken", |_| subject(bad_zstd), |s| add(s, bad_zstd()?))
        .at_full(INVALID)
        .reaching(Reach::ODD),
    Damage::model("not-a-tar", |_| subject(not_a_tar), |s| add(s, not_a_tar()?))
        .at_full(INVALID)
        .reaching(Reach::ODD),
];

fn subject(layer: fn() -> io::Result<PackedLayer>) -> Subject {
    Subject::Blob(layer().map(|layer| layer.digest).unwrap_or_default())
}

fn add(sample: &mut Sample, layer: PackedLayer) -> io::Result<()> {
    add_image(sample, &[layer])
}

fn good() -> io::Result<PackedLayer> {
    Layer::new([file("odd", "a layer of its own\n".repeat(200))]).pack()
}

fn plain() -> io::Result<PackedLayer> {
    Layer::new([file("odd", "a layer of its own\n".repeat(200))]).compression(Compression::None).pack()
}

/// A layer whose blob became `bytes`, under the digest that they have.
fn holding(layer: PackedLayer, bytes: Vec<u8>) -> PackedLayer {
    PackedLayer { digest: sha256(&bytes), bytes, ..layer }
}

fn cut() -> io::Result<PackedLayer> {
    let layer = good()?;
    let half = layer.bytes.iter().copied().take(layer.bytes.len() / 2).collect();
    Ok(holding(layer, half))
}

fn bad_zstd() -> io::Result<PackedLayer> {
    let layer = Layer::new([file("odd", "a layer of its own\n")]).compression(Compression::Zstd).pack()?;
    let bytes = layer.bytes.iter().copied().take(4).chain([0xff; 40]).collect();
    Ok(holding(layer, bytes))
}

fn not_a_tar() -> io::Result<PackedLayer> {
    let layer = plain()?;
    let bytes = b"there is no header in here. ".repeat(100);
    Ok(holding(PackedLayer { diff_id: sha256(&bytes), ..layer }, bytes))
}
