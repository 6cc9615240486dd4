//! Views of a file that changes while it is read.

use std::cell::Cell;
use std::io;
use std::sync::Mutex;

use super::*;

/// What a writer does to a file.
type Change = fn(&mut Vec<u8>);

/// A file that a writer changes after so many reads.
struct Changing {
    state: Mutex<State>,
}

struct State {
    bytes: Vec<u8>,
    reads: u32,
    changes: Vec<(u32, Change)>,
}

impl Changing {
    fn new(bytes: Vec<u8>, changes: Vec<(u32, Change)>) -> Self {
        Self { state: Mutex::new(State { bytes, reads: 0, changes }) }
    }
}

impl ReadAt for Changing {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state.lock().unwrap();
        state.reads += 1;
        while let Some(at) = state.changes.iter().position(|(after, _)| *after < state.reads) {
            let (_, change) = state.changes.remove(at);
            change(&mut state.bytes);
        }
        state.bytes.read_at(buf, offset)
    }

    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&self.state.lock().unwrap().bytes)
    }
}

/// The next transaction, which gives page 5 another content.
fn commit(file: &mut Vec<u8>) {
    write_node(file, 10, &leaf(&[(0, b"c", b"new"), (0, b"e", b"4")]));
    write_node(file, 12, &branch(&[(b"c", 10), (b"m", RIGHT)]));
    let tree = bucket(12, 2);
    write_node(file, HIGH_WATER, &leaf(&[(1, b"tree", &tree)]));
    write_meta(file, 1, Fields { root: HIGH_WATER, freelist: u64::MAX, high_water: 14, txid: 9 });
}

fn overwrite(file: &mut Vec<u8>) {
    commit(file);
    file[page(LEFT)..page(LEFT) + PAGE].fill(0xAA);
    write_meta(file, 0, Fields { root: HIGH_WATER, freelist: u64::MAX, high_water: 14, txid: 10 });
}

#[test]
fn a_view_is_never_of_two_transactions() {
    // However many reads a change comes after, the view is wholly before or wholly after it.
    for after in 0..30 {
        for change in [commit as Change, overwrite] {
            let source = Changing::new(healthy(), vec![(after, change)]);
            let (walk, txid) = consistent(&source, 10, |db| (db.walk(&mut ()), db.meta().txid)).unwrap();
            assert_eq!(walk.faults, [], "after {after}");
            assert_eq!(walk.keys, if txid == 8 { 7 } else { 4 }, "after {after}");
        }
    }
}

#[test]
fn a_half_written_meta_page_is_not_reported() {
    fn half(file: &mut Vec<u8>) {
        commit(file);
        file[PAGE + 60] ^= 0xFF;
    }
    let whole: Change = |file| file[PAGE + 60] ^= 0xFF;
    for after in 0..10 {
        let source = Changing::new(healthy(), vec![(after, half), (after + 3, whole)]);
        let valid = consistent(&source, 10, |db| db.metas().iter().all(Result::is_ok)).unwrap();
        assert!(valid, "after {after}");
    }
}

#[test]
fn a_database_that_never_rests_is_busy() {
    /// Each read finds another transaction.
    struct Restless(Cell<u64>);
    // The cell is only used by this thread.
    impl Restless {
        fn bytes(&self) -> Vec<u8> {
            self.0.set(self.0.get() + 1);
            damaged(|file| write_meta(file, 0, Fields { txid: 8 + self.0.get(), ..FIELDS }))
        }
    }
    let restless = Mutex::new(Restless(Cell::new(0)));
    struct Shared(Mutex<Restless>);
    impl ReadAt for Shared {
        fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
            self.0.lock().unwrap().bytes().read_at(buf, offset)
        }

        fn len(&self) -> io::Result<u64> {
            Ok(page(HIGH_WATER) as u64)
        }
    }
    let source = Shared(restless);
    let calls = Cell::new(0);
    let result = consistent(&source, 7, |_| calls.set(calls.get() + 1));
    assert!(matches!(result, Err(ViewError::Busy { attempts: 7 })), "{result:?}");
    assert_eq!(calls.get(), 0, "no unproved view is shown of a file that can be copied");
}

#[test]
fn a_file_that_is_being_created_is_not_refused() {
    fn create(file: &mut Vec<u8>) {
        *file = healthy();
    }
    for after in 0..4 {
        let source = Changing::new(Vec::new(), vec![(after, create)]);
        assert!(consistent(&source, 3, |db| db.walk(&mut ()).complete).unwrap(), "after {after}");
    }
    let empty: &[u8] = &[];
    let refused = consistent(&empty, 3, |_| ());
    assert!(matches!(refused, Err(ViewError::Open(OpenError::Empty))), "{refused:?}");
}

#[test]
fn a_file_that_shrinks_and_stays_short_has_a_fault() {
    fn shrink(file: &mut Vec<u8>) {
        file.truncate(page(NESTED));
    }
    for after in 0..6 {
        let source = Changing::new(healthy(), vec![(after, shrink)]);
        let walk = consistent(&source, 3, |db| db.walk(&mut ())).unwrap();
        let whole = walk.faults.is_empty() && walk.keys == 7;
        let short = matches!(walk.faults[..], [PageFault { pgid: NESTED, kind: Kind::PastEnd { .. }, .. }]);
        assert!(whole || short, "after {after}: {walk:?}");
    }
}
