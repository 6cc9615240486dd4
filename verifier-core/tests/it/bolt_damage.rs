//! Damaged databases, thousands of them from a seed: no panic, bounded work, and nothing that Go's `tx.Check` sees is missed.
//!
//! `FSCK_DAMAGES` sets how many variants (3,000 unless set), each eighth of which Go's bbolt judges as well, `FSCK_SEED`
//! where they begin. A failure names its variant's number; that number as `FSCK_SEED` makes it the first.

use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::bolt_support::{
    self,
    damage::{damage, originals},
};
use crate::bolt_support::{Dump, Random, Verdict, inspect, oracle};
use verifier_core::bolt::{Database, ReadAt, Salvager, Visitor, Walk, consistent};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// A file that counts the bytes that were read of it.
struct Counting<'b> {
    bytes: &'b [u8],
    read: AtomicU64,
}

impl ReadAt for Counting<'_> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = self.bytes.read_at(buf, offset)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn len(&self) -> io::Result<u64> {
        ReadAt::len(self.bytes)
    }
}

/// Counts the bytes it is shown.
struct Shown<'d> {
    dump: &'d mut Dump,
    bytes: u64,
    depth: Cell<usize>,
}

impl Visitor for Shown<'_> {
    fn enter(&mut self, path: &[Vec<u8>], sequence: u64) {
        self.bytes += path.last().unwrap().len() as u64;
        self.depth.set(self.depth.get() + 1);
        assert_eq!(self.depth.get(), path.len());
        self.dump.enter(path, sequence);
    }

    fn value(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) {
        assert_eq!(self.depth.get(), path.len());
        self.bytes += (key.len() + value.len()) as u64;
        self.dump.value(path, key, value);
    }

    fn leave(&mut self, path: &[Vec<u8>]) {
        assert_eq!(self.depth.get(), path.len());
        self.depth.set(self.depth.get() - 1);
    }
}

impl Salvager for Shown<'_> {}

/// What we say about a damaged file.
struct Ours {
    faults: String,
    dump: Dump,
}

impl Ours {
    fn silent(&self) -> bool {
        self.faults.is_empty()
    }
}

fn look(bytes: &[u8], what: &str) -> Ours {
    let source = Counting { bytes, read: AtomicU64::new(0) };
    let mut dump = Dump::default();
    let Ok(db) = Database::open(&source).inspect_err(|error| dump.text = error.to_string()) else {
        return Ours { faults: std::mem::take(&mut dump.text), dump };
    };
    let mut shown = Shown { dump: &mut dump, bytes: 0, depth: Cell::new(0) };
    source.read.store(0, Ordering::Relaxed);
    let walk = db.walk(&mut shown);
    assert_eq!(shown.depth.get(), 0, "{what}: each bucket that was entered is left");
    assert!(source.read.load(Ordering::Relaxed) <= bytes.len() as u64, "{what}: read more than there is");
    assert!(shown.bytes <= bytes.len() as u64, "{what}: showed more than there is");
    assert!(walk.complete || !walk.faults.is_empty(), "{what}: a part is hidden, and nothing says why");
    salvaged(&db, &source, shown.bytes, what);
    let faults = faults(&db, &walk);
    let ours = Ours { faults, dump };
    same_from_memory(bytes, &ours, what);
    ours
}

/// What is found apart from the tree is none of what the tree showed, and is found with few reads; the same for the tree of
/// the other meta page.
fn salvaged(db: &Database<'_>, source: &Counting<'_>, shown: u64, what: &str) {
    let mut dump = Dump::default();
    let mut found = Shown { dump: &mut dump, bytes: 0, depth: Cell::new(0) };
    source.read.store(0, Ordering::Relaxed);
    db.salvage(&mut found);
    assert_eq!(found.depth.get(), 0, "{what}: each bucket that was entered is left");
    assert!(shown + found.bytes <= source.bytes.len() as u64, "{what}: found what is in the tree");
    // Once for the tree, once to tell what a page is, once for what is on it.
    let read = source.read.load(Ordering::Relaxed);
    assert!(read <= 3 * source.bytes.len() as u64, "{what}: read {read} bytes to salvage");
    if let Some(other) = db.at_slot(1 - db.slot()) {
        let walk = other.walk(&mut ());
        assert!(walk.complete || !walk.faults.is_empty(), "{what}: a part of the other tree is hidden");
        other.salvage(&mut ());
    }
}

