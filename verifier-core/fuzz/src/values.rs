//! Any walk over any database, as containerd's metadata: the input is a list of buckets that are entered and left, and of
//! values in them. No panic, a bounded list of what does not decode, and nothing recorded twice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use verifier_core::bolt::Visitor;
use verifier_core::metadata::{Census, Metadata, MetadataVisitor, Schema, SnapshotterVisitor, StrayRecords};
use verifier_core::time::Timestamp;

/// The names that lead somewhere; one byte of the input chooses one of them.
const NAMES: &[&str] = &[
    "v1", "default", "version", "labels", "images", "content", "blob", "ingests", "snapshots", "containers", "sandboxes",
    "leases", "parents", "createdat", "updatedat", "target", "digest", "mediatype", "size", "ref", "expireat", "expected",
    "name", "parent", "children", "image", "snapshotter", "snapshotKey", "sandboxid", "runtime", "spec", "sandboxer",
    "extensions", "id", "kind", "inodes", "overlayfs", "metadata", "containerd.io/gc.expire",
    "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "default/1/key",
];
/// Deeper than any record lies.
const DEEPEST: usize = 12;

/// Reads the input piece by piece.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    /// Bytes of the input, as many as its next byte says.
    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.byte()?).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(bytes)
    }

    /// A name of the list, or bytes of the input.
    fn name(&mut self) -> Option<Vec<u8>> {
        match NAMES.get(usize::from(self.byte()?)) {
            Some(name) => Some(name.as_bytes().to_vec()),
            None => Some(self.bytes()?.to_vec()),
        }
    }
}

/// Plays the input to all visitors.
fn play(input: &[u8], visitors: &mut [&mut dyn Visitor]) {
    let (mut input, mut path) = (Input(input), Vec::new());
    while let Some(what) = input.byte() {
        match what % 4 {
            0 if path.len() < DEEPEST => {
                let Some(name) = input.name() else { break };
                path.push(name);
                visitors.iter_mut().for_each(|visitor| visitor.enter(&path, u64::from(what / 4)));
            }
            1 | 2 => {
                let (Some(key), Some(value)) = (input.name(), input.bytes()) else { break };
                visitors.iter_mut().for_each(|visitor| visitor.value(&path, &key, value));
            }
            _ if !path.is_empty() => {
                visitors.iter_mut().for_each(|visitor| visitor.leave(&path));
                path.pop();
            }
            _ => {}
        }
    }
    while !path.is_empty() {
        visitors.iter_mut().for_each(|visitor| visitor.leave(&path));
        path.pop();
    }
}

fuzz_target!(|input: &[u8]| {
    let (mut metadata, mut snapshots) = (MetadataVisitor::default(), SnapshotterVisitor::default());
    let (mut census, mut rows) = (Census::new(Schema::Containerd), Census::new(Schema::Snapshotter));
    let mut strays = StrayRecords::default();
    play(input, &mut [&mut metadata, &mut snapshots, &mut census, &mut rows, &mut strays]);
    let (metadata, snapshots, strays) = (metadata.finish(), snapshots.finish(), strays.finish());
    assert!(metadata.invalid.len() <= Metadata::INVALID_KEPT && snapshots.invalid.len() <= Metadata::INVALID_KEPT);
    assert!(strays.records.len() <= StrayRecords::KEPT);
    // What was taken for a record was counted as one.
    let counts = census.counts();
    let of = |count: fn(&verifier_core::metadata::Namespace) -> usize| -> u64 {
        metadata.namespaces.values().map(count).sum::<usize>() as u64
    };
    assert!(of(|namespace| namespace.images.len()) <= counts.images);
    assert!(of(|namespace| namespace.blobs.len()) <= counts.blobs);
    assert!(of(|namespace| namespace.leases.len()) <= counts.leases);
    assert!(snapshots.by_key.len() as u64 <= rows.counts().snapshots);
    assert_eq!(census.beyond(&census).total(), 0);
    if let Ok(text) = std::str::from_utf8(input) {
        let _ = Timestamp::parse(text);
    }
});
