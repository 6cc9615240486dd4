//! Blobs that are no layers, or hostile ones: an error or a report, never a panic, never for ever, never much memory.

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use testdata::layers::{Entry, Layer, refused};
use verifier_core::Interrupt;
use verifier_core::compare::{
    CompareOptions, LayerBlob, LayerComparison, LayerError, StoppedEarly, TreeReport, compare_layer,
};
use verifier_core::digest::{Algorithm, Hasher};
use verifier_core::io::{Folder, Gate, ReadAt};
use verifier_core::layer::Flavour;
use verifier_core::layer::{LayerFault, Refusal};

const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const PLAIN: &str = "application/vnd.oci.image.layer.v1.tar";

fn compare_with(
    blob: &dyn ReadAt,
    media_type: &str,
    tree: &Path,
    options: CompareOptions,
    interrupt: &Interrupt,
    progress: &dyn Fn(u64),
) -> Result<TreeReport, LayerError> {
    let tree = Folder::open_root(tree, Gate::default()).unwrap();
    let layers = [LayerBlob { blob, media_type, algorithm: Algorithm::Sha256 }];
    let flavour = Flavour::OverlayFirst;
    let request = LayerComparison { layers: &layers, tree: &tree, flavour, lowers: &[], options };
    compare_layer(&request, interrupt, progress)
}

