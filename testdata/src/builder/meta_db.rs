//! meta.db from the structs (containerd `core/metadata/buckets.go` and its writers).

use super::bolt::Bucket;
use super::model::{
    BlobRow, ContainerRow, ImageRow, IngestRow, Labels, LeaseRow, Namespace, SandboxRow, SnapshotRows,
    StoreBuilder,
};
use super::time::Time;

/// The schema that containerd 2.x writes.
const VERSION: i64 = 4;

/// meta.db's buckets, without the edits.
pub(super) fn meta_db(store: &StoreBuilder) -> Bucket {
    let mut top = Bucket::default();
    let v1 = top.bucket("v1");
    v1.put("version", varint(VERSION));
    for (name, namespace) in &store.namespaces {
        fill_namespace(v1.bucket(name), namespace);
    }
    top
}

/// Go's `binary.PutVarint`: zig-zag, then 7 bits to the byte.
pub(super) fn varint(value: i64) -> Vec<u8> {
    uvarint(((value << 1) ^ (value >> 63)).cast_unsigned())
}

/// Go's `binary.PutUvarint`.
pub(super) fn uvarint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// Labels as `boltutil.WriteLabels` writes them: no bucket when there are none.
pub(super) fn put_labels(bucket: &mut Bucket, labels: &Labels) {
    for (key, value) in labels {
        bucket.bucket("labels").put(key, value);
    }
}

/// Both times as `boltutil.WriteTimestamps` does.
pub(super) fn put_times(bucket: &mut Bucket, made: Time) {
    bucket.put("createdat", made.to_binary());
    bucket.put("updatedat", made.plus(2).to_binary());
}

fn fill_namespace(bucket: &mut Bucket, namespace: &Namespace) {
    put_labels(bucket, &namespace.labels);
    for (name, image) in &namespace.images {
        put_image(bucket.bucket("images").bucket(name), image);
    }
    for (digest, blob) in &namespace.blobs {
        put_blob(bucket.bucket("content").bucket("blob").bucket(digest), blob);
    }
    for (name, ingest) in &namespace.ingests {
        put_ingest(bucket.bucket("content").bucket("ingests").bucket(name), ingest);
    }
    for (snapshotter, rows) in &namespace.snapshots {
        put_snapshots(bucket.bucket("snapshots").bucket(snapshotter), rows);
    }
    for (id, container) in &namespace.containers {
        put_container(bucket.bucket("containers").bucket(id), container);
    }
    for (id, sandbox) in &namespace.sandboxes {
        put_sandbox(bucket.bucket("sandboxes").bucket(id), id, sandbox);
    }
    for (id, lease) in &namespace.leases {
        put_lease(bucket.bucket("leases").bucket(id), lease);
    }
}

fn put_image(bucket: &mut Bucket, image: &ImageRow) {
    put_times(bucket, Time::BUILT);
    put_labels(bucket, &image.labels);
    let target = bucket.bucket("target");
    target.put("digest", &image.digest);
    target.put("mediatype", &image.media_type);
    target.put("size", varint(image.size));
}

fn put_blob(bucket: &mut Bucket, blob: &BlobRow) {
    put_times(bucket, Time::BUILT);
    put_labels(bucket, &blob.labels);
    bucket.put("size", varint(blob.size));
}

fn put_ingest(bucket: &mut Bucket, ingest: &IngestRow) {
    bucket.put("ref", &ingest.backend_ref);
    bucket.put("expireat", ingest.expire_at.to_binary());
    if let Some(expected) = &ingest.expected {
        bucket.put("expected", expected);
    }
    // `namespace/sequence/ref`: the number is the sequence of the ingest's own bucket.
    bucket.sequence =
        ingest.backend_ref.split('/').nth(1).and_then(|number| number.parse().ok()).unwrap_or_default();
}

fn put_snapshots(bucket: &mut Bucket, rows: &SnapshotRows) {
    bucket.sequence = rows.sequence;
    for (key, row) in &rows.rows {
        let bucket = bucket.bucket(key);
        put_times(bucket, Time::BUILT);
        put_labels(bucket, &row.labels);
        bucket.put("name", &row.name);
        if let Some(parent) = &row.parent {
            bucket.put("parent", parent);
        }
        for child in &row.children {
            bucket.bucket("children").put(child, "");
        }
    }
}

fn put_container(bucket: &mut Bucket, container: &ContainerRow) {
    put_times(bucket, Time::BUILT);
    put_labels(bucket, &container.labels);
    bucket.put("image", &container.image);
    bucket.put("snapshotter", &container.snapshotter);
    bucket.put("snapshotKey", &container.snapshot_key);
    bucket.put("sandboxid", &container.sandbox_id);
    let mut spec = br#"{"ociVersion":"1.2.1"}"#.to_vec();
    // JSON may end in any number of blanks.
    spec.resize(spec.len().max(container.spec_bytes), b' ');
    bucket.put("spec", any("types.containerd.io/opencontainers/runtime-spec/1/Spec", &spec));
    let runtime = bucket.bucket("runtime");
    runtime.put("name", "io.containerd.runc.v2");
    runtime.put("options", any("containerd.runc.v1.Options", b""));
}

fn put_sandbox(bucket: &mut Bucket, id: &str, sandbox: &SandboxRow) {
    put_times(bucket, Time::BUILT);
    put_labels(bucket, &sandbox.labels);
    bucket.put("sandboxer", &sandbox.sandboxer);
    bucket.put(
        "spec",
        any("types.containerd.io/opencontainers/runtime-spec/1/Spec", br#"{"ociVersion":"1.2.1"}"#),
    );
    let runtime = bucket.bucket("runtime");
    runtime.put("name", "io.containerd.runc.v2");
    runtime.put("options", any("containerd.runc.v1.Options", b""));
    // What the CRI plugin keeps (containerd `internal/cri/store/sandbox/metadata.go`).
    let metadata = serde_json::json!({
        "Version": "v1",
        "Metadata": { "ID": id, "Name": id, "Config": { "metadata": { "name": id, "uid": id, "namespace": "default" } } },
    });
    let metadata =
        any("github.com/containerd/cri/pkg/store/sandbox/Metadata", metadata.to_string().as_bytes());
    bucket.bucket("extensions").put("metadata", metadata);
}

fn put_lease(bucket: &mut Bucket, lease: &LeaseRow) {
    bucket.put("createdat", Time::BUILT.to_binary());
    put_labels(bucket, &lease.labels);
    for digest in &lease.content {
        bucket.bucket("content").put(digest, "");
    }
    for (snapshotter, key) in &lease.snapshots {
        bucket.bucket("snapshots").bucket(snapshotter).put(key, "");
    }
    for name in &lease.images {
        bucket.bucket("images").put(name, "");
    }
    for name in &lease.ingests {
        bucket.bucket("ingests").put(name, "");
    }
}

/// A `google.protobuf.Any`: field 1 the type's URL, field 2 the value, both of them counted bytes.
fn any(type_url: &str, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (tag, field) in [(0x0a, type_url.as_bytes()), (0x12, value)] {
        if !field.is_empty() {
            bytes.push(tag);
            bytes.extend(uvarint(field.len() as u64));
            bytes.extend(field);
        }
    }
    bytes
}
