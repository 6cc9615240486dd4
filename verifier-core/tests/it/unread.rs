//! Never clean about what was not looked at: layers that are not read, stores beside the root, what is absent as a whole.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use testdata::builder::{
    Compression, Form, ImageSpec, Labels, Layer, LeaseRow, Platform, StoreBuilder, file,
};
use testdata::builder::{sample, sha256, snapshotter_folder};
use testdata::golden;
use verifier_core::Interrupt;
use verifier_core::event::Unobserved;
use verifier_core::finding::{Code, Depth, ErofsFault, FindingKind, Reason, Severity, Subject};
use verifier_core::finding::{ErofsLayerInvalid, LeaseResourceMissing};
use verifier_core::report::{Outcome, Report};
use verifier_core::{CheckOptions, Store, check};

fn look(root: &Path, options: &CheckOptions) -> Report {
    check(&Store::open(root).unwrap(), options, &Unobserved, &Interrupt::default()).unwrap()
}

fn at(depth: Depth) -> CheckOptions {
    CheckOptions::default().depth(depth).threads(1)
}

#[test]
fn real_stores_show_none_of_it() {
    let folder = tempfile::tempdir().unwrap();
    for name in golden::names() {
        let root = folder.path().join(name);
        golden::unpack(name, &root).unwrap();
        let found = look(&root, &at(Depth::Quick)).findings;
        assert_eq!(found, [], "{name}");
    }
}

/// That each layer is there and whole is checked; what is in it is not, and that is said.
#[test]
fn a_sound_store_of_erofs_is_not_clean_unless_that_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    golden::unpack(golden::EROFS, folder.path()).unwrap();
    for depth in [Depth::Quick, Depth::Blobs, Depth::Full] {
        let report = look(folder.path(), &at(depth));
        assert_eq!(report.findings, [], "{depth:?}");
        let expected = if depth == Depth::Full { Outcome::Incomplete } else { Outcome::Clean };
        assert_eq!(report.outcome(true), expected, "{depth:?}: {:?}", report.coverage);
        let snapshots = report.coverage.snapshots;
        assert_eq!(
            (snapshots.checked + snapshots.skipped, depth),
            (if depth == Depth::Full { 9 } else { 8 }, depth)
        );
        assert_eq!(look(folder.path(), &at(depth).accept_unread(true)).outcome(true), Outcome::Clean);
    }
}