fn compare(blob: &[u8], media_type: &str, tree: &Path) -> Result<TreeReport, LayerError> {
    compare_with(&blob, media_type, tree, CompareOptions::default(), &Interrupt::default(), &|_| {})
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn digest(bytes: &[u8]) -> verifier_core::digest::Digest {
    let mut hasher = Hasher::sha256();
    hasher.update(bytes);
    hasher.finish()
}

/// A tar of two files, and the tree that it makes, whoever runs the test.
fn sample() -> (Vec<u8>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let (uid, gid) = (rustix::process::geteuid().as_raw().into(), rustix::process::getegid().as_raw().into());
    let entries = [
        Entry::file("text", b"hello ".repeat(500)).owner(uid, gid),
        Entry::file(
            "noise",
            (0..4000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect::<Vec<_>>(),
        )
        .owner(uid, gid),
    ];
    for entry in &entries {
        let path = dir.path().join(std::str::from_utf8(&entry.name).unwrap());
        std::fs::write(&path, &entry.data).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(entry.mode)).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    }
    (Layer::of(&entries), dir)
}

fn fault(result: Result<TreeReport, LayerError>, blob: &[u8]) -> LayerFault {
    match result {
        Err(LayerError::Fault { fault, blob_digest, blob_bytes, .. }) => {
            assert_eq!(
                blob_digest,
                Some(digest(blob)),
                "all of the blob is hashed, whatever is wrong with it"
            );
            assert_eq!(blob_bytes, blob.len() as u64);
            fault
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_way_to_compress() {
    let (tar, dir) = sample();
    let (head, tail) = tar.split_at(3000);
    let skippable =
        [b"\x5a\x2a\x4d\x18\x03\0\0\0abc".as_slice(), &zstd::encode_all(tar.as_slice(), 3).unwrap()].concat();
    let mut dressed = vec![0x1f, 0x8b, 8, 4 | 8 | 16 | 2, 0, 0, 0, 0, 0, 3, 3, 0];
    dressed.extend_from_slice(b"xyzname\0comment\0\x12\x34");
    dressed.extend_from_slice(&gzip(&tar)[10..]);
    let zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
    for (name, media_type, blob) in [
        ("gzip", GZIP, gzip(&tar)),
        ("gzip of two members", GZIP, [gzip(head), gzip(tail)].concat()),
        ("gzip with an empty member", GZIP, [gzip(head), gzip(b""), gzip(tail)].concat()),
        ("gzip with all of a header", GZIP, dressed),
        ("zstd", zstd, zstd::encode_all(tar.as_slice(), 19).unwrap()),
        (
            "zstd of two frames",
            zstd,
            [zstd::encode_all(head, 1).unwrap(), zstd::encode_all(tail, 1).unwrap()].concat(),
        ),
        ("zstd after a skippable frame", zstd, skippable),
        ("nothing, said to be gzip", GZIP, tar.clone()),
        ("nothing", PLAIN, tar.clone()),
        (
            "zstd, said to be Docker's gzip",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
            zstd::encode_all(tar.as_slice(), 3).unwrap(),
        ),
    ] {
        let report = compare(&blob, media_type, dir.path()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(report.is_same(), "{name}: {:?}", report.differences);
        assert_eq!(report.blob_digest, Some(digest(&blob)), "{name}");
        assert_eq!(report.diff_id.map(|diff_id| diff_id.0), Some(digest(&tar)), "{name}");
        assert_eq!(
            (report.entries, report.tar_bytes, report.surplus_bytes),
            (2, tar.len() as u64, 0),
            "{name}"
        );
    }
}

#[test]
fn what_follows_the_stream_is_counted() {
    let (tar, dir) = sample();
    for blob in [gzip(&tar), zstd::encode_all(tar.as_slice(), 3).unwrap()] {
        for garbage in [&b"garbage"[..], &[0; 512], b"\x1f\x8b"] {
            let blob = [blob.as_slice(), garbage].concat();
            let report = compare(&blob, GZIP, dir.path()).unwrap();
            assert!(report.is_same());
            // Of what begins like a header, the bytes that do are taken for one.
            assert!(report.surplus_bytes <= garbage.len() as u64);
            assert_eq!(report.blob_digest, Some(digest(&blob)));
        }
    }
}

#[test]
fn a_blob_that_is_cut() {
    let (tar, dir) = sample();
    for blob in [gzip(&tar), zstd::encode_all(tar.as_slice(), 3).unwrap()] {
        for end in (10..blob.len()).step_by(97).chain(blob.len() - 12..blob.len()) {
            let cut = &blob[..end];
            match fault(compare(cut, GZIP, dir.path()), cut) {
                LayerFault::Cut { offset, .. } => assert_eq!(offset, end as u64),
                other => panic!("cut at {end}: {other}"),
            }
        }
    }
    // Without compression only the tar itself can tell; within the data of an entry it does.
    let cut = &tar[..2000];
    assert!(matches!(fault(compare(cut, PLAIN, dir.path()), cut), LayerFault::Tar { offset: 0, .. }));
}

#[test]
fn a_byte_that_is_flipped_never_passes_for_the_layer() {
    let (tar, dir) = sample();
    for blob in [gzip(&tar), zstd::encode_all(tar.as_slice(), 3).unwrap(), tar.clone()] {
        for at in (0..blob.len()).step_by(41) {
            let mut blob = blob.clone();
            blob[at] ^= 0x10;
            match compare(&blob, GZIP, dir.path()) {
                Ok(report) => {
                    assert_eq!(report.blob_digest, Some(digest(&blob)));
                    let same_tar = report.diff_id.unwrap().0 == digest(&tar);
                    assert!(!same_tar || report.paths == 0, "the same tar, so the same tree");
                }
                error => drop(fault(error, &blob)),
            }
        }
    }
}

#[test]
fn what_containerd_refuses_is_not_compared() {
    let dir = tempfile::tempdir().unwrap();
    for (name, tar) in refused() {
        match compare(&tar, PLAIN, dir.path()) {
            Err(LayerError::Fault { fault: LayerFault::Tar { .. }, .. }) => {}
            Ok(report) => {
                let stopped = report.stopped_early;
                assert!(matches!(stopped, Some(StoppedEarly::Refused { .. })), "{name}: {stopped:?}");
                assert!(report.differences.is_empty() && report.diff_id.is_some(), "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    let blob = gzip(&Layer::of(&[]));
    let kind = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";
    let report = compare(&blob, kind, dir.path()).unwrap();
    assert_eq!(
        (report.stopped_early, report.blob_digest),
        (Some(StoppedEarly::MediaType), Some(digest(&blob)))
    );
    assert!(matches!(fault(compare(&blob, PLAIN, dir.path()), &blob), LayerFault::Tar { .. }));
}

#[test]
fn a_bomb_is_read_no_further_than_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    let mut layer = Layer::new();
    layer.add(&Entry::file("bomb", vec![0; 20 << 20]));
    let blob = gzip(&layer.finish());
    let options = CompareOptions::default().max_tar_bytes(1 << 20);
    let report = compare_with(&blob, GZIP, dir.path(), options, &Interrupt::default(), &|_| {}).unwrap();
    assert_eq!(report.stopped_early, Some(StoppedEarly::TarTooLarge { limit_bytes: 1 << 20 }));
    assert!(report.tar_bytes < 3 << 20 && report.diff_id.is_none() && report.differences.is_empty());
    // By default, the limit is far beyond what any real layer unpacks to.
    assert_eq!(CompareOptions::default().tar_limit(1000), 64 << 30);
    assert_eq!(CompareOptions::default().tar_limit(10 << 30), 500 << 30);
}

#[test]
fn too_many_names_stop_the_comparison() {
    let dir = tempfile::tempdir().unwrap();
    let mut layer = Layer::new();
    for number in 0..3000 {
        layer.add(&Entry::file(format!("folder/{number}"), b""));
    }
    let blob = gzip(&layer.finish());
    let options = CompareOptions::default().max_names(2000);
    let report = compare_with(&blob, GZIP, dir.path(), options, &Interrupt::default(), &|_| {}).unwrap();
    assert_eq!(report.stopped_early, Some(StoppedEarly::TooManyNames));
    // Names that come again take no more room.
    let mut layer = Layer::new();
    for number in 0..3000 {
        layer.add(&Entry::file(format!("folder/{}", number % 10), b""));
    }
    let options = CompareOptions::default().max_names(20).max_differences(3);
    let report =
        compare_with(&layer.finish(), PLAIN, dir.path(), options, &Interrupt::default(), &|_| {}).unwrap();
    assert_eq!((report.paths, report.differences.len(), report.left_out), (11, 3, 8));
}

#[test]
fn links_in_circles_and_deep_paths_are_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let circles = Layer::of(&[
        Entry::symlink("a", "b/../c/./b"),
        Entry::symlink("b", "c/x/y"),
        Entry::symlink("c", "../a/b/c"),
        Entry::file("a/b/c/d", b""),
    ]);
    let why = |tar: &[u8]| match compare(tar, PLAIN, dir.path()).unwrap().stopped_early {
        Some(StoppedEarly::Refused { refusal, .. }) => refusal,
        other => panic!("{other:?}"),
    };
    assert_eq!(why(&circles), Refusal::TooManyLinks);
    // Each link doubles the path.
    let mut doubling = vec![Entry::folder("d0")];
    doubling.extend((1..40).map(|n| Entry::symlink(format!("d{n}"), format!("d{}/../d{}", n - 1, n - 1))));
    doubling.push(Entry::file("d39/x", b""));
    let doubled = Layer::of(&doubling);
    let _ = compare(&doubled, PLAIN, dir.path());
    assert_eq!(why(&Layer::of(&[Entry::file("d/".repeat(100_000) + "x", b"")])), Refusal::Name);
}

/// A blob that fails at the nth read.
struct Failing<'a>(&'a [u8], AtomicUsize);

impl ReadAt for Failing<'_> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.1.fetch_sub(1, Ordering::Relaxed) == 1 {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.0.read_at(&mut buf[..1000], offset)
    }

    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&self.0)
    }
}

#[test]
fn a_blob_that_cannot_be_read() {
    let (tar, dir) = sample();
    let blob = gzip(&tar);
    for nth in 1..blob.len() / 1000 {
        let failing = Failing(&blob, AtomicUsize::new(nth));
        let options = CompareOptions::default();
        match compare_with(&failing, GZIP, dir.path(), options, &Interrupt::default(), &|_| {}) {
            Err(LayerError::Read { source, layer: 0 }) => assert_eq!(source.raw_os_error(), Some(5)),
            other => panic!("at read {nth}: {other:?}"),
        }
    }
}

#[test]
fn an_interrupt_ends_it() {
    let (tar, dir) = sample();
    let interrupt = Interrupt::default();
    let raise = |_| interrupt.raise();
    let result = compare_with(&tar, PLAIN, dir.path(), CompareOptions::default(), &interrupt, &raise);
    assert!(matches!(result, Err(LayerError::Interrupted)), "{result:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_layers_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20), image in any::<prop::sample::Index>()) {
        let images = testdata::layers::images();
        let mut tar = images[image.index(images.len())].layers[0].clone();
        for (at, byte) in changes {
            if !tar.is_empty() {
                let at = at.index(tar.len());
                tar[at] = byte;
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let _ = compare(&tar, PLAIN, dir.path());
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..5000), magic in 0..3_usize) {
        let dir = tempfile::tempdir().unwrap();
        let head: &[u8] = [&b"\x1f\x8b\x08\0\0\0\0\0\0\0"[..], b"\x28\xb5\x2f\xfd", b""][magic];
        let _ = compare(&[head, &bytes].concat(), GZIP, dir.path());
    }
}
