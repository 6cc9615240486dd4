//! One finding of each kind, for tests.

mod cross;
mod database;
mod own_files;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use self::database::{damaged_database, database, unusable_database};
use verifier_core::bolt::{FaultKind, Hides, MetaFault};
use verifier_core::digest::{ChainId, DiffId, Digest};
use verifier_core::finding::LastTransaction;
use verifier_core::finding::{
    BlastRadius, Code, Finding, FindingKind, Named, Role, StaleIngest, Subject, TreeDamage, Unparsable,
    Unusable, Usage,
};
use verifier_core::finding::{
    BlobDigestMismatch, BlobMissing, BlobNameInvalid, BlobNotRegular, BlobRecordSizeWrong, BlobSizeMismatch,
    BlobUnreadable, BlobUnreferenced, BlobUnreferencedCorrupt, BoltMetaInvalid, BoltPageInvalid,
    ImageConfigMissing, ImageTargetMissing, IngestStale, JsonFault, JsonFaultKind, LayerDiffIdMismatch,
    LayerInvalid, ManifestUnparsable, MetadataUnusable, MetadataValueInvalid, NotCompared, PathUnreadable,
    SnapshotFolderMissing, SnapshotParentsBare, SnapshotUsageDiffers, SnapshotterDatabaseUnusable,
    StoppedEarly, ValueError,
};
use verifier_core::finding::{Coverage, Depth, Reason, Tally, Unverified};
use verifier_core::finding::{Difference, DifferenceKind};
use verifier_core::host::Advice;
use verifier_core::io::FileKind;
use verifier_core::layer::LayerFault;
use verifier_core::layout;
use verifier_core::plan::{Distrust, Selection, Sign};
use verifier_core::report::Report;
use verifier_core::scan::Mode;

/// A digest whose hex is this digit throughout.
pub(crate) fn digest(digit: char) -> Digest {
    format!("sha256:{}", digit.to_string().repeat(64)).parse().unwrap()
}

pub(crate) fn named(namespace: &str, name: &str) -> Named {
    Named { namespace: namespace.into(), name: name.into() }
}

fn blob() -> Subject {
    Subject::Blob { digest: digest('a') }
}

fn image() -> Subject {
    Subject::Image { namespace: "default".into(), name: "registry.example/app:1".into() }
}

pub(crate) fn snapshot(id: u64) -> Subject {
    let key = format!("default/{id}/{}", digest('c'));
    Subject::Snapshot { snapshotter: "overlayfs".into(), key, id }
}

fn meta_db() -> PathBuf {
    "io.containerd.metadata.v1.bolt/meta.db".into()
}

fn meta_db_subject() -> Subject {
    Subject::Database { path: meta_db() }
}

/// A subject of each kind.
pub(crate) fn subjects() -> Vec<Subject> {
    let path = ["v1", "default", "images", "x"].map(str::to_owned).to_vec();
    vec![
        Subject::Store,
        blob(),
        image(),
        Subject::Ingest { folder: "0123abcd".into() },
        snapshot(3),
        meta_db_subject(),
        Subject::Record { database: meta_db(), path },
        Subject::Path { path: "io.containerd.content.v1.content/blobs".into() },
    ]
}

/// A reason of each kind.
pub(crate) fn reasons() -> Vec<Reason> {
    vec![
        Reason::UnknownAlgorithm,
        Reason::LayerDiscarded,
        Reason::LayerMissing,
        Reason::LayerBelowMissing,
        Reason::LayerNotPulled,
        Reason::NoLayer,
        unread("stargz", 7, false),
        unread("erofs", 7, true),
        unread("zfs", 0, false),
        graph_driver(true, false),
        graph_driver(false, false),
        Reason::NotComparable { what: NotCompared::Owners.into() },
        Reason::LayerDamaged,
        Reason::LowerMissing,
        Reason::StoppedEarly { why: StoppedEarly::TooManyNames },
        Reason::VerifiedBefore { subjects: 3 },
        Reason::LeftForLater { subjects: 4 },
        Reason::NotAtRisk { blobs: 7, snapshots: 5 },
        Reason::Interrupted,
        Reason::PermissionDenied,
        Reason::KeptChanging,
        Reason::MemoryLimit { limit_bytes: 24 << 20 },
        Reason::System { errno: 5 },
    ]
}

