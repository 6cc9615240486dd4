//! A snapshotter's metadata.db from the structs (containerd `core/snapshots/storage/bolt.go`).

use super::bolt::Bucket;
use super::meta_db::{put_labels, put_times, uvarint, varint};
use super::model::{Kind, Snapshotter};
use super::time::Time;
use super::tree::Usage;

/// metadata.db's buckets, without the edits; `made` is when, `usage` tells what the folder of an id occupies.
pub(super) fn snapshotter_db(
    snapshotter: &Snapshotter,
    made: Time,
    usage: impl Fn(u64) -> Option<Usage>,
) -> Bucket {
    let mut top = Bucket::default();
    let v1 = top.bucket("v1");
    v1.bucket("snapshots").sequence = snapshotter.sequence;
    for (name, snapshot) in &snapshotter.snapshots {
        let bucket = v1.bucket("snapshots").bucket(name);
        put_times(bucket, made);
        put_labels(bucket, &snapshot.labels);
        bucket.put("id", uvarint(snapshot.id));
        bucket.put("kind", [snapshot.kind as u8]);
        if let Some(parent) = &snapshot.parent {
            bucket.put("parent", parent);
        }
        if snapshot.kind == Kind::Committed
            && let Some(usage) = snapshot.usage.or_else(|| usage(snapshot.id))
        {
            bucket.put("inodes", varint(usage.inodes));
            bucket.put("size", varint(usage.size));
        }
        let parent = snapshot.parent.as_ref().and_then(|parent| snapshotter.snapshots.get(parent));
        if let Some(parent) = parent {
            v1.bucket("parents").put(parents_key(parent.id, snapshot.id), name);
        }
    }
    top
}

/// A key of `v1/parents`.
pub(crate) fn parents_key(parent: u64, child: u64) -> Vec<u8> {
    let mut key = uvarint(parent);
    key.push(0);
    key.extend(uvarint(child));
    key
}