fn faults(db: &Database<'_>, walk: &Walk) -> String {
    let metas =
        db.metas().iter().filter_map(|meta| meta.as_ref().err()).map(|fault| format!("meta: {fault}; "));
    let pages = walk.faults.iter().map(|fault| format!("{} {:?} {}; ", fault.pgid, fault.path, fault.kind));
    metas.chain(pages).collect()
}

/// A copy in memory, as the consistent view makes it, gives the same answer.
fn same_from_memory(bytes: &[u8], ours: &Ours, what: &str) {
    let view = consistent(&bytes, 1, |db| {
        let (walk, dump) = bolt_support::dump(db);
        (faults(db, &walk), dump)
    });
    let (faults, dump) = view.unwrap();
    assert_eq!(faults, ours.faults, "{what}");
    assert!(dump.text == ours.dump.text, "{what}: the dumps differ");
}

#[test]
fn survives_all_damage_and_misses_none_that_go_finds() {
    let originals = originals();
    for (what, bytes) in &originals {
        assert!(look(bytes, what).silent(), "{what}");
    }
    let (first, variants) = (number("FSCK_SEED", 1), number("FSCK_DAMAGES", 3000));
    let folder = tempfile::tempdir().unwrap();
    let threads = std::thread::available_parallelism().unwrap().get() as u64;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let seeds = first + variants * thread / threads..first + variants * (thread + 1) / threads;
            let (originals, folder) = (&originals, folder.path());
            scope.spawn(move || survive(seeds, originals, folder));
        }
    });
}

/// The variants of `seeds`, by us, and some of them by Go.
fn survive(seeds: impl Iterator<Item = u64>, originals: &[(String, Vec<u8>)], folder: &Path) {
    let (mut files, mut judged) = (Vec::new(), Vec::new());
    let (mut variants, mut silent) = (0, 0);
    for seed in seeds {
        let mut random = Random::new(seed);
        let (name, original) = &originals[random.below(originals.len())];
        let mut bytes = original.clone();
        let what = format!("variant {seed}: {name}: {}", damage(&mut bytes, &mut random));
        let ours = look(&bytes, &what);
        variants += 1;
        silent += u64::from(ours.silent());
        if seed % 8 == 0 || ours.silent() && seed % 2 == 0 {
            let file = folder.join(seed.to_string());
            std::fs::write(&file, &bytes).unwrap();
            files.push(file);
            judged.push((what, ours));
        }
    }
    eprintln!("{variants} variants, {silent} of them without a fault");
    if let Some(oracle) = oracle() {
        compare(&files, &judged, &inspect(oracle, &files));
    }
}

/// What Go finds, stumbles over or refuses, we report; where neither of us finds a fault, we read the same.
fn compare(files: &[PathBuf], judged: &[(String, Ours)], verdicts: &[Verdict]) {
    let mut counts = [0; 5];
    let mut missed = Vec::new();
    for (verdict, (what, ours)) in verdicts.iter().zip(judged) {
        let kind = match verdict {
            Verdict::Sound(_) if !ours.silent() => 0,
            Verdict::Sound(_) => 1,
            Verdict::Unsound(_) => 2,
            Verdict::Refused(_) => 3,
            Verdict::Crashed(_) => 4,
        };
        counts[kind] += 1;
        let agreed = match verdict {
            Verdict::Sound(sum) => !ours.silent() || *sum == ours.dump.sha256(),
            _ => !ours.silent(),
        };
        if !agreed {
            missed.push(format!("{what}: {verdict:?}"));
        }
    }
    let [strict, sound, unsound, refused, crashed] = counts;
    eprintln!(
        "{} judged by Go: {unsound} unsound, {refused} refused, {crashed} crashed, {strict} sound but not for us, {sound} sound",
        files.len()
    );
    assert!(missed.is_empty(), "missed:\n{}", missed.join("\n"));
}
