//! What a crash put at risk is found without reading the rest, and where times cannot be trusted everything is read.

use std::fs::{File, FileTimes};
use std::path::Path;
use std::time::{Duration, SystemTime};

use testdata::builder::{
    Change, Database, Edit, Form, ImageSpec, Labels, Layer, Platform, StoreBuilder, Time, blob_path, file,
    snapshotter_folder,
};
use verifier_core::Interrupt;
use verifier_core::event::{Event, Recorder};
use verifier_core::finding::Reason;
use verifier_core::finding::{Code, Subject};
use verifier_core::plan::{AtRisk, Distrust, Selection, Sign, Stamp};
use verifier_core::report::Report;
use verifier_core::time::Timestamp;
use verifier_core::{CheckOptions, Store, check, scan};

const OLD_IMAGES: u64 = 50;
const LAYER_BYTES: usize = 200_000;

/// A store on which images were pulled long ago, and one just before the power went.
struct Crashed {
    folder: tempfile::TempDir,
    builder: StoreBuilder,
    /// The number of the new image's snapshot.
    id: u64,
    /// A layer of an old image.
    old_layer: String,
    crash: Time,
}

impl Crashed {
    /// The store, not yet written.
    fn new() -> Crashed {
        let folder = tempfile::tempdir().unwrap();
        let (mut builder, crash) = (StoreBuilder::default(), Time::now().plus(-600));
        let old_layer = (0..OLD_IMAGES).map(|number| add_image(&mut builder, number)).last().unwrap().0;
        let old = builder.clone();
        let (_, chain) = add_image(&mut builder, OLD_IMAGES);
        let id = builder.snapshot("default", "overlayfs", &chain).unwrap().id;
        builder.snapshots_made = Some(Time::BUILT);
        let mut crashed = Crashed { folder, builder, id, old_layer, crash };
        crashed.make_new(&old);
        crashed
    }

    /// Gives all that is not in `old` a time 20 s before the crash.
    fn make_new(&mut self, old: &StoreBuilder) {
        let made = self.crash.plus(-20);
        let (rows, old_rows) = (&self.builder.namespaces["default"], &old.namespaces["default"]);
        let mut keys: Vec<(Database, Vec<&str>)> = Vec::new();
        for digest in rows.blobs.keys().filter(|digest| !old_rows.blobs.contains_key(*digest)) {
            keys.push((Database::Meta, vec!["v1", "default", "content", "blob", digest]));
        }
        for (key, row) in &rows.snapshots["overlayfs"].rows {
            if !old_rows.snapshots["overlayfs"].rows.contains_key(key) {
                keys.push((Database::Meta, vec!["v1", "default", "snapshots", "overlayfs", key]));
                keys.push((Database::Snapshotter("overlayfs".into()), vec!["v1", "snapshots", &row.name]));
            }
        }
        let edits: Vec<Edit> =
            keys.into_iter().map(|(database, path)| created(database, &path, made)).collect();
        self.builder.edits.extend(edits);
    }

    fn edit(mut self, edit: Edit) -> Crashed {
        self.builder.edits.push(edit);
        self
    }

