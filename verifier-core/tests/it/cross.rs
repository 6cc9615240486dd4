//! Databases and folders that disagree: on stores that live, that are not at rest, that were put back in part.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use testdata::bed::{self, Containerd};
use testdata::builder::{Change, Database, Edit, META_DB, Sample, StoreBuilder, Time, sample};
use testdata::damage::{self, Damage, How};
use verifier_core::Interrupt;
use verifier_core::event::Unobserved;
use verifier_core::finding::Depth;
use verifier_core::finding::Severity;
use verifier_core::report::Report;
use verifier_core::scan::Mode;
use verifier_core::{CheckOptions, Store, check};

const SNAPSHOTTER: &str = "io.containerd.snapshotter.v1.overlayfs";

/// Codes of what may come and go, and is only told of a store at rest.
const AT_REST: [&str; 5] = [
    "snapshot-unreferenced",
    "snapshot-folder-unreferenced",
    "lease-resource-missing",
    "lease-expired",
    "sandbox-invalid",
];

fn look(root: &Path, options: CheckOptions) -> Report {
    let store = Store::open(root).unwrap();
    check(&store, &options.depth(Depth::Quick).threads(1), &Unobserved, &Interrupt::default()).unwrap()
}

fn codes(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.code().as_str()).collect()
}

/// Holds meta.db's lock, as a containerd does for its life.
fn hold(root: &Path) -> Held {
    // Another process: what this one locks itself, no containerd holds.
    let mut child = Command::new("flock")
        .arg(root.join(META_DB))
        .args(["--command", "echo held; exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    std::io::BufRead::read_line(&mut BufReader::new(child.stdout.take().unwrap()), &mut said).unwrap();
    assert_eq!(said, "held\n");
    Held(child)
}

/// A lock that another process has until this is dropped.
struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        // The end of its input is the end of it.
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// Damages whose code belongs to this room.
fn damages() -> Vec<&'static Damage> {
    let ours = |code: &str| {
        AT_REST.contains(&code)
            || code == "label-wrong"
            || code == "container-snapshot-missing"
            || code.starts_with("snapshot-")
                && !["snapshot-differs", "snapshot-usage-differs", "snapshot-folder-missing"].contains(&code)
    };
    let model = |damage: &&Damage| !matches!(damage.how, How::Reads(_));
    damage::all().filter(|damage| damage.quick.is_some_and(ours)).filter(model).collect()
}

/// Runs `test` for each of those damages, several at a time: a look at a live store waits.
fn with_damages(test: impl Fn(&Damage, &Path) + Sync) {
    let all = damages();
    assert!(all.len() > 40, "{} damages", all.len());
    std::thread::scope(|scope| {
        for some in all.chunks(all.len().div_ceil(16)) {
            let test = &test;
            scope.spawn(move || {
                for damage in some {
                    let folder = tempfile::tempdir().unwrap();
                    let root = folder.path().join("root");
                    damage.apply(&root).unwrap();
                    test(damage, &root);
                }
            });
        }
    });
}

#[test]
fn a_live_store_at_rest_shows_its_damage() {
    with_damages(|damage, root| {
        let _lock = hold(root);
        let report = look(root, CheckOptions::default());
        assert_eq!(report.mode, Mode::Live);
        // What holds snapshots in a running containerd's memory cannot be seen.
        let expected: Vec<&str> =
            damage.quick.into_iter().filter(|code| *code != "snapshot-unowned").collect();
        assert_eq!(codes(&report), expected, "{}", damage.name);
    });
}

#[test]
fn a_live_store_in_motion_shows_only_what_cannot_pass() {
    with_damages(|damage, root| {
        let now = fs::FileTimes::new().set_modified(std::time::SystemTime::now());
        for name in
            [META_DB.to_owned(), format!("{SNAPSHOTTER}/metadata.db"), format!("{SNAPSHOTTER}/snapshots")]
        {
            File::open(root.join(name)).unwrap().set_times(now).unwrap();
        }
        let _lock = hold(root);
        let passing = |code: &&str| {
            // A sandbox is as old as its record says.
            AT_REST.contains(code) && *code != "sandbox-invalid" || *code == "snapshot-unowned"
        };
        let expected: Vec<&str> = damage.quick.into_iter().filter(|code| !passing(code)).collect();
        assert_eq!(codes(&look(root, CheckOptions::default())), expected, "{}", damage.name);
    });
}

#[test]
fn nothing_is_said_of_what_was_not_asked_for() {
    with_damages(|damage, root| {
        let reaches = damage.reach.namespaces();
        for namespace in ["default", "k8s.io"] {
            let report = look(root, CheckOptions::default().namespaces(vec![namespace.into()]));
            let told = !report.findings.is_empty();
            assert!(
                !told || reaches.contains(namespace),
                "{} in {namespace}: {:?}",
                damage.name,
                codes(&report)
            );
        }
        let report = look(root, CheckOptions::default().images(vec![Sample::EXTRA.into()]));
        let images = damage.reach.images(&sample().unwrap());
        let reached = images.iter().any(|(_, name)| name == Sample::EXTRA);
        assert!(report.findings.is_empty() || reached, "{}: {:?}", damage.name, codes(&report));
    });
}

fn write(store: &StoreBuilder) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    store.write(folder.path()).unwrap();
    folder
}

