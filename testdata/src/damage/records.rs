//! Values that do not decode as containerd writes them.

use std::io;

use super::kind::Damage;
use super::reach::Reach;
use super::subject::{Subject, metadata_db};
use crate::builder::{Change, Database, Edit, Sample};

const INVALID: &str = "metadata-value-invalid";

/// A varint that does not end.
const ENDLESS: &[u8] = &[0xff; 11];
const NO_TEXT: &[u8] = b"\xff\xfe";

/// An invalid value in meta.db: where, and what is put there.
macro_rules! meta {
    ($name:literal, $value:expr, $reach:expr, |$s:ident| [$($part:expr),*]) => {
        Damage::model(
            $name,
            |$s| { let _ = &$s; Subject::meta_record([$($part),*]) },
            |$s| { let path: Vec<Vec<u8>> = vec![$($part.as_bytes().to_vec()),*]; put($s, Database::Meta, path, $value) },
        )
        .always(INVALID)
        .reaching($reach)
    };
}

pub(super) const TABLE: &[Damage] = &[
    meta!("image-target-no-digest", b"sha256:short", Reach::DEFAULT, |s| [
        "v1",
        "default",
        "images",
        Sample::APP,
        "target",
        "digest"
    ]),
    meta!("image-target-empty", b"", Reach::DEFAULT, |s| [
        "v1",
        "default",
        "images",
        Sample::EXTRA,
        "target",
        "digest"
    ]),
    meta!("image-target-size-endless", ENDLESS, Reach::DEFAULT, |s| [
        "v1",
        "default",
        "images",
        Sample::EXTRA,
        "target",
        "size"
    ]),
    meta!("image-time-short", b"\x01\x00", Reach::DEFAULT, |s| [
        "v1",
        "default",
        "images",
        Sample::APP,
        "createdat"
    ]),
    meta!("image-time-of-no-version", &[9; 15], Reach::K8S, |s| [
        "v1",
        "k8s.io",
        "images",
        Sample::TOOL,
        "updatedat"
    ]),
    meta!("blob-size-empty", b"", Reach::DEFAULT, |s| [
        "v1",
        "default",
        "content",
        "blob",
        s.app.config.as_str(),
        "size"
    ]),
    meta!("blob-size-negative", &[0x01], Reach::DEFAULT, |s| [
        "v1",
        "default",
        "content",
        "blob",
        s.index.digest.as_str(),
        "size"
    ]),
    meta!("blob-time-short", b"\x01", Reach::K8S, |s| [
        "v1",
        "k8s.io",
        "content",
        "blob",
        s.base.digest.as_str(),
        "createdat"
    ]),
    meta!("blob-label-no-text", NO_TEXT, Reach::DEFAULT, |s| [
        "v1",
        "default",
        "content",
        "blob",
        s.base.digest.as_str(),
        "labels",
        "containerd.io/uncompressed"
    ]),
    meta!("ingest-expects-no-digest", b"layer", Reach::DEFAULT, |s| [
        "v1",
        "default",
        "content",
        "ingests",
        client_ref(s),
        "expected"
    ]),
    meta!("ingest-time-short", b"", Reach::DEFAULT, |s| [
        "v1",
        "default",
        "content",
        "ingests",
        client_ref(s),
        "expireat"
    ]),
    meta!("snapshot-name-no-text", NO_TEXT, Reach::DEFAULT, |s| [
        "v1",
        "default",
        "snapshots",
        "overlayfs",
        "look",
        "name"
    ]),
    meta!("container-image-no-text", NO_TEXT, Reach::K8S, |s| [
        "v1",
        "k8s.io",
        "containers",
        Sample::WORK,
        "image"
    ]),
    meta!("container-time-short", b"\x01", Reach::DEFAULT, |s| [
        "v1",
        "default",
        "containers",
        Sample::WEB,
        "createdat"
    ]),
    meta!("sandbox-time-short", b"\x01", Reach::K8S, |s| ["v1", "k8s.io", "sandboxes", "pod", "createdat"]),
    meta!("lease-time-short", b"\x01", Reach::DEFAULT, |s| ["v1", "default", "leases", "keep", "createdat"]),
    meta!("lease-content-no-digest", b"", Reach::DEFAULT, |s| [
        "v1",
        "default",
        "leases",
        "keep",
        "content",
        "sha256:short"
    ]),
    meta!("namespace-label-no-text", NO_TEXT, Reach::K8S, |s| ["v1", "k8s.io", "labels", "owner"]),
    meta!("version-endless", ENDLESS, Reach::NOBODY, |s| ["v1", "version"]),
    Damage::model(
        "image-without-target",
        |_| Subject::meta_record(["v1", "default", "images", Sample::EXTRA]),
        |s| remove(s, Database::Meta, &["v1", "default", "images", Sample::EXTRA, "target"]),
    )
    .always(INVALID)
    .reaching(Reach::DEFAULT),
    Damage::model(
        "blob-without-size",
        |s| Subject::meta_record(blob_row(s)),
        |s| {
            let mut path = blob_row(s).map(ToOwned::to_owned).to_vec();
            path.push("size".into());
            remove(s, Database::Meta, &path)
        },
    )
    .always(INVALID)
    .reaching(Reach::DEFAULT),
    Damage::model(
        "blob-row-of-no-digest",
        |_| Subject::meta_record(["v1", "default", "content", "blob", "sha256:short"]),
        |s| {
            let path = ["v1", "default", "content", "blob", "sha256:short", "size"];
            put(s, Database::Meta, bytes(&path), &[2])
        },
    )
    .always(INVALID)
    .reaching(Reach::DEFAULT),
    Damage::model(
        "namespace-no-text",
        |_| Subject::meta_record(["v1", "\u{fffd}\u{fffd}"]),
        |s| {
            let path = vec![b"v1".to_vec(), NO_TEXT.to_vec(), b"images".to_vec()];
            edit(s, Database::Meta, path, Change::Bucket)
        },
    )
    .always(INVALID),
    Damage::model(
        "image-name-no-text",
        |_| Subject::meta_record(["v1", "default", "images", "\u{fffd}\u{fffd}"]),
        |s| {
            let target = |key: &[u8]| {
                let images =
                    [b"v1".as_slice(), b"default", b"images", NO_TEXT, b"target"].map(<[u8]>::to_vec);
                images.into_iter().chain([key.to_vec()]).collect()
            };
            let digest = s.extra.manifest.digest.clone();
            put(s, Database::Meta, target(b"mediatype"), b"application/vnd.oci.image.manifest.v1+json")?;
            put(s, Database::Meta, target(b"size"), &[2])?;
            put(s, Database::Meta, target(b"digest"), digest.as_bytes())
        },
    )
    .always(INVALID)
    .reaching(Reach::DEFAULT),
    // The same in a snapshotter's database.
    Damage::model(
        "snapshot-id-endless",
        |s| snapshot_record(s, "look", "id"),
        |s| put_in_snapshot(s, "look", "id", ENDLESS),
    )
    .always(INVALID)
    .reaching(Reach::DEFAULT),
    Damage::model(
        "snapshot-kind-unknown",
        |s| snapshot_record(s, "look", "kind"),
        |s| put_in_snapshot(s, "look", "kind", &[9]),
    )
    .always(INVALID)
    .reaching(Reach::DEFAULT),
    Damage::model(
        "snapshot-time-short",
        |s| snapshot_record(s, "saved", "createdat"),
        |s| put_in_snapshot(s, "saved", "createdat", &[1, 2]),
    )
    .always(INVALID)
    .reaching(Reach::DEFAULT),
    Damage::model(
        "snapshot-inodes-endless",
        |s| snapshot_record(s, "saved", "inodes"),
        |s| put_in_snapshot(s, "saved", "inodes", ENDLESS),
    )
    .always(INVALID)
    .reaching(Reach::DEFAULT),
];

