//! Stores with damaged databases, thousands of them from a seed, through the whole pipeline: no panic, no hang, and never more
//! than 64 MiB of memory.
//!
//! Each batch runs in a process of its own, which is this test again with `FSCK_BATCH` set; its peak is the kernel's count
//! (`VmHWM`). `FSCK_DAMAGES` sets how many variants (3,000 unless set), `FSCK_SEED` where they begin.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::alone::peak_kib;
use crate::bolt_support::Random;
use crate::bolt_support::damage::damage;
use verifier_core::Interrupt;
use verifier_core::bolt::Database;
use verifier_core::event::Unobserved;
use verifier_core::finding::Code;
use verifier_core::finding::Depth;
use verifier_core::finding::LastTransaction;
use verifier_core::report::{DatabaseReport, Report};
use verifier_core::scan::Usability;
use verifier_core::{CheckOptions, Store, check};

const META_DB: &str = "io.containerd.metadata.v1.bolt/meta.db";
const METADATA_DB: &str = "io.containerd.snapshotter.v1.overlayfs/metadata.db";

/// What a process may take at its peak, all of it counted.
const LIMIT_KIB: u64 = 64 << 10;
/// A variant that takes longer hangs. It takes milliseconds.
const HANG: Duration = Duration::from_secs(120);
/// Variants in one process.
const BATCH: usize = 500;
/// Processes at once.
const CHILDREN: u64 = 2;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn takes_little_memory_and_ends_whatever_the_databases_are() {
    let (first, variants) = (number("FSCK_SEED", 1), number("FSCK_DAMAGES", 3000));
    let end = first + variants;
    let batches: Vec<_> =
        (first..end).step_by(BATCH).map(|seed| (seed, end.min(seed + BATCH as u64))).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut peaks = Vec::new();
        while let Some((from, to)) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
            peaks.push(run_batch(*from, *to));
        }
        peaks
    };
    let peaks: Vec<u64> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..CHILDREN).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let most = peaks.iter().max().unwrap();
    eprintln!("{variants} variants in {} processes, of which the largest took {most} KiB", peaks.len());
    assert_eq!(peaks.len(), batches.len());
    assert!(*most <= LIMIT_KIB, "{most} KiB");
}

/// Runs a batch in a process of its own; its peak in KiB.
fn run_batch(from: u64, to: u64) -> u64 {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "damage_limits::a_batch", "--nocapture", "--test-threads=1"])
        .env("FSCK_BATCH", format!("{from} {to}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "variants {from}..{to}: {}\n{out}\n{err}", output.status);
    let peak = err.lines().find_map(|line| line.strip_prefix("peak "));
    peak.unwrap_or_else(|| panic!("no peak in {err}")).parse().unwrap()
}

/// What the other test runs in processes of their own; by itself it tests one variant.
#[test]
fn a_batch() {
    let batch = std::env::var("FSCK_BATCH").unwrap_or_else(|_| "1 2".into());
    let (from, to) = batch.split_once(' ').unwrap();
    let folder = tempfile::tempdir().unwrap();
    let stores = stores(folder.path());
    let watch = Watch::default();
    std::thread::scope(|scope| {
        scope.spawn(|| watch.guard());
        let ends = watch.ends();
        for seed in from.parse().unwrap()..to.parse::<u64>().unwrap() {
            watch.begin(seed);
            variant(&stores, seed);
        }
        drop(ends);
    });
    eprintln!("peak {}", peak_kib());
}

/// Ends the process when a variant hangs: nothing else could.
struct Watch {
    /// The variant.
    seed: AtomicU64,
}

impl Default for Watch {
    fn default() -> Self {
        Self { seed: AtomicU64::new(Self::BEFORE) }
    }
}

impl Watch {
    const BEFORE: u64 = u64::MAX;
    const AFTER: u64 = u64::MAX - 1;

    fn begin(&self, seed: u64) {
        self.seed.store(seed, Ordering::Relaxed);
    }

    /// Ends the watch when it is dropped, in a panic too.
    fn ends(&self) -> impl Drop {
        struct Ends<'w>(&'w Watch);
        impl Drop for Ends<'_> {
            fn drop(&mut self) {
                self.0.begin(Watch::AFTER);
            }
        }
        Ends(self)
    }

    fn guard(&self) {
        let (mut seed, mut since) = (Self::BEFORE, Instant::now());
        loop {
            std::thread::sleep(Duration::from_millis(100));
            match self.seed.load(Ordering::Relaxed) {
                Self::AFTER => return,
                now if now != seed => (seed, since) = (now, Instant::now()),
                _ if since.elapsed() > HANG => {
                    eprintln!("variant {seed} hangs");
                    std::process::exit(101);
                }
                _ => {}
            }
        }
    }
}

