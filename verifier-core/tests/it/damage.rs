//! Every damage of the catalogue is found: its code, about its subject, with its reach, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use testdata::builder::{
    CONTENT, Compression, Entry, Form, ImageSpec, Labels, Node, PackedLayer, Platform, Sample, StoreBuilder,
    Time, Usage, blob_path, sample, sha256,
};
use testdata::damage::{self, Damage, Damaged, Refusal};
use testdata::in_parallel;
use verifier_core::Interrupt;
use verifier_core::event::Unobserved;
use verifier_core::finding::{Code, Finding, Named};
use verifier_core::finding::{Depth, Reason};
use verifier_core::io::{Gate, Op};
use verifier_core::report::{Outcome, Report};
use verifier_core::{CheckOptions, Store, check};

const DEPTHS: [Depth; 3] = [Depth::Quick, Depth::Blobs, Depth::Full];

#[test]
fn a_healthy_store_is_clean() {
    let folder = tempfile::tempdir().unwrap();
    sample().unwrap().store.write(folder.path()).unwrap();
    for depth in DEPTHS {
        let report = look(folder.path(), depth, Gate::default());
        assert_eq!(report.findings, [], "{depth:?}");
        assert_eq!(report.outcome(true), Outcome::Clean, "{depth:?}: {:#?}", report.coverage);
    }
}

#[test]
fn each_damage_is_found_and_nothing_else() {
    let damages: Vec<&Damage> = damage::all().collect();
    let faults = in_parallel(&damages, |damage| faults_of(damage));
    let count = faults.len();
    assert!(faults.is_empty(), "{count} of {}:\n{}", damages.len() * DEPTHS.len(), faults.join("\n"));
}

#[test]
fn every_code_has_a_damage() {
    let caused: BTreeSet<Code> =
        damage::all().flat_map(Damage::codes).map(|code| code.parse().unwrap()).collect();
    let missing: Vec<&Code> = Code::ALL.iter().filter(|code| !caused.contains(code)).collect();
    assert!(missing.is_empty(), "no damage causes {missing:?}");
}

#[test]
fn every_damage_has_a_name_of_its_own() {
    let mut times: BTreeMap<&str, u32> = BTreeMap::new();
    damage::all().for_each(|damage| *times.entry(damage.name).or_default() += 1);
    times.retain(|_, times| *times > 1);
    assert!(times.is_empty(), "{times:?}");
}

#[test]
fn a_restricted_check_sees_its_part_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let damage = damage::all().find(|damage| damage.name == "zstd-layer-flipped").unwrap();
    damage.apply(&folder.path().join("root")).unwrap();
    let store = Store::open(&folder.path().join("root")).unwrap();
    let found = |options: CheckOptions| {
        let report = check(&store, &options, &Unobserved, &Interrupt::default()).unwrap();
        assert!(report.is_complete());
        report.findings.iter().map(Finding::code).collect::<Vec<_>>()
    };
    let all = CheckOptions::default;
    let one = |name: &str| vec![name.to_owned()];
    let flipped = [Code::BlobDigestMismatch];
    assert_eq!(found(all()), flipped);
    assert_eq!(found(all().namespaces(one("default"))), flipped);
    assert_eq!(found(all().namespaces(one("k8s.io"))), []);
    assert_eq!(found(all().images(one(Sample::APP))), flipped);
    assert_eq!(found(all().images(one(Sample::EXTRA))), []);
    assert_eq!(found(all().images(vec![Sample::EXTRA.into(), Sample::APP.into()])), flipped);
    let wrong = [
        all().namespaces(one("nowhere")),
        all().images(one("nothing")),
        all().namespaces(one("k8s.io")).images(one(Sample::APP)),
    ];
    for options in wrong {
        assert!(check(&store, &options, &Unobserved, &Interrupt::default()).is_err(), "{options:?}");
    }
}

#[test]
fn an_algorithm_that_cannot_be_computed_is_a_gap_and_no_damage() {
    let mut sample = sample().unwrap();
    let digest = format!("blake3:{}", "0123456789abcdef".repeat(4));
    sample.store.add_blob("default", &digest, b"whatever", Labels::new());
    let folder = tempfile::tempdir().unwrap();
    sample.store.write(folder.path()).unwrap();
    for depth in DEPTHS {
        let report = look(folder.path(), depth, Gate::default());
        assert_eq!(report.outcome(true), Outcome::Clean, "{depth:?}");
        let gaps =
            report.coverage.unverified.iter().filter(|gap| gap.reason == Reason::UnknownAlgorithm).count();
        assert_eq!(gaps, usize::from(depth > Depth::Quick), "{depth:?}");
    }
}