fn client_ref(sample: &Sample) -> &str {
    sample.ingest.splitn(3, '/').nth(2).unwrap_or_default()
}

fn blob_row(sample: &Sample) -> [&str; 5] {
    ["v1", "default", "content", "blob", &sample.app.config]
}

/// Where the row of a snapshot of `default` is in overlayfs' database.
fn snapshot_path<'a>(sample: &'a Sample, key: &str, field: &'a str) -> [&'a str; 4] {
    let name = sample.store.row("default", "overlayfs", key).map_or("", |row| &row.name);
    ["v1", "snapshots", name, field]
}

fn snapshot_record(sample: &Sample, key: &str, field: &str) -> Subject {
    let path = snapshot_path(sample, key, field);
    Subject::Record(metadata_db("overlayfs"), path.map(Into::into).to_vec())
}

fn put_in_snapshot(sample: &mut Sample, key: &str, field: &str, value: &[u8]) -> io::Result<()> {
    let path = bytes(&snapshot_path(sample, key, field));
    put(sample, Database::Snapshotter("overlayfs".into()), path, value)
}

fn bytes(path: &[impl AsRef<str>]) -> Vec<Vec<u8>> {
    path.iter().map(|part| part.as_ref().as_bytes().to_vec()).collect()
}

fn put(sample: &mut Sample, database: Database, path: Vec<Vec<u8>>, value: &[u8]) -> io::Result<()> {
    edit(sample, database, path, Change::Put(value.into()))
}

fn remove(sample: &mut Sample, database: Database, path: &[impl AsRef<str>]) -> io::Result<()> {
    edit(sample, database, bytes(path), Change::Remove)
}

fn edit(sample: &mut Sample, database: Database, path: Vec<Vec<u8>>, change: Change) -> io::Result<()> {
    sample.store.edits.push(Edit { database, path, change });
    Ok(())
}