fn unread(snapshotter: &str, of_images: u64, accepted: bool) -> Reason {
    Reason::UnknownSnapshotter { snapshotter: snapshotter.into(), snapshots: 9, of_images, accepted }
}

fn graph_driver(instead: bool, accepted: bool) -> Reason {
    let (folder, driver) = ("/var/lib/docker".into(), "overlay2".into());
    Reason::GraphDriver { folder, driver, images: 3, layers: 12, instead, accepted }
}

/// One of each.
pub(crate) fn advice() -> Vec<Advice> {
    let device = || "sda1".to_owned();
    vec![
        Advice::DiskNearlyFull { free_bytes: 1 << 30, size_bytes: 100 << 30 },
        Advice::InodesNearlyUsedUp { free: 7, total: 65_536 },
        Advice::MountedReadOnly,
        Advice::HolderUnknown { why: "/proc/locks cannot be read".into() },
        Advice::NotMounted {
            mount_point: "/var/lib/containerd".into(),
            source: "/dev/sdb1".into(),
            instead: "/dev/sda1".into(),
        },
        Advice::MountedFromAnother {
            mount_point: "/var/lib/containerd".into(),
            source: "/dev/sdb1".into(),
            instead: "/dev/sdc1".into(),
        },
        Advice::IoErrors { device: device(), lines: 3, last: "I/O error, dev sda".into() },
        Advice::FailedRequests { device: device(), requests: 12 },
        Advice::NoFolderSync { version: "1.7.24".into() },
        Advice::ParallelUnpackBug { version: "2.2.1".into() },
        Advice::UnpackedFilesNotSynced,
    ]
}

/// One of each.
pub(crate) fn selections() -> Vec<Selection> {
    let sign = |sign| Selection::Since { since_seconds: 1_000, last_sign_seconds: 1_120, sign };
    let why = |why| Selection::Everything { why };
    vec![
        Selection::Nothing { stopped_seconds: 1_000 },
        sign(Sign::Record),
        sign(Sign::Database),
        sign(Sign::Ingest),
        sign(Sign::Heartbeat),
        why(Distrust::InTheFuture { seconds: 61 }),
        why(Distrust::BeforeItsImage { image: "app:1".into() }),
        why(Distrust::Backwards { snapshotter: "overlayfs".into(), id: 3 }),
        why(Distrust::Jumped),
        why(Distrust::RecordsLost),
        why(Distrust::NoSign),
    ]
}

pub(crate) fn unverified(reason: Reason) -> Unverified {
    Unverified { subject: snapshot(3), reason }
}

/// A tree damaged in two paths, of which one is listed.
pub(crate) fn tree_damage() -> TreeDamage {
    TreeDamage {
        chain_id: ChainId(digest('c')),
        layer: digest('a'),
        healable: true,
        paths: 2,
        counts: BTreeMap::from([("size", 1), ("mode", 1)]),
        differences: vec![Difference {
            path: "usr/bin/bash".into(),
            kind: DifferenceKind::Size { expected: 1_265_648, actual: 0 },
        }],
        left_out: 1,
        write_bytes: 0,
    }
}