#[test]
fn a_snapshotter_that_cannot_be_read_is_a_gap_and_no_damage() {
    let mut sample = sample().unwrap();
    let rows = sample.store.namespace("default");
    let unpacked = rows.snapshots.get("overlayfs").unwrap().clone();
    let count = unpacked.rows.len() as u64;
    // It runs as a plugin elsewhere: there is no folder of it below the root.
    rows.snapshots.insert("stargz".into(), unpacked);
    let folder = tempfile::tempdir().unwrap();
    sample.store.write(folder.path()).unwrap();
    for depth in DEPTHS {
        let report = look(folder.path(), depth, Gate::default());
        assert_eq!(report.findings, [], "{depth:?}");
        // Unpacked layers that nobody looked at.
        assert_eq!(report.outcome(false), Outcome::Incomplete, "{depth:?}");
        let gaps = report.coverage.unverified.iter().filter_map(|gap| match &gap.reason {
            Reason::UnknownSnapshotter { snapshotter, snapshots, of_images, accepted: false } => {
                Some((snapshotter.as_str(), *snapshots, *of_images))
            }
            _ => None,
        });
        // `saved`, `web` and `look` are no image's.
        assert_eq!(gaps.collect::<Vec<_>>(), [("stargz", count, count - 3)]);
        assert!(report.coverage.snapshots.skipped >= count);
    }
}

#[test]
fn what_a_lease_or_an_ingest_waits_for_is_not_unreferenced() {
    let mut sample = sample().unwrap();
    let ingest: &[u8] = b"a layer that is being pulled";
    let leased: &[u8] = b"leased, and not yet recorded";
    let rows = sample.store.namespace("default");
    assert!(rows.ingests.values().any(|row| row.expected == Some(sha256(ingest))));
    rows.leases.get_mut("keep").unwrap().content.push(sha256(leased));
    for bytes in [ingest, leased] {
        sample.store.blobs.insert(sha256(bytes), bytes.to_vec());
    }
    let folder = tempfile::tempdir().unwrap();
    sample.store.write(folder.path()).unwrap();
    for depth in DEPTHS {
        assert_eq!(look(folder.path(), depth, Gate::default()).findings, [], "{depth:?}");
    }
}