/// The sample with records of `default` gone from meta.db whose rows are there, and the counter set back behind them.
fn set_back(sample: &mut Sample, keys: &[&str], made: Time) {
    let rows = sample.store.namespace("default").snapshots.get_mut("overlayfs").unwrap();
    let number = |name: &str| name.split('/').nth(1).unwrap().parse::<u64>().unwrap();
    let gone: Vec<_> = keys.iter().map(|key| rows.rows.remove(*key).unwrap().name).collect();
    rows.sequence = gone.iter().map(|name| number(name)).min().unwrap() - 1;
    for name in gone {
        let path = ["v1", "snapshots", &name, "createdat"].map(|part| part.as_bytes().to_vec()).to_vec();
        let change = Change::Put(made.to_binary());
        sample.store.edits.push(Edit { database: Database::Snapshotter("overlayfs".into()), path, change });
    }
}

#[test]
fn a_meta_db_that_is_older_than_the_rows_is_told() {
    let after = Time::BUILT.plus(100);
    let mut older = sample().unwrap();
    set_back(&mut older, &["look", "saved"], after);
    let report = look(write(&older.store).path(), CheckOptions::default());
    let expected = ["snapshot-sequence-behind", "snapshot-unreferenced", "snapshot-unreferenced"];
    assert_eq!(codes(&report), expected, "{:#?}", report.findings);

    // One row with the very next number is a commit that never came to its end in meta.db.
    let mut crashed = sample().unwrap();
    set_back(&mut crashed, &["saved"], after);
    assert_eq!(
        codes(&look(write(&crashed.store).path(), CheckOptions::default())),
        ["snapshot-unreferenced"]
    );

    // Rows that are older than all records are of a namespace that had the name before.
    let mut again = sample().unwrap();
    set_back(&mut again, &["look", "saved"], Time::BUILT.plus(-100));
    let report = look(write(&again.store).path(), CheckOptions::default());
    assert_eq!(codes(&report), ["snapshot-unreferenced", "snapshot-unreferenced"]);
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn databases_of_different_times_are_told_on_real_stores() {
    let bed = bed::gate();
    for generation in bed.generations() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("root");
        let databases = [META_DB.to_owned(), format!("{SNAPSHOTTER}/metadata.db")];
        let start = || Containerd::start(&bed, generation, &root);
        let mut containerd = start();
        containerd.import(&bed.image("small"), "example.test/small");
        containerd.stop();
        assert_eq!(codes(&look(&root, CheckOptions::default())), [""; 0]);
        let older = databases.each_ref().map(|name| fs::read(root.join(name)).unwrap());
        let mut containerd = start();
        containerd.import(&bed.image("small-b"), "example.test/small-b");
        for key in ["one", "two"] {
            containerd.ctr(&["snapshots", "prepare", key]);
        }
        containerd.stop();
        assert_eq!(codes(&look(&root, CheckOptions::default())), [""; 0]);
        let newer = databases.each_ref().map(|name| fs::read(root.join(name)).unwrap());

        // An older metadata.db: rows are gone that meta.db names.
        fs::write(root.join(&databases[1]), &older[1]).unwrap();
        let report = look(&root, CheckOptions::default());
        let of = codes(&report);
        eprintln!("containerd {generation}, older metadata.db: {of:?}");
        assert!(of.contains(&"snapshot-row-missing") && of.contains(&"snapshot-sequence-behind"), "{of:?}");
        assert!(!of.contains(&"snapshot-folder-unreferenced"), "the folders are all that is left: {of:?}");

        // An older meta.db: rows are there that it has never heard of.
        fs::write(root.join(&databases[1]), &newer[1]).unwrap();
        fs::write(root.join(&databases[0]), &older[0]).unwrap();
        let report = look(&root, CheckOptions::default());
        let of = codes(&report);
        eprintln!("containerd {generation}, older meta.db: {of:?}");
        assert!(of.contains(&"snapshot-unreferenced") && of.contains(&"snapshot-sequence-behind"), "{of:?}");

        // Both older: they agree, and only the folders tell.
        fs::write(root.join(&databases[1]), &older[1]).unwrap();
        let report = look(&root, CheckOptions::default());
        let of = codes(&report);
        eprintln!("containerd {generation}, both older: {of:?}");
        assert!(of.contains(&"snapshot-sequence-behind") && !of.contains(&"snapshot-row-missing"), "{of:?}");
        assert!(report.findings.iter().any(|finding| finding.severity() == Severity::Error));
    }
}
