//! Bolt files from a tree of buckets.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::model::LastCommit;
use bbolt_rs::{Bolt, BoltOptions, BucketRwApi, BucketRwImpl, DbRwAPI, TxRwRefApi};

/// A bucket: its sequence, and what it holds by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bucket {
    /// The last number that `NextSequence` gave.
    pub sequence: u64,
    /// Values and buckets, by key.
    pub entries: BTreeMap<Vec<u8>, Node>,
}

/// What a key leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A value.
    Value(Vec<u8>),
    /// A bucket.
    Bucket(Bucket),
}

impl Bucket {
    /// Gives `key` a value.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.entries.insert(key.as_ref().into(), Node::Value(value.as_ref().into()));
    }

    /// The bucket at `key`, made if need be (in place of a value, too).
    pub fn bucket(&mut self, key: impl AsRef<[u8]>) -> &mut Bucket {
        let node = self.entries.entry(key.as_ref().into()).or_insert_with(|| Node::Bucket(Bucket::default()));
        if let Node::Value(_) = node {
            *node = Node::Bucket(Bucket::default());
        }
        match node {
            Node::Bucket(bucket) => bucket,
            Node::Value(_) => unreachable!("it has just been made a bucket"),
        }
    }
}

/// Writes a new bolt file (pages of 4,096 bytes, whatever the machine's) with `top` as its top buckets.
///
/// There are two transactions with the same content, as on any store that has lived: either meta page is enough. `last` is
/// what the second writes.
///
/// # Errors
/// The file exists, a value stands at the top, or the system or bbolt-rs says no.
pub fn write_bolt(path: &Path, top: &Bucket, last: LastCommit) -> io::Result<()> {
    if path.exists() {
        return Err(io::Error::from(io::ErrorKind::AlreadyExists));
    }
    let options = BoltOptions::builder().page_size(4096).no_sync().build();
    let mut bolt: Bolt = options.open(path).map_err(io::Error::other)?;
    for everything in [true, last == LastCommit::Everything] {
        bolt.update(|mut tx| {
            for (key, node) in &top.entries {
                let Node::Bucket(bucket) = node else {
                    return Err(bbolt_rs::Error::IncompatibleValue);
                };
                let mut target = tx.create_bucket_if_not_exists(key)?;
                if everything {
                    fill(&mut target, bucket)?;
                } else {
                    put_values(&mut target, bucket)?;
                }
            }
            Ok(())
        })
        .map_err(io::Error::other)?;
    }
    Ok(())
}

fn put_values(target: &mut BucketRwImpl<'_, '_>, bucket: &Bucket) -> bbolt_rs::Result<()> {
    for (key, node) in &bucket.entries {
        if let Node::Value(value) = node {
            target.put(key, value)?;
        }
    }
    Ok(())
}

fn fill(target: &mut BucketRwImpl<'_, '_>, bucket: &Bucket) -> bbolt_rs::Result<()> {
    if bucket.sequence != 0 {
        target.set_sequence(bucket.sequence)?;
    }
    for (key, node) in &bucket.entries {
        match node {
            Node::Value(value) => target.put(key, value)?,
            Node::Bucket(child) => fill(&mut target.create_bucket_if_not_exists(key)?, child)?,
        }
    }
    Ok(())
}