/// A copy keeps the files, and not the blocks they take.
#[test]
fn a_store_that_was_copied_from_elsewhere_is_clean() {
    let mut sample = sample().unwrap();
    sample.store.snapshots_made = Some(Time { seconds: 1_000_000_000, nanoseconds: 0 });
    for snapshotter in sample.store.snapshotters.values_mut() {
        for snapshot in snapshotter.snapshots.values_mut() {
            snapshot.usage = Some(on_ext4(&snapshot.tree));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    sample.store.write(folder.path()).unwrap();
    for depth in DEPTHS {
        assert_eq!(look(folder.path(), depth, Gate::default()).findings, [], "{depth:?}");
    }
}

/// What a tree occupies on an ext4 with blocks of 4 KiB: each folder one, and no short link any.
fn on_ext4(tree: &[Entry]) -> Usage {
    let mut folders = BTreeSet::from([""]);
    let mut usage = Usage { inodes: 0, size: 0 };
    for entry in tree {
        let parents = Path::new(&entry.path).ancestors().skip(1);
        folders.extend(parents.filter_map(Path::to_str));
        match &entry.node {
            Node::Folder => drop(folders.insert(&entry.path)),
            Node::HardLink(_) => {}
            Node::File(bytes) => {
                usage.inodes += 1;
                usage.size += i64::try_from(bytes.len().next_multiple_of(4096)).unwrap();
            }
            Node::Symlink(_) | Node::Whiteout => usage.inodes += 1,
        }
    }
    let folders = i64::try_from(folders.len()).unwrap();
    Usage { inodes: usage.inodes + folders, size: usage.size + 4096 * folders }
}

#[test]
fn names_may_hold_anything_that_is_text() {
    let mut sample = sample().unwrap();
    let odd = "line\none \u{1b}[31m\t\u{202e} two/../x";
    let target = sample.extra.manifest.clone();
    sample.store.add_name("default", odd, &target, Labels::new());
    let folder = tempfile::tempdir().unwrap();
    sample.store.write(folder.path()).unwrap();
    assert_eq!(look(folder.path(), Depth::Full, Gate::default()).findings, []);
    std::fs::remove_file(folder.path().join(blob_path(&target.digest))).unwrap();
    let report = look(folder.path(), Depth::Quick, Gate::default());
    let [finding] = report.findings.as_slice() else { panic!("{:?}", report.findings) };
    let images: Vec<&str> = finding.blast.images.iter().map(|image| image.name.as_str()).collect();
    assert_eq!(images, [odd, Sample::EXTRA]);
}

#[test]
fn a_store_that_was_never_used_is_clean() {
    let beginnings: [&[&str]; 4] = [
        &[],
        &["blobs", "ingest"],
        &["blobs/sha256", "ingest"],
        &[
            "blobs/sha256",
            "../io.containerd.snapshotter.v1.overlayfs/snapshots",
            "../io.containerd.metadata.v1.bolt",
        ],
    ];
    for folders in beginnings {
        let root = tempfile::tempdir().unwrap();
        let content = root.path().join(CONTENT);
        std::fs::create_dir(&content).unwrap();
        folders.iter().for_each(|folder| std::fs::create_dir_all(content.join(folder)).unwrap());
        let report = look(root.path(), Depth::Full, Gate::default());
        assert_eq!(
            (report.findings.as_slice(), report.outcome(true)),
            ([].as_slice(), Outcome::Clean),
            "{folders:?}"
        );
    }
    // A database without a record, as a first start leaves it.
    let root = tempfile::tempdir().unwrap();
    StoreBuilder::default().write(root.path()).unwrap();
    let report = look(root.path(), Depth::Full, Gate::default());
    assert_eq!((report.findings.as_slice(), report.outcome(true)), ([].as_slice(), Outcome::Clean));
}

/// Encrypted ones, for instance, and those of lazy snapshotters: nobody but their own snapshotter can read them.
#[test]
fn a_layer_that_was_never_unpacked_need_not_be_a_tar() {
    let mut sample = sample().unwrap();
    let bytes = b"neither compressed nor a tar".to_vec();
    let entries = Vec::new();
    let layer = PackedLayer {
        digest: sha256(&bytes),
        diff_id: sha256(b"what is in it"),
        bytes,
        compression: Compression::Gzip,
        entries,
    };
    let spec = ImageSpec {
        namespace: "default",
        repository: "odd",
        layers: &[layer],
        form: Form::Oci,
        platform: Platform::LINUX_AMD64,
        unpack: &[],
    };
    let image = sample.store.add_image(&spec).unwrap();
    sample.store.add_name("default", "registry.example/odd:1", &image.manifest, Labels::new());
    let folder = tempfile::tempdir().unwrap();
    sample.store.write(folder.path()).unwrap();
    let report = look(folder.path(), Depth::Full, Gate::default());
    assert_eq!(report.findings, []);
    assert_eq!(report.outcome(true), Outcome::Clean, "{:#?}", report.coverage);
}

/// What is wrong with what is said of `damage`, one line each.
fn faults_of(damage: &Damage) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let damaged = damage.apply(&root).expect(damage.name);
    let expected = [damage.quick, damage.blobs, damage.full];
    let at = |(depth, code): (Depth, Option<&str>)| {
        let report = look(&root, depth, gate(damaged.refusal.as_ref()));
        let other = look_with(4, &root, depth, gate(damaged.refusal.as_ref()));
        let fault = fault(&report, damage, &damaged, code).or_else(|| {
            let same = report.findings == other.findings && report.coverage == other.coverage;
            (!same).then(|| format!("four threads say {other:?}, one {report:?}"))
        })?;
        Some(format!("{} at {depth:?}: {fault}", damage.name))
    };
    DEPTHS.into_iter().zip(expected).filter_map(at).collect()
}

fn fault(report: &Report, damage: &Damage, damaged: &Damaged, code: Option<&str>) -> Option<String> {
    let found = || report.findings.iter().map(line).collect::<Vec<_>>().join("; ");
    let (code, finding) = match (code, report.findings.as_slice()) {
        (None, []) if report.is_complete() => return None,
        (None, []) => return Some(format!("incomplete: {:?}", report.coverage.unverified)),
        (Some(code), [finding]) if finding.code().as_str() == code => (code, finding),
        (Some(code), [finding, others @ ..])
            if damage.several && others.iter().all(|other| other.code().as_str() == code) =>
        {
            (code, finding)
        }
        (code, _) => return Some(format!("expected {code:?}, found [{}]", found())),
    };
    let subject = serde_json::to_value(&finding.subject).unwrap();
    let wanted = damaged.subject.to_json();
    if wanted.as_object().unwrap().iter().any(|(key, value)| subject.get(key) != Some(value)) {
        return Some(format!("{code} about {subject}, should be {wanted}"));
    }
    let blast = &finding.blast;
    let is = (names(&blast.images), names(&blast.containers), blast.namespaces.clone());
    let reach = damage.reach;
    let should = (reach.images(&damaged.sample), reach.containers(), reach.namespaces());
    (is != should).then(|| format!("{code} reaches {is:?}, should reach {should:?}"))
}

fn names(named: &BTreeSet<Named>) -> BTreeSet<(String, String)> {
    named.iter().map(|named| (named.namespace.clone(), named.name.clone())).collect()
}

fn line(finding: &Finding) -> String {
    serde_json::to_string(&(&finding.subject, &finding.kind)).unwrap()
}

fn look(root: &Path, depth: Depth, gate: Gate) -> Report {
    look_with(1, root, depth, gate)
}

fn look_with(threads: usize, root: &Path, depth: Depth, gate: Gate) -> Report {
    let store = Store::open_with(root, gate).unwrap();
    let options = CheckOptions::default().depth(depth).threads(threads);
    check(&store, &options, &Unobserved, &Interrupt::default()).unwrap()
}

/// A gate at which that one read fails.
fn gate(refusal: Option<&Refusal>) -> Gate {
    let Some(Refusal { op, path, errno }) = refusal.cloned() else { return Gate::default() };
    let op = match op {
        damage::Op::Open => Op::Open,
        damage::Op::Stat => Op::Stat,
        damage::Op::List => Op::List,
        damage::Op::Read => Op::Read,
        damage::Op::Xattr => Op::Xattr,
    };
    Gate::new(
        move |asked, at| {
            if asked == op && at == path { Err(io::Error::from_raw_os_error(errno)) } else { Ok(()) }
        },
    )
}