/// A difference of each kind, in the order of their paths.
pub(crate) fn differences() -> Vec<Difference> {
    use std::os::unix::ffi::OsStrExt as _;
    let odd = PathBuf::from(std::ffi::OsStr::from_bytes(b"a\nb\xff"));
    let (text, other) = (|text: &str| text.as_bytes().to_vec(), PathBuf::from("z"));
    let kinds = [
        (PathBuf::new(), DifferenceKind::Mode { expected: 0o755, actual: 0o644 }),
        (PathBuf::new(), DifferenceKind::Owner { expected: (0, 0), actual: (1000, 0) }),
        (odd, DifferenceKind::Missing { expected: FileKind::File }),
        ("bin/sh".into(), DifferenceKind::Size { expected: 1_265_648, actual: 0 }),
        ("dev/x".into(), DifferenceKind::Unexpected { actual: FileKind::Fifo }),
        ("e".into(), DifferenceKind::Type { expected: FileKind::File, actual: FileKind::Folder }),
        ("f".into(), DifferenceKind::Content { first_offset: 4096 }),
        ("g".into(), DifferenceKind::Unreadable { errno: 5 }),
        ("h".into(), DifferenceKind::LinkTarget { expected: text("a"), actual: text("b") }),
        ("i".into(), DifferenceKind::Device { expected: (1, 3), actual: (1, 5) }),
        ("j".into(), DifferenceKind::Xattr { name: text("user.a"), expected: Some(text("x")), actual: None }),
        ("j".into(), DifferenceKind::Xattr { name: text("user.b"), expected: None, actual: Some(text("x")) }),
        ("k".into(), DifferenceKind::Whiteout { actual: None }),
        ("l".into(), DifferenceKind::Whiteout { actual: Some(FileKind::File) }),
        ("m".into(), DifferenceKind::Opaque { expected: true }),
        ("n".into(), DifferenceKind::Mtime { expected: 1, actual: (-1, 0) }),
        ("o".into(), DifferenceKind::HardLink { expected: true, other: other.clone() }),
        ("p".into(), DifferenceKind::HardLink { expected: false, other }),
    ];
    kinds.map(|(path, kind)| Difference { path, kind }).to_vec()
}

/// A finding of each kind. A new code without a sample fails every test that goes through all of them.
pub(crate) fn finding(code: Code) -> Finding {
    let (kind, subject) = match code {
        Code::BlobMissing
        | Code::BlobDigestMismatch
        | Code::BlobSizeMismatch
        | Code::BlobUnreadable
        | Code::BlobNotRegular
        | Code::BlobUnreferenced
        | Code::BlobUnreferencedCorrupt
        | Code::BlobRecordSizeWrong => (blob_kind(code), blob()),
        Code::BlobNameInvalid => {
            let path = "io.containerd.content.v1.content/blobs/sha256/x.bad".into();
            (BlobNameInvalid { found: FileKind::File }.into(), Subject::Path { path })
        }
        Code::ImageTargetMissing => (ImageTargetMissing { target: digest('b') }.into(), image()),
        Code::ImageConfigMissing => {
            (ImageConfigMissing { manifest: digest('a'), config: digest('b') }.into(), image())
        }
        Code::ManifestUnparsable => {
            let why = Unparsable::Json {
                error: JsonFault { kind: JsonFaultKind::Cut, line: 1, column: 0, text: "EOF".into() },
            };
            (ManifestUnparsable { role: Role::Manifest, why }.into(), blob())
        }
        Code::LayerDiffIdMismatch => {
            let (expected, actual) = (DiffId(digest('b')), DiffId(digest('d')));
            (LayerDiffIdMismatch { expected, actual }.into(), blob())
        }
        Code::LayerInvalid => {
            (LayerInvalid { error: LayerFault::Cut { format: "gzip", offset: 7 } }.into(), blob())
        }
        Code::IngestStale => {
            let subject = Subject::Ingest { folder: "0123abcd".into() };
            (IngestStale { why: StaleIngest::NoRecord, size_bytes: 3000 }.into(), subject)
        }
        Code::SnapshotFolderMissing
        | Code::SnapshotUsageDiffers
        | Code::SnapshotDiffers
        | Code::SnapshotParentsBare => (snapshot_kind(code), snapshot(3)),
        other => {
            cross::kind(other).or_else(|| own_files::kind(other)).unwrap_or_else(|| metadata_kind(other))
        }
    };
    let namespaces = BTreeSet::from(["default".to_owned()]);
    let images = [named("default", "registry.example/app:1")].into();
    let containers = [named("default", "web")].into();
    let snapshot = |snapshotter: &str, _: &str, id: u64| {
        Some(layout::snapshotter(snapshotter).join("snapshots").join(id.to_string()))
    };
    let path = layout::place(&subject, snapshot);
    Finding {
        kind,
        subject,
        path,
        blast: BlastRadius { namespaces, images, containers, containers_left_out: 0 },
    }
}