    /// Writes it, and cuts the power: the new snapshot's file is empty.
    fn cut(self) -> Crashed {
        let root = self.folder.path();
        self.builder.write(root).unwrap();
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(Time::BUILT.seconds.unsigned_abs());
        for digest in self.builder.blobs.keys() {
            let file = File::open(root.join(blob_path(digest))).unwrap();
            file.set_times(FileTimes::new().set_modified(then)).unwrap();
        }
        let path = root.join(snapshotter_folder("overlayfs")).join(format!("snapshots/{}/fs/data", self.id));
        File::options().write(true).open(path).unwrap().set_len(0).unwrap();
        self
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    /// A check of what is at risk, and the bytes of layers that it read.
    fn look(&self, known: Option<AtRisk>) -> (Report, u64) {
        let (store, recorder) = (Store::open(self.root()).unwrap(), Recorder::default());
        let options = CheckOptions::default().at_risk(known);
        let report = check(&store, &options, &recorder, &Interrupt::default()).unwrap();
        let read = recorder.events().into_iter().map(|event| match event {
            Event::Read { bytes } => bytes,
            _ => 0,
        });
        (report, read.sum())
    }

    fn stamp(&self) -> Stamp {
        let store = Store::open(self.root()).unwrap();
        Stamp::of(&scan(&store, &Interrupt::default()), "boot").unwrap()
    }
}

fn created(database: Database, path: &[&str], made: Time) -> Edit {
    let path = path.iter().copied().chain(["createdat"]).map(|name| name.as_bytes().to_vec()).collect();
    Edit { database, path, change: Change::Put(made.to_binary()) }
}

/// An image of one layer; returns the layer's digest and the ChainID.
fn add_image(builder: &mut StoreBuilder, number: u64) -> (String, String) {
    let mut state = number + 1;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    let bytes: Vec<u8> = std::iter::repeat_with(&mut noise).take(LAYER_BYTES).collect();
    let layers = [Layer::new([file("data", bytes)]).pack().unwrap()];
    let image = builder.add_image(&ImageSpec {
        namespace: "default",
        repository: "app",
        layers: &layers,
        form: Form::Oci,
        platform: Platform::LINUX_AMD64,
        unpack: &["overlayfs"],
    });
    let image = image.unwrap();
    let name = format!("registry.example/app:{number}");
    builder.add_name("default", &name, &image.manifest, Labels::new());
    (image.layers[0].clone(), image.chain[0].clone())
}

fn damaged(report: &Report) -> Vec<(Code, u64)> {
    let id = |subject: &Subject| match subject {
        Subject::Snapshot { id, .. } => *id,
        _ => 0,
    };
    report.findings.iter().map(|finding| (finding.code(), id(&finding.subject))).collect()
}

fn bytes(report: &Report) -> u64 {
    report.coverage.blobs.bytes + report.coverage.snapshots.bytes
}

#[test]
fn what_was_just_pulled_is_read_and_the_rest_is_not() {
    let crashed = Crashed::new().cut();
    let (full, full_read) = crashed.look(None);
    let (report, read) = crashed.look(Some(AtRisk::default()));
    assert_eq!(damaged(&report), [(Code::SnapshotDiffers, crashed.id)]);
    assert_eq!(damaged(&full), damaged(&report));
    let (part, whole) = (bytes(&report), bytes(&full));
    assert!(
        part * 20 < whole && read * 20 < full_read,
        "{part} of {whole} bytes, {read} of {full_read} read"
    );
    let left: Vec<_> = report.coverage.unverified.iter().map(|one| &one.reason).collect();
    assert_eq!(left, [&Reason::NotAtRisk { blobs: OLD_IMAGES, snapshots: OLD_IMAGES }]);
    assert!(report.is_complete());
    let Some(Selection::Since { since_seconds, last_sign_seconds, sign: Sign::Record }) = report.at_risk
    else {
        panic!("{:?}", report.at_risk)
    };
    assert_eq!((last_sign_seconds, since_seconds), (crashed.crash.seconds - 20, crashed.crash.seconds - 140));
}

#[test]
fn structure_is_looked_at_wherever_it_is() {
    let crashed = Crashed::new().cut();
    std::fs::remove_file(crashed.root().join(blob_path(&crashed.old_layer))).unwrap();
    let (report, _) = crashed.look(Some(AtRisk::default()));
    let codes = damaged(&report);
    assert!(
        codes.contains(&(Code::BlobMissing, 0)) && codes.contains(&(Code::SnapshotDiffers, crashed.id)),
        "{codes:?}"
    );
}

#[test]
fn later_signs_of_life_make_it_safe() {
    let crashed = Crashed::new().cut();
    let at = |seconds| Some(Timestamp { seconds: crashed.crash.seconds + seconds, nanoseconds: 0 });
    // The power went long after the pull: all of it was on the disk.
    let (report, read) = crashed.look(Some(AtRisk { heartbeat: at(300), ..AtRisk::default() }));
    assert_eq!(read, 0);
    assert!(
        matches!(report.at_risk, Some(Selection::Since { sign: Sign::Heartbeat, .. })),
        "{:?}",
        report.at_risk
    );
    // A sign that belongs to this boot says nothing of the one before.
    let known = AtRisk { heartbeat: at(300), booted: at(200), ..AtRisk::default() };
    assert_eq!(damaged(&crashed.look(Some(known)).0), [(Code::SnapshotDiffers, crashed.id)]);
    // A window that reaches back to the pull.
    let known = AtRisk { heartbeat: at(300), window: Duration::from_secs(400), ..AtRisk::default() };
    assert_eq!(damaged(&crashed.look(Some(known)).0), [(Code::SnapshotDiffers, crashed.id)]);
}

#[test]
fn after_a_clean_stop_no_content_is_read() {
    let crashed = Crashed::new().cut();
    let stamp = crashed.stamp();
    let (report, read) = crashed.look(Some(AtRisk { stamp: Some(stamp.clone()), ..AtRisk::default() }));
    assert_eq!(read, 0);
    assert!(matches!(report.at_risk, Some(Selection::Nothing { .. })), "{:?}", report.at_risk);
    let all = OLD_IMAGES + 1;
    assert_eq!(report.coverage.unverified[0].reason, Reason::NotAtRisk { blobs: all, snapshots: all });
    // A stamp of another state of the databases vouches for nothing.
    for edit in [
        |stamp: &mut Stamp| stamp.databases.values_mut().for_each(|mark| mark.txid -= 1),
        |stamp: &mut Stamp| stamp.databases.values_mut().for_each(|mark| mark.modified.1 += 1),
        |stamp: &mut Stamp| drop(stamp.databases.pop_last()),
    ] {
        let mut stale = stamp.clone();
        edit(&mut stale);
        let (report, _) = crashed.look(Some(AtRisk { stamp: Some(stale), ..AtRisk::default() }));
        assert_eq!(damaged(&report), [(Code::SnapshotDiffers, crashed.id)]);
    }
}

#[test]
fn where_times_cannot_be_trusted_everything_is_read() {
    let meta = |path: &[&str], made| created(Database::Meta, path, made);
    let image = ["v1", "default", "images", "registry.example/app:3"];
    let future = Crashed::new().edit(meta(&image, Time::now().plus(86_400)));
    let before = Crashed::new().edit(meta(&image, Time { seconds: 86_400, nanoseconds: 0 }));
    let backwards = Crashed::new();
    let snapshots = &backwards.builder.snapshotters["overlayfs"].snapshots;
    let key = snapshots.iter().min_by_key(|(_, snapshot)| snapshot.id).unwrap().0.clone();
    let backwards = backwards.edit(created(
        Database::Snapshotter("overlayfs".into()),
        &["v1", "snapshots", &key],
        Time::BUILT.plus(86_400),
    ));
    let lost = Crashed::new().edit(Edit {
        database: Database::Meta,
        path: ["v1", "default", "images", "registry.example/app:3", "createdat"].map(Into::into).into(),
        change: Change::Put(b"no time".to_vec()),
    });
    let jumped = AtRisk { clock_jumped: true, ..AtRisk::default() };
    for (store, known, expected) in [
        (future, AtRisk::default(), "InTheFuture"),
        (before, AtRisk::default(), "BeforeItsImage"),
        (backwards, AtRisk::default(), "Backwards"),
        (lost, AtRisk::default(), "RecordsLost"),
        (Crashed::new(), jumped, "Jumped"),
    ] {
        let store = store.cut();
        let ((report, read), (_, full)) = (store.look(Some(known)), store.look(None));
        let Some(Selection::Everything { why }) = &report.at_risk else {
            panic!("{expected}: {:?}", report.at_risk)
        };
        assert!(format!("{why:?}").starts_with(expected), "{why:?} and not {expected}");
        assert_eq!(read, full, "{expected}");
        assert!(damaged(&report).contains(&(Code::SnapshotDiffers, store.id)), "{expected}");
        assert!(!matches!(why, Distrust::NoSign));
    }
}
