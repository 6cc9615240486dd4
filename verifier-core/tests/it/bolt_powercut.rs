//! A power cut, a full disk or a dying disk at any write of a commit: afterwards it is exactly the old tree or the new one.

use std::io;
use std::sync::Mutex;

use crate::bolt_support::damage::originals;
use crate::bolt_support::model::{Model, random_edits};
use crate::bolt_support::{Random, oracle};
use verifier_core::bolt::{CommitError, CommitFile, Database, Edits, ReadAt, commit, rewrite};

/// Sectors reach the medium whole, each by itself, in any order until the next sync.
const SECTOR: usize = 512;

#[derive(Clone, Debug)]
enum Op {
    Write(u64, Vec<u8>),
    Length,
    Sync,
}

/// A file in memory that notes what is done to it, and fails from the nth operation on.
struct Recorder {
    bytes: Mutex<Vec<u8>>,
    ops: Mutex<Vec<Op>>,
    fail_at: usize,
}

impl Recorder {
    fn new(bytes: &[u8], fail_at: usize) -> Self {
        Self { bytes: Mutex::new(bytes.to_vec()), ops: Mutex::default(), fail_at }
    }

    fn note(&self, op: Op) -> io::Result<()> {
        let mut ops = self.ops.lock().unwrap();
        ops.push(op);
        // Cutting the file off again needs no space.
        let fails = ops.len() > self.fail_at && !matches!(ops.last(), Some(Op::Length));
        if fails { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl ReadAt for Recorder {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.bytes.lock().unwrap().read_at(buf, offset)
    }

    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&*self.bytes.lock().unwrap())
    }
}

impl CommitFile for Recorder {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let noted = self.note(Op::Write(offset, bytes.to_vec()));
        // A write that fails may have written a part.
        let part = if noted.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        put(&mut self.bytes.lock().unwrap(), offset, part);
        noted
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.note(Op::Length)?;
        self.bytes.lock().unwrap().resize(bytes as usize, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.note(Op::Sync)
    }
}

fn put(file: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let start = offset as usize;
    if file.len() < start + bytes.len() {
        file.resize(start + bytes.len(), 0);
    }
    file[start..start + bytes.len()].copy_from_slice(bytes);
}

/// A write as the sectors that it consists of.
fn sectors(offset: u64, bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut all = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = offset + at as u64;
        let end = bytes.len().min(at + SECTOR - (start as usize % SECTOR));
        all.push((start, bytes[at..end].to_vec()));
        at = end;
    }
    all
}

struct Case {
    what: String,
    before: Vec<u8>,
    old: String,
    new: String,
    slot: Option<usize>,
}

impl Case {
    /// Which of both trees it is; anything else is a failure.
    fn is_new(&self, state: &[u8], when: &str) -> bool {
        let db = Database::open(&state).unwrap_or_else(|error| panic!("{}: {when}: {error}", self.what));
        assert!(db.walk(&mut ()).complete || self.slot.is_some(), "{}: {when}", self.what);
        let tree = Model::of_database(&db).dump();
        assert!(
            tree == self.old || tree == self.new,
            "{}: {when}: neither the old tree nor the new",
            self.what
        );
        tree == self.new && tree != self.old
    }

    fn cut(&self, ops: &[Op], random: &mut Random) -> usize {
        let mut states = 0;
        let mut safe = self.before.clone();
        let mut unsynced: Vec<(u64, Vec<u8>)> = Vec::new();
        for op in ops {
            match op {
                Op::Write(offset, bytes) => unsynced.extend(sectors(*offset, bytes)),
                Op::Length => panic!("a commit that succeeds does not cut"),
                Op::Sync => {
                    states += self.subsets(&safe, &unsynced, random);
                    for (offset, bytes) in unsynced.drain(..) {
                        put(&mut safe, offset, &bytes);
                    }
                }
            }
        }
        assert!(unsynced.is_empty(), "{}: all is synced in the end", self.what);
        assert!(self.is_new(&safe, "in the end") || self.old == self.new);
        states
    }

