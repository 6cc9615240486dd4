//! The client of containerd's API: against each generation, with a hundred thousand blobs, and against servers that are none.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use testdata::bed::{self, Containerd, Registry};
use testdata::builder::{BlobRow, StoreBuilder};
use verifier_core::live::{Code, Limits, Live, LiveError, Resource, SnapshotKind};

const OVERLAYFS: &str = "overlayfs";

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn every_generation_tells_what_it_has() {
    let bed = bed::gate();
    let registry = Registry::start(&bed);
    registry.push(&bed.image("small"), "small:a");
    let image = registry.reference("small:a");
    for generation in bed.generations() {
        let folder = tempfile::tempdir().unwrap();
        let containerd = Containerd::start(&bed, generation, &folder.path().join("root"));
        containerd.pull(&image);
        containerd.run(&image, "asleep", &["/bin/sleep", "1000"]);
        containerd.run(&image, "ended", &["/bin/sleep", "1000"]);
        containerd.stop_container("ended");
        let live = Live::connect(&containerd.socket()).unwrap();
        assert!(live.version().unwrap().version.contains(generation.name()));
        assert_eq!(live.namespaces().unwrap(), ["default"]);
        let namespace = live.namespace("default");

        let blobs = namespace.blobs().unwrap();
        let digests: BTreeSet<&str> = blobs.iter().map(|row| row.digest.as_str()).collect();
        let said = containerd.ctr(&["content", "ls", "-q"]);
        assert_eq!(digests, said.lines().collect());
        for row in &blobs {
            let path = containerd.root().join("io.containerd.content.v1.content/blobs/sha256");
            let file = path.join(&row.digest["sha256:".len()..]).metadata().unwrap();
            assert_eq!(row.size_bytes, i64::try_from(file.len()).unwrap());
            assert_eq!(namespace.blob(&row.digest).unwrap().as_ref(), Some(row));
            assert!(row.labels.keys().any(|label| label.starts_with("containerd.io/distribution.source.")));
        }

        let images = namespace.images().unwrap();
        assert_eq!(images.len(), 1);
        assert_eq!(images[0].name, image);
        assert!(digests.contains(images[0].digest.as_str()));
        assert_eq!(namespace.image(&image).unwrap().as_ref(), images.first());

        let snapshots = namespace.snapshots(OVERLAYFS).unwrap();
        let keys: BTreeSet<String> = snapshots.iter().map(|row| row.key.clone()).collect();
        let said = containerd.ctr(&["snapshots", "ls"]);
        let said: BTreeSet<String> = said
            .lines()
            .skip(1)
            .filter_map(|line| Some(line.split_whitespace().next()?.to_owned()))
            .collect();
        assert_eq!(keys, said);
        assert_eq!(keys.len(), 4);
        for row in &snapshots {
            let active = ["asleep", "ended"].contains(&row.key.as_str());
            assert_eq!(row.kind == SnapshotKind::Active, active);
            assert!(row.parent.is_empty() || keys.contains(&row.parent));
            assert_eq!(namespace.snapshot(OVERLAYFS, &row.key).unwrap().as_ref(), Some(row));
        }

        let containers = namespace.containers().unwrap();
        let containers: Vec<_> = containers
            .iter()
            .map(|row| (&*row.id, &*row.image, &*row.snapshotter, &*row.snapshot_key))
            .collect();
        let image = image.as_str();
        assert_eq!(
            containers,
            [("asleep", image, OVERLAYFS, "asleep"), ("ended", image, OVERLAYFS, "ended")]
        );
        assert_eq!(live.namespace("nowhere").images().unwrap(), []);
        assert_eq!(live.namespace("nowhere").blobs().unwrap(), []);
    }
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn changes_and_refusals_are_told_apart() {
    let bed = bed::gate();
    let registry = Registry::start(&bed);
    registry.push(&bed.image("small"), "small:a");
    let image = registry.reference("small:a");
    for generation in bed.generations() {
        let folder = tempfile::tempdir().unwrap();
        let containerd = Containerd::start(&bed, generation, &folder.path().join("root"));
        containerd.pull(&image);
        let live = Live::connect(&containerd.socket()).unwrap();
        let namespace = live.namespace("default");
        let absent = format!("sha256:{}", "0".repeat(64));

        assert_eq!(namespace.blob(&absent).unwrap(), None);
        assert!(!namespace.delete_blob(&absent).unwrap());
        assert!(!namespace.label_blob(&absent, "a", "b").unwrap());
        assert_eq!(namespace.blob("no digest").unwrap_err().code(), Some(Code::InvalidArgument));
        let row = namespace.blobs().unwrap().swap_remove(0);
        assert!(namespace.label_blob(&row.digest, "fsck.test/a.b", "c").unwrap());
        assert_eq!(namespace.blob(&row.digest).unwrap().unwrap().labels["fsck.test/a.b"], "c");
        assert!(namespace.label_blob(&row.digest, "fsck.test/a.b", "").unwrap());
        assert_eq!(namespace.blob(&row.digest).unwrap(), Some(row));

        let mut record = namespace.image(&image).unwrap().unwrap();
        assert!(namespace.touch_image(&record).unwrap());
        assert_eq!(namespace.image(&image).unwrap().unwrap(), record);
        assert_eq!(namespace.create_image(&record).unwrap_err().code(), Some(Code::AlreadyExists));
        record.name.push('2');
        assert_eq!(namespace.image(&record.name).unwrap(), None);
        assert!(!namespace.touch_image(&record).unwrap());
        namespace.create_image(&record).unwrap();
        assert_eq!(namespace.image(&record.name).unwrap().unwrap(), record);
        assert!(namespace.delete_image(&record.name, true).unwrap());
        assert!(!namespace.delete_image(&record.name, true).unwrap());

        let snapshots = namespace.snapshots(OVERLAYFS).unwrap();
        let base = snapshots.iter().find(|row| row.parent.is_empty()).unwrap();
        let refused = namespace.remove_snapshot(OVERLAYFS, &base.key).unwrap_err();
        assert_eq!(refused.code(), Some(Code::FailedPrecondition), "{refused}");
        assert!(namespace.remove_snapshot(OVERLAYFS, "nothing").unwrap_err().is_not_found());
        assert_eq!(namespace.snapshot(OVERLAYFS, "nothing").unwrap(), None);
        assert_eq!(namespace.snapshots("nobody's").unwrap_err().code(), Some(Code::InvalidArgument));

        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        assert_eq!(namespace.lease_resources("held").unwrap(), None);
        assert!(namespace.create_lease("held", &labels).unwrap());
        assert!(!namespace.create_lease("held", &labels).unwrap());
        let resources = [Resource::content(&absent), Resource::snapshot(OVERLAYFS, &base.key)];
        for resource in &resources {
            namespace.add_to_lease("held", resource).unwrap();
            namespace.add_to_lease("held", resource).unwrap();
        }
        assert_eq!(namespace.lease_resources("held").unwrap().unwrap(), resources);
        assert!(namespace.take_from_lease("held", &resources[0]).unwrap());
        assert!(namespace.take_from_lease("held", &resources[0]).unwrap());
        assert_eq!(namespace.lease_resources("held").unwrap().unwrap(), resources[1..]);
        let lease = namespace.leases().unwrap().into_iter().find(|lease| lease.id == "held").unwrap();
        assert_eq!(lease.labels, labels);
        assert!(namespace.delete_lease("held", true).unwrap());
        assert!(!namespace.delete_lease("held", true).unwrap());
        assert!(namespace.add_to_lease("held", &resources[0]).unwrap_err().is_not_found());
    }
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_connection_outlives_a_restart_of_containerd() {
    let bed = bed::gate();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("sock");
    let generation = bed.generations()[0];
    let mut first = Containerd::start(&bed, generation, &folder.path().join("root"));
    symlink(first.socket(), &socket).unwrap();
    let live = Live::connect(&socket).unwrap();
    first.stop();
    let gone = live.version().unwrap_err();
    assert!(matches!(gone, LiveError::Connect { .. } | LiveError::Refused { .. }), "{gone:?}");
    drop(first);
    let second = Containerd::start(&bed, generation, &folder.path().join("root"));
    std::fs::remove_file(&socket).unwrap();
    symlink(second.socket(), &socket).unwrap();
    // The first call may still be on the old connection.
    let answers: Vec<_> = (0..3).map(|_| live.version()).collect();
    assert!(answers[2].is_ok(), "{answers:?}");
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_hundred_thousand_blobs_are_listed() {
    const COUNT: usize = 100_000;
    let bed = bed::gate();
    let folder = tempfile::tempdir().unwrap();
    let mut store = StoreBuilder::default();
    let namespace = store.namespaces.entry("k8s.io".to_owned()).or_default();
    for number in 0..COUNT {
        let labels = [
            ("containerd.io/gc.root", "1"),
            ("containerd.io/distribution.source.registry.example", "some/repository"),
        ];
        let labels = labels.map(|(key, value)| (key.into(), value.into())).into_iter().collect();
        namespace.blobs.insert(format!("sha256:{number:064x}"), BlobRow { size: 1, labels });
    }
    store.write(folder.path()).unwrap();
    for generation in bed.generations() {
        let containerd = Containerd::start(&bed, generation, folder.path());
        let live = Live::connect(&containerd.socket()).unwrap();
        let rows = live.namespace("k8s.io").blobs().unwrap();
        assert_eq!(rows.len(), COUNT);
        assert_eq!(rows[COUNT - 1].digest, format!("sha256:{:064x}", COUNT - 1));
        assert_eq!(rows[COUNT - 1].labels.len(), 2);
    }
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_namespace_that_no_header_can_carry_is_refused() {
    let bed = bed::gate();
    let folder = tempfile::tempdir().unwrap();
    let containerd = Containerd::start(&bed, bed.generations()[0], &folder.path().join("root"));
    let live = Live::connect(&containerd.socket()).unwrap();
    let refused = live.namespace("a\nb").images().unwrap_err();
    assert!(matches!(&refused, LiveError::Namespace(name) if name == "a\nb"), "{refused:?}");
}

/// What a server that is no containerd does with a connection.
type Server = fn(UnixStream);

/// Long enough for an answer on a machine that is busy.
const PATIENT: Duration = Duration::from_secs(60);
const IMPATIENT: Duration = Duration::from_millis(500);

/// Connects to such a server.
fn connect_to(limit: Duration, serve: Server) -> LiveError {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("sock");
    let listener = UnixListener::bind(&socket).unwrap();
    // It ends with the test's process, or when the client hangs up.
    std::thread::spawn(move || listener.incoming().flatten().for_each(serve));
    Live::connect_with(&socket, Limits::all(limit)).unwrap_err()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// HTTP/2 settings of ours and an answer to theirs; then `200 OK`, content-type application/grpc, on the first stream.
fn http2_answer() -> Vec<u8> {
    const DATA_FOLLOWS: u8 = 0x4;
    let mut headers = vec![0x88, 0x0f, 0x10];
    headers.push(16);
    headers.extend(b"application/grpc");
    [frame(4, 0, 0, &[]), frame(4, 1, 0, &[]), frame(1, DATA_FOLLOWS, 1, &headers)].concat()
}

/// Reads until the call has come: an answer to what was not yet asked is an error of its own.
fn await_call(stream: &mut UnixStream) {
    const PREFACE_BYTES: usize = 24;
    const HEADERS: u8 = 1;
    let mut preface = [0; PREFACE_BYTES];
    stream.read_exact(&mut preface).unwrap();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).unwrap();
        if head[3] == HEADERS {
            break;
        }
    }
}

fn swallow(mut stream: UnixStream) {
    let mut buf = [0; 4096];
    while stream.read(&mut buf).is_ok_and(|count| count > 0) {}
}

#[test]
fn a_server_that_says_nothing_is_waited_for_no_longer_than_asked() {
    let why = connect_to(IMPATIENT, swallow);
    assert!(matches!(why, LiveError::Timeout { .. }), "{why:?}");
}

#[test]
fn a_server_that_hangs_up_or_talks_otherwise_is_an_error() {
    for serve in [
        drop as Server,
        |mut stream| stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap_or_default(),
        |mut stream| {
            stream.write_all(&[0xff; 1 << 16]).ok();
            swallow(stream);
        },
    ] {
        let why = connect_to(PATIENT, serve);
        assert!(matches!(why, LiveError::Refused { .. } | LiveError::Connect { .. }), "{why:?}");
    }
}

#[test]
fn a_server_that_stops_within_an_answer_is_waited_for_no_longer_than_asked() {
    let why = connect_to(IMPATIENT, |mut stream| {
        await_call(&mut stream);
        stream.write_all(&http2_answer()).ok();
        swallow(stream);
    });
    assert!(matches!(why, LiveError::Timeout { .. }), "{why:?}");
}

#[test]
fn a_message_that_claims_to_be_huge_is_not_waited_for() {
    let why = connect_to(PATIENT, |mut stream| {
        await_call(&mut stream);
        let message = [0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3];
        stream.write_all(&[http2_answer(), frame(0, 0, 1, &message)].concat()).ok();
        swallow(stream);
    });
    assert!(matches!(why, LiveError::Refused { .. }), "{why:?}");
}

#[test]
fn a_message_that_is_no_protobuf_is_an_error() {
    let why = connect_to(PATIENT, |mut stream| {
        await_call(&mut stream);
        let message = [0, 0, 0, 0, 3, 0xff, 0xff, 0xff];
        stream.write_all(&[http2_answer(), frame(0, 1, 1, &message)].concat()).ok();
        swallow(stream);
    });
    assert!(matches!(why, LiveError::Refused { .. }), "{why:?}");
}

#[test]
fn a_socket_that_is_none_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in [folder.path().join("absent"), file, folder.path().to_owned(), PathBuf::new()] {
        let why = Live::connect(&path).unwrap_err();
        assert!(matches!(why, LiveError::Connect { .. }), "{why:?}");
    }
}