fn blob_kind(code: Code) -> FindingKind {
    let role = Some(Role::Layer);
    match code {
        Code::BlobMissing => BlobMissing { role, size_bytes: Some(2048) }.into(),
        Code::BlobDigestMismatch => BlobDigestMismatch {
            role,
            actual: digest('b'),
            size_bytes: 2048,
            recorded_size_bytes: Some(2048),
        }
        .into(),
        Code::BlobSizeMismatch => {
            BlobSizeMismatch { role, recorded_size_bytes: 2048, size_bytes: 1000 }.into()
        }
        Code::BlobUnreadable => BlobUnreadable { role, errno: 5 }.into(),
        Code::BlobNotRegular => BlobNotRegular { role, found: FileKind::Fifo }.into(),
        Code::BlobUnreferenced => BlobUnreferenced { size_bytes: 2048 }.into(),
        Code::BlobUnreferencedCorrupt => {
            BlobUnreferencedCorrupt { actual: digest('b'), size_bytes: 2048 }.into()
        }
        _ => BlobRecordSizeWrong { recorded_size_bytes: 1, size_bytes: 2048 }.into(),
    }
}

fn snapshot_kind(code: Code) -> FindingKind {
    match code {
        Code::SnapshotFolderMissing => {
            SnapshotFolderMissing { chain_id: Some(ChainId(digest('c'))), healable: true }.into()
        }
        Code::SnapshotUsageDiffers => SnapshotUsageDiffers {
            recorded: Usage { inodes: 10, size_bytes: 40960 },
            actual: Usage { inodes: 10, size_bytes: 8192 },
        }
        .into(),
        Code::SnapshotParentsBare => Box::new(SnapshotParentsBare(tree_damage())).into(),
        _ => FindingKind::SnapshotDiffers(Box::new(tree_damage())),
    }
}

fn metadata_kind(code: Code) -> (FindingKind, Subject) {
    match code {
        Code::MetadataValueInvalid => {
            let path = ["v1", "default", "images", "x"].map(str::to_owned).to_vec();
            let error = ValueError::Time;
            (MetadataValueInvalid { error }.into(), Subject::Record { database: meta_db(), path })
        }
        Code::MetadataUnusable => {
            (MetadataUnusable { why: Unusable::Empty, blobs: 4, snapshots: 1 }.into(), meta_db_subject())
        }
        Code::SnapshotterDatabaseUnusable => {
            let why = Unusable::NotRegular { found: FileKind::Folder };
            (SnapshotterDatabaseUnusable { why }.into(), meta_db_subject())
        }
        Code::BoltMetaInvalid => {
            let last_transaction = LastTransaction::MetaTorn;
            let error = MetaFault::Checksum { expected: 1, actual: 2 };
            (BoltMetaInvalid { page: 0, error, used_txid: 7, last_transaction }.into(), meta_db_subject())
        }
        Code::BoltPageInvalid => {
            let bucket = ["v1", "default"].map(str::to_owned).to_vec();
            let (from, to) = (Some("images".into()), None);
            let hides = Hides::Elements { claimed: 14, read: 9 };
            let error = FaultKind::Empty;
            let kind = BoltPageInvalid { pgid: 9, bucket, from, to, hides, torn: true, error }.into();
            (kind, meta_db_subject())
        }
        Code::PathUnreadable => {
            let path = "io.containerd.content.v1.content/blobs".into();
            (PathUnreadable { errno: 5 }.into(), Subject::Path { path })
        }
        other => panic!("no sample finding of {other}: add one"),
    }
}

/// A report of a run of one and a half seconds that found `findings`.
pub(crate) fn report(findings: Vec<Finding>) -> Report {
    let mut report = Report {
        root: "/var/lib/containerd".into(),
        device: Some(verifier_core::host::Device {
            source: "/dev/sdb1".into(),
            file_system: "ext4".into(),
            mount_point: "/var/lib/containerd".into(),
        }),
        mode: Mode::Stopped,
        depth: Depth::Full,
        at_risk: None,
        advice: Vec::new(),
        findings,
        coverage: Coverage::default(),
        databases: vec![database()],
        elapsed: Duration::from_millis(1500),
    };
    report.coverage.blobs = Tally { checked: 4, skipped: 0, bytes: 3 << 20 };
    report.coverage.snapshots = Tally { checked: 2, skipped: 1, bytes: 1 << 20 };
    report
}