#[test]
fn layers_of_erofs_that_were_never_written_out_are_found_and_unpacked_again() {
    let folder = tempfile::tempdir().unwrap();
    golden::unpack(golden::EROFS_CUT, folder.path()).unwrap();
    let report = look(folder.path(), &at(Depth::Quick));
    let mut ids = BTreeSet::new();
    let mut images = BTreeSet::new();
    for finding in &report.findings {
        let FindingKind::ErofsLayerInvalid(ErofsLayerInvalid {
            why: ErofsFault::Magic { found: 0 },
            chain_id: Some(_),
        }) = &finding.kind
        else {
            panic!("{finding:?}")
        };
        let Subject::Snapshot { id, .. } = finding.subject else { panic!("{finding:?}") };
        ids.insert(id);
        images.extend(finding.blast.images.iter().map(|image| image.name.clone()));
    }
    assert_eq!(ids.into_iter().collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
    assert_eq!((images.len(), report.outcome(false)), (4, Outcome::Damaged), "{images:?}");
    healed_by_evicting(folder.path());
}

/// With the locks a repair needs the live feature's helpers.
#[cfg(feature = "live")]
fn healed_by_evicting(root: &Path) {
    use super::repair_common::{repair, undo};
    use verifier_core::repair::plan::RepairOptions;
    let blobs = || fs::read_dir(root.join("io.containerd.content.v1.content/blobs/sha256")).unwrap().count();
    let images = |id: u64| root.join(format!("io.containerd.snapshotter.v1.erofs/snapshots/{id}"));
    let before = blobs();
    let repaired = repair(root, &RepairOptions::default());
    assert_eq!((repaired.failed.as_slice(), repaired.refused.as_slice()), ([].as_slice(), [].as_slice()));
    assert_eq!(repaired.after, []);
    assert_eq!(blobs(), before, "nothing is pulled again");
    assert!((1..=8).all(|id| !images(id).exists()));
    assert!(undo(root, &repaired.run.unwrap()).left.is_empty());
    assert!((1..=8).all(|id| images(id).join("layer.erofs").exists()));
}

#[cfg(not(feature = "live"))]
fn healed_by_evicting(_root: &Path) {}

/// Docker's images are in its own store; the root of its containerd is sound, and empty.
#[test]
fn docker_s_own_store_beside_the_root_is_a_gap() {
    let home = tempfile::tempdir().unwrap();
    let image = home.path().join("docker/image/overlay2");
    for layer in ["a", "b"] {
        fs::create_dir_all(image.join("layerdb/sha256").join(layer.repeat(64))).unwrap();
    }
    let root = home.path().join("docker/containerd/daemon");
    fs::create_dir_all(root.parent().unwrap()).unwrap();
    StoreBuilder::default().write(&root).unwrap();
    let report = look(&root, &at(Depth::Full));
    assert_eq!((report.findings.as_slice(), report.outcome(false)), ([].as_slice(), Outcome::Incomplete));
    let [gap] = report.coverage.unverified.as_slice() else { panic!("{:?}", report.coverage) };
    assert!(
        matches!(&gap.reason, Reason::GraphDriver { layers: 2, images: 0, instead: true, .. }),
        "{gap:?}"
    );
    assert_eq!(look(&root, &at(Depth::Full).accept_unread(true)).outcome(true), Outcome::Clean);
    // A root that is used has its own to say; the other store is told all the same.
    let used = home.path().join("containerd");
    sample().unwrap().store.write(&used).unwrap();
    let report = look(&used, &at(Depth::Full));
    assert_eq!(report.outcome(true), Outcome::Clean);
    let told = |reason: &Reason| matches!(reason, Reason::GraphDriver { instead: false, .. });
    assert_eq!(report.coverage.unverified.iter().filter(|gap| told(&gap.reason)).count(), 1);
}

#[test]
fn a_snapshotter_that_is_configured_elsewhere_is_not_missing() {
    let folder = tempfile::tempdir().unwrap();
    sample().unwrap().store.write(folder.path()).unwrap();
    fs::remove_dir_all(folder.path().join(snapshotter_folder("native"))).unwrap();
    let codes = |options: &CheckOptions| {
        look(folder.path(), options).findings.iter().map(|finding| finding.code()).collect::<Vec<_>>()
    };
    assert_eq!(codes(&at(Depth::Quick)), [Code::SnapshotterMissing]);
    assert_eq!(codes(&at(Depth::Quick).elsewhere(["native".to_owned()].into())), []);
}

/// Its database of no byte, too, where nothing else of it is left.
#[test]
fn a_snapshotter_with_an_empty_database_alone_is_not_clean() {
    let folder = tempfile::tempdir().unwrap();
    sample().unwrap().store.write(folder.path()).unwrap();
    let native = folder.path().join(snapshotter_folder("native"));
    fs::remove_dir_all(&native).unwrap();
    fs::create_dir(&native).unwrap();
    fs::write(native.join("metadata.db"), "").unwrap();
    let report = look(folder.path(), &at(Depth::Quick));
    let codes: Vec<Code> = report.findings.iter().map(|finding| finding.code()).collect();
    assert_eq!(codes, [Code::SnapshotterDatabaseUnusable]);
}

/// A disk that was brought from a machine of another kind: all of its images are for that one.
#[test]
fn images_of_another_machine_s_disk_are_not_judged() {
    let mut store = StoreBuilder::default();
    let layer = Layer::new([file("bin/program", "x")]).compression(Compression::Gzip).pack().unwrap();
    let image = store.add_image(&ImageSpec {
        namespace: "default",
        repository: "odd",
        layers: &[layer],
        form: Form::Oci,
        platform: Platform { os: "linux", architecture: "pdp11" },
        unpack: &["overlayfs"],
    });
    store.add_name("default", "registry.example/odd:1", &image.unwrap().manifest, Labels::new());
    let folder = tempfile::tempdir().unwrap();
    store.write(folder.path()).unwrap();
    assert_eq!(look(folder.path(), &at(Depth::Full)).findings, []);
}

/// A lease that a repair of ours left says so; one of Docker's containers holds its snapshot for as long as that lives.
#[test]
fn leases_are_told_by_whose_they_are() {
    let mut sample = sample().unwrap();
    let gone = sha256(b"what was evicted");
    let end = "2100-01-01T00:00:00Z".to_owned();
    let ours = LeaseRow {
        content: vec![gone.clone()],
        labels: [("containerd.io/gc.expire".into(), end.clone())].into(),
        ..LeaseRow::default()
    };
    sample.store.namespace("default").leases.insert("containerd-fsck-1".into(), ours);
    let docker = LeaseRow { snapshots: vec![("overlayfs".into(), "look".into())], ..LeaseRow::default() };
    sample.store.namespace("default").leases.insert("look".into(), docker);
    let folder = tempfile::tempdir().unwrap();
    sample.store.write(folder.path()).unwrap();
    let report = look(folder.path(), &at(Depth::Quick));
    let kinds: Vec<&FindingKind> = report.findings.iter().map(|finding| &finding.kind).collect();
    let expected = FindingKind::from(LeaseResourceMissing {
        missing: vec![gone.to_string()],
        ours: true,
        ends: Some(end),
    });
    assert_eq!(kinds, [&expected]);
}

/// What CRI forgets at its next start, and what makes its Status fail, is found, put right, and heals a real node.
#[cfg(feature = "live")]
#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_real_node_is_healed_of_a_lost_container_and_a_uuid_of_zeros() {
    use super::live_cri::options;
    use super::repair_common::repair;
    use testdata::bed::{self, Containerd, Cri, Registry};
    use verifier_core::repair::plan::RepairOptions;
    let bed = bed::gate();
    let registry = Registry::start(&bed);
    registry.push(&bed.image("small"), "small:t");
    let options = options(&bed, &registry);
    for generation in bed.generations() {
        let home = tempfile::tempdir().unwrap();
        let mut node = Containerd::start_with(&bed, generation, home.path(), &options);
        let image = registry.reference("small:t");
        let cri = Cri::new(&node);
        cri.pull(&image);
        let pod = cri.run_pod("web");
        let container = cri.create(&pod, "web", &image, "main", &["/bin/sleep", "3600"]);
        cri.start(&container);
        node.ctr(&["version"]);
        cri.stop(&container);
        let errors = |root: &Path| {
            let report = look(root, &at(Depth::Quick));
            let errors = report.findings.iter().filter(|finding| finding.severity() >= Severity::Warning);
            errors.map(|finding| finding.code()).collect::<Vec<_>>()
        };
        assert_eq!(errors(node.root()), [], "{generation}: healthy, live");
        node.stop();
        let root = node.root().to_owned();
        assert_eq!(errors(&root), [], "{generation}: healthy, stopped");
        fs::remove_dir_all(root.join("io.containerd.grpc.v1.cri/containers").join(&container)).unwrap();
        let uuid = root.join("io.containerd.grpc.v1.introspection/uuid");
        assert_eq!(fs::metadata(&uuid).unwrap().len(), 36, "{generation}");
        fs::write(&uuid, [0; 36]).unwrap();
        assert_eq!(errors(&root), [Code::UuidInvalid, Code::ContainerFolderMissing], "{generation}");
        let repaired = repair(&root, &RepairOptions::default());
        assert_eq!(repaired.failed, [], "{generation}");
        assert_eq!(errors(&root), [], "{generation}: repaired");
        // It would not even come up with the old UUID: the bed asks for its version.
        let node = Containerd::start_with(&bed, generation, &root, &options);
        let has_row = || node.ctr(&["-n", "k8s.io", "containers", "ls", "-q"]).contains(&container);
        assert!(has_row(), "{generation}");
        Cri::new(&node).remove(&container);
        assert!(!has_row(), "{generation}: CRI still forgets it");
    }
}