/// A store, and its databases as they were.
struct Original {
    root: PathBuf,
    databases: [(&'static str, Vec<u8>); 2],
}

/// Real containerds' stores, and the sample, whose databases have branch pages.
fn stores(folder: &Path) -> Vec<Original> {
    let mut roots: Vec<PathBuf> = Vec::new();
    for name in testdata::golden::names() {
        roots.push(folder.join(name));
        testdata::golden::unpack(name, &folder.join(name)).unwrap();
    }
    roots.push(folder.join("sample"));
    testdata::builder::sample().unwrap().store.write(&folder.join("sample")).unwrap();
    let databases =
        |root: &Path| [META_DB, METADATA_DB].map(|file| (file, std::fs::read(root.join(file)).unwrap()));
    roots.into_iter().map(|root| Original { databases: databases(&root), root }).collect()
}

/// Damages a database, checks the store, and mends the database.
fn variant(stores: &[Original], seed: u64) {
    let mut random = Random::new(seed);
    let store = &stores[random.below(stores.len())];
    let (file, original) = &store.databases[random.below(store.databases.len())];
    let mut bytes = original.clone();
    let mut what = damage(&mut bytes, &mut random);
    // Some are damaged twice, if there is a page left to damage.
    if random.below(4) == 0 && Database::open(&bytes).is_ok_and(|db| is_in_file(&db)) {
        what = format!("{what}; {}", damage(&mut bytes, &mut random));
    }
    let what = format!("variant {seed}: {}/{file}: {what}", store.root.display());
    std::fs::write(store.root.join(file), &bytes).unwrap();
    // Some with all their files compared, too.
    let depth = if random.below(16) == 0 { Depth::Full } else { Depth::Quick };
    let options = CheckOptions::default().depth(depth).threads(1);
    let opened = Store::open(&store.root).unwrap();
    judge(&check(&opened, &options, &Unobserved, &Interrupt::default()).unwrap(), file, &bytes, &what);
    std::fs::write(store.root.join(file), original).unwrap();
}

fn is_in_file(db: &Database<'_>) -> bool {
    let end = db.meta().high_water.checked_mul(u64::from(db.meta().page_size));
    end.is_some_and(|end| end > 0 && end <= db.file_bytes())
}

/// What the report says of the database fits what the database is.
fn judge(report: &Report, file: &str, bytes: &[u8], what: &str) {
    assert!(report.is_complete() && serde_json::to_string(&report.databases).is_ok(), "{what}");
    let database = report.databases.iter().find(|database| database.path == Path::new(file));
    let database = database.unwrap_or_else(|| panic!("{what}: not in the report"));
    let Ok(db) = Database::open(&bytes) else {
        assert_eq!(database.usability, Usability::Unusable, "{what}");
        assert!(report.is_damaged(false), "{what}: unusable, and no finding");
        return;
    };
    let walk = db.walk(&mut ());
    assert_eq!(database.complete, walk.complete, "{what}");
    assert_eq!(database.usability == Usability::Usable, walk.complete && is_latest(database), "{what}");
    assert_eq!(database.salvage.is_some(), !walk.complete, "{what}");
    let of = |code| report.findings.iter().filter(move |finding| finding.code() == code).count();
    assert!(of(Code::BoltPageInvalid) > 0 || walk.faults.is_empty(), "{what}: {:?}", walk.faults);
    assert_eq!(of(Code::BoltMetaInvalid), db.metas().iter().filter(|meta| meta.is_err()).count(), "{what}");
}

fn is_latest(database: &DatabaseReport) -> bool {
    !matches!(database.last_transaction, Some(LastTransaction::MetaTorn | LastTransaction::Unknown))
}