    /// Each prefix, each sector alone, each left out, and many random subsets; each sector torn anywhere when it is the meta page.
    fn subsets(&self, safe: &[u8], unsynced: &[(u64, Vec<u8>)], random: &mut Random) -> usize {
        let page = Database::open(&self.before).unwrap().meta().page_size;
        let meta = unsynced.iter().any(|(offset, _)| *offset < 2 * u64::from(page));
        let mut states = 0;
        let mut check = |chosen: &dyn Fn(usize) -> usize| {
            let mut state = safe.to_vec();
            for (index, (offset, bytes)) in unsynced.iter().enumerate() {
                put(&mut state, *offset, &bytes[..chosen(index).min(bytes.len())]);
            }
            let new = self.is_new(&state, &format!("{} unsynced", unsynced.len()));
            assert!(meta || !new, "{}: new before the meta page", self.what);
            states += 1;
        };
        let count = unsynced.len();
        for at in 0..=count.min(60) {
            check(&|index| if index < at { SECTOR } else { 0 });
            check(&|index| if index == at { SECTOR } else { 0 });
            check(&|index| if index == at { 0 } else { SECTOR });
        }
        for _ in 0..40 {
            let seed = random.next();
            check(&|index| if Random::new(seed ^ index as u64).below(2) == 0 { SECTOR } else { 0 });
        }
        if meta {
            assert_eq!(count, 1, "{}: the meta page is written alone", self.what);
            for bytes in 0..=unsynced[0].1.len() {
                check(&|_| bytes);
            }
        }
        states
    }
}

fn cases() -> Vec<(Case, Edits)> {
    let mut cases = Vec::new();
    for (at, (name, before)) in originals().into_iter().enumerate() {
        for seed in 0..3 {
            let old = Model::of(&before);
            let edits = random_edits(&mut Random::new(seed + at as u64 * 10), &old);
            let mut new = old.clone();
            new.apply(&edits);
            let what = format!("{name} {seed}");
            let case = Case { what, before: before.clone(), old: old.dump(), new: new.dump(), slot: None };
            cases.push((case, edits));
        }
    }
    cases
}

#[test]
fn a_power_cut_leaves_the_old_tree_or_the_new() {
    if oracle().is_none() {
        eprintln!("without Go's databases: only those of real containerds");
    }
    let mut states = 0;
    for (case, edits) in cases() {
        let file = Recorder::new(&case.before, usize::MAX);
        commit(&file, &edits).unwrap();
        let ops = file.ops.into_inner().unwrap();
        states += case.cut(&ops, &mut Random::new(1));
    }
    eprintln!("{states} states after a power cut");
}

#[test]
fn a_power_cut_while_a_damaged_database_is_rewritten_loses_nothing_more() {
    let mut states = 0;
    for (mut case, _) in cases() {
        // One meta page is gone: there is no other to fall back to.
        let page = Database::open(&case.before).unwrap().meta().page_size as usize;
        let other = 1 - Database::open(&case.before).unwrap().slot();
        case.before[other * page..(other + 1) * page].fill(0);
        case.slot = Some(0);
        let meta = *Database::open(&case.before).unwrap().meta();
        let leaf = (2..meta.high_water as usize).rev().find(|at| case.before[at * page + 8] == 2);
        let leaf = leaf.unwrap() * page;
        case.before[leaf + 16..leaf + page].fill(0xa5);
        case.old = Model::of(&case.before).dump();
        case.new.clone_from(&case.old);
        let file = Recorder::new(&case.before, usize::MAX);
        rewrite(&file, None, &Edits::new(), &|_, _, _| true).unwrap();
        states += case.cut(&file.ops.into_inner().unwrap(), &mut Random::new(2));
    }
    eprintln!("{states} states after a power cut");
}

#[test]
fn a_write_that_fails_leaves_the_old_file() {
    for (case, edits) in cases() {
        let whole = Recorder::new(&case.before, usize::MAX);
        commit(&whole, &edits).unwrap();
        let ops = whole.ops.into_inner().unwrap().len();
        for fail_at in 0..ops {
            let file = Recorder::new(&case.before, fail_at);
            let error = commit(&file, &edits).unwrap_err();
            let bytes = file.bytes.into_inner().unwrap();
            let unknown = matches!(error, CommitError::Unknown(_));
            assert_eq!(unknown, fail_at + 2 >= ops, "{}: {fail_at} of {ops}: {error}", case.what);
            // Pages that were never used may have been in the file already.
            let meta = *Database::open(&case.before).unwrap().meta();
            let used = case.before.len().min((meta.high_water * u64::from(meta.page_size)) as usize);
            let same = bytes.len() == case.before.len() && bytes[..used] == case.before[..used];
            assert!(unknown || same, "{}: {fail_at} of {ops}", case.what);
            case.is_new(&bytes, "after a failed write");
        }
    }
}
