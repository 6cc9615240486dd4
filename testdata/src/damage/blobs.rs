//! Damages to `blobs/`, and to what meta.db says of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::hit;
use super::kind::Damage;
use super::reach::Reach;
use super::subject::Subject;
use crate::builder::{CONTENT, Sample, blob_path, sha256};

const MISSING: &str = "blob-missing";
const DIGEST: &str = "blob-digest-mismatch";
const SIZE: &str = "blob-size-mismatch";
const NOT_REGULAR: &str = "blob-not-regular";
const UNREFERENCED: &str = "blob-unreferenced";
const CORRUPT: &str = "blob-unreferenced-corrupt";
const NAME: &str = "blob-name-invalid";
const RECORD: &str = "blob-record-size-wrong";

fn base(sample: &Sample) -> &str {
    &sample.base.digest
}

fn app_layer(sample: &Sample) -> &str {
    sample.app.layers.get(1).map_or("", String::as_str)
}

/// The layer that is named by sha512.
fn top_layer(sample: &Sample) -> &str {
    sample.extra.layers.last().map_or("", String::as_str)
}

fn file(root: &Path, digest: &str) -> PathBuf {
    root.join(blob_path(digest))
}

const STRAY: &[u8] = b"what a pull left before its record was written";

pub(super) const TABLE: &[Damage] = &[
    // F1
    Damage::files(
        "layer-missing",
        |s| Subject::blob(base(s)),
        |s, root| fs::remove_file(file(root, base(s))),
    )
    .always(MISSING)
    .reaching(Reach::BASE),
    Damage::files(
        "sha512-layer-missing",
        |s| Subject::blob(top_layer(s)),
        |s, root| fs::remove_file(file(root, top_layer(s))),
    )
    .always(MISSING)
    .reaching(Reach::EXTRA),
    Damage::files(
        "index-missing",
        |s| Subject::blob(&s.index.digest),
        |s, root| fs::remove_file(file(root, &s.index.digest)),
    )
    .always(MISSING)
    .reaching(Reach::APP),
    Damage::files(
        "manifest-missing",
        |s| Subject::blob(&s.app.manifest.digest),
        |s, root| fs::remove_file(file(root, &s.app.manifest.digest)),
    )
    .always(MISSING)
    .reaching(Reach::APP),
    Damage::files(
        "config-missing",
        |s| Subject::blob(&s.tool.config),
        |s, root| fs::remove_file(file(root, &s.tool.config)),
    )
    .always(MISSING)
    .reaching(Reach::TOOL),
    Damage::files(
        "attestation-missing",
        |s| Subject::blob(&s.attestation.manifest.digest),
        |s, root| fs::remove_file(file(root, &s.attestation.manifest.digest)),
    )
    .always(MISSING)
    .reaching(Reach::APP),
    // F2
    Damage::files("layer-flipped", |s| Subject::blob(base(s)), |s, root| hit::flip(&file(root, base(s))))
        .since_blobs(DIGEST)
        .reaching(Reach::BASE),
    Damage::files(
        "zstd-layer-flipped",
        |s| Subject::blob(app_layer(s)),
        |s, root| hit::flip(&file(root, app_layer(s))),
    )
    .since_blobs(DIGEST)
    .reaching(Reach::APP),
    Damage::files(
        "sha512-layer-flipped",
        |s| Subject::blob(top_layer(s)),
        |s, root| hit::flip(&file(root, top_layer(s))),
    )
    .since_blobs(DIGEST)
    .reaching(Reach::EXTRA),
    Damage::files(
        "index-flipped",
        |s| Subject::blob(&s.index.digest),
        |s, root| hit::flip(&file(root, &s.index.digest)),
    )
    .always(DIGEST)
    .reaching(Reach::APP),
    Damage::files(
        "manifest-flipped",
        |s| Subject::blob(&s.tool.manifest.digest),
        |s, root| hit::flip(&file(root, &s.tool.manifest.digest)),
    )
    .always(DIGEST)
    .reaching(Reach::TOOL),
    Damage::files(
        "manifest-still-parses",
        |s| Subject::blob(&s.extra.manifest.digest),
        |s, root| hit::grow_with(&file(root, &s.extra.manifest.digest), b" "),
    )
    .always(DIGEST)
    .reaching(Reach::EXTRA),
    Damage::files(
        "manifest-emptied",
        |s| Subject::blob(&s.extra.manifest.digest),
        |s, root| hit::empty(&file(root, &s.extra.manifest.digest)),
    )
    .always(DIGEST)
    .reaching(Reach::EXTRA),
    Damage::files(
        "config-flipped",
        |s| Subject::blob(&s.app.config),
        |s, root| hit::flip(&file(root, &s.app.config)),
    )
    .always(DIGEST)
    .reaching(Reach::APP),
    Damage::files(
        "layer-truncated",
        |s| Subject::blob(app_layer(s)),
        |s, root| hit::truncate(&file(root, app_layer(s))),
    )
    .always(SIZE)
    .since_blobs(DIGEST)
    .reaching(Reach::APP),
    Damage::files("layer-grown", |s| Subject::blob(base(s)), |s, root| hit::grow(&file(root, base(s))))
        .always(SIZE)
        .since_blobs(DIGEST)
        .reaching(Reach::BASE),
    Damage::files(
        "layer-emptied",
        |s| Subject::blob(top_layer(s)),
        |s, root| hit::empty(&file(root, top_layer(s))),
    )
    .always(SIZE)
    .since_blobs(DIGEST)
    .reaching(Reach::EXTRA),
    // Something else has a blob's name.
    Damage::files("layer-is-a-fifo", |s| Subject::blob(base(s)), |s, root| hit::fifo(&file(root, base(s))))
        .always(NOT_REGULAR)
        .reaching(Reach::BASE),
    Damage::files(
        "layer-is-a-folder",
        |s| Subject::blob(app_layer(s)),
        |s, root| hit::folder(&file(root, app_layer(s))),
    )
    .always(NOT_REGULAR)
    .reaching(Reach::APP),
    Damage::files(
        "layer-is-a-link",
        |s| Subject::blob(base(s)),
        |s, root| hit::link(&file(root, base(s)), &root.join("aside")),
    )
    .always(NOT_REGULAR)
    .reaching(Reach::BASE),
    Damage::files(
        "manifest-is-a-link",
        |s| Subject::blob(&s.tool.manifest.digest),
        |s, root| hit::link(&file(root, &s.tool.manifest.digest), &root.join("aside")),
    )
    .always(NOT_REGULAR)
    .reaching(Reach::TOOL),
    Damage::files(
        "config-is-a-fifo",
        |s| Subject::blob(&s.app.config),
        |s, root| hit::fifo(&file(root, &s.app.config)),
    )
    .always(NOT_REGULAR)
    .reaching(Reach::APP),
    // F3. Without the bytes, quick cannot tell right from wrong.
    Damage::files(
        "blob-without-row",
        |_| Subject::blob(&sha256(STRAY)),
        |_, root| fs::write(file(root, &sha256(STRAY)), STRAY),
    )
    .always(UNREFERENCED),
    Damage::model(
        "layer-without-row",
        |s| Subject::blob(top_layer(s)),
        |s| {
            let digest = top_layer(s).to_owned();
            s.store.namespace("default").blobs.remove(&digest);
            Ok(())
        },
    )
    .always(UNREFERENCED)
    .reaching(Reach::EXTRA),
    Damage::files(
        "wrong-blob-without-row",
        |_| Subject::blob(&sha256(STRAY)),
        |_, root| fs::write(file(root, &sha256(STRAY)), b"something else"),
    )
    .always(UNREFERENCED)
    .since_blobs(CORRUPT),
    // F13
    Damage::files(
        "name-with-suffix",
        |s| Subject::path(beside(s, ".bad")),
        |s, root| fs::write(root.join(beside(s, ".bad")), b"set aside by hand"),
    )
    .always(NAME),
    Damage::files(
        "name-in-upper-case",
        |_| Subject::path(below_blobs(UPPER)),
        |_, root| fs::write(root.join(below_blobs(UPPER)), b""),
    )
    .always(NAME),
    Damage::files(
        "name-too-short",
        |_| Subject::path(below_blobs("sha256/abc")),
        |_, root| fs::write(root.join(below_blobs("sha256/abc")), b""),
    )
    .always(NAME),
    Damage::files(
        "name-of-a-folder",
        |_| Subject::path(below_blobs("sha256/old")),
        |_, root| fs::create_dir(root.join(below_blobs("sha256/old"))),
    )
    .always(NAME),
    Damage::files(
        "algorithm-is-a-file",
        |_| Subject::path(below_blobs("sha384")),
        |_, root| fs::write(root.join(below_blobs("sha384")), b""),
    )
    .always(NAME),
    // F14. Quick reads manifests, but no layers.
    Damage::model(
        "layer-row-size-wrong",
        |s| Subject::blob(app_layer(s)),
        |s| {
            let digest = app_layer(s).to_owned();
            resize(s, "default", &digest)
        },
    )
    .always(SIZE)
    .since_blobs(RECORD)
    .reaching(Reach::APP),
    Damage::model(
        "manifest-row-size-wrong",
        |s| Subject::blob(&s.tool.manifest.digest),
        |s| {
            let digest = s.tool.manifest.digest.clone();
            resize(s, "k8s.io", &digest)
        },
    )
    .always(RECORD)
    .reaching(Reach::TOOL),
    // One of two rows of a blob: which one says the truth, only the bytes tell.
    Damage::model(
        "one-row-size-wrong",
        |s| Subject::blob(base(s)),
        |s| {
            let digest = base(s).to_owned();
            resize(s, "k8s.io", &digest)
        },
    )
    .always(SIZE)
    .since_blobs(RECORD)
    .reaching(Reach::BASE),
];

const UPPER: &str = "sha256/E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855";

fn below_blobs(path: &str) -> PathBuf {
    Path::new(CONTENT).join("blobs").join(path)
}

/// A path that is a blob's with something behind it.
fn beside(sample: &Sample, suffix: &str) -> PathBuf {
    let mut path = blob_path(base(sample)).into_os_string();
    path.push(suffix);
    path.into()
}

fn resize(sample: &mut Sample, namespace: &str, digest: &str) -> io::Result<()> {
    let row = sample.store.namespace(namespace).blobs.get_mut(digest);
    row.ok_or(io::ErrorKind::NotFound)?.size += 1;
    Ok(())
}
