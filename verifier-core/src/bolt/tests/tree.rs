//! What is wrong between pages: references, claims, buckets, the freelist, the file's end.

use std::io;

use super::*;

#[test]
fn references_lie_below_the_high_water_mark() {
    let (high_water, hidden) = (HIGH_WATER, ["tree/c", "tree/e"]);
    for target in [0, 1, HIGH_WATER, 1 << 60, u64::MAX] {
        let file = damaged(|file| put64(file, element(UPPER, 0, 8), target));
        only(&file, UPPER, Kind::Reference { index: 0, target, high_water }, &hidden);
    }
    let file =
        damaged(|file| write_node(file, RIGHT, &leaf(&[(0, b"m", b"5"), (1, b"nested", &bucket(99, 9))])));
    only(&file, RIGHT, Kind::Reference { index: 1, target: 99, high_water }, &["tree/nested/n"]);
    let file = damaged(|file| write_meta(file, 0, Fields { root: 13, ..FIELDS }));
    only(&file, 0, Kind::Reference { index: 0, target: 13, high_water }, &["large", "small", "tree", "end"]);
    let file = damaged(|file| write_meta(file, 0, Fields { freelist: 1 << 40, ..FIELDS }));
    assert_eq!(faults(&file), [(0, Kind::Reference { index: 0, target: 1 << 40, high_water })]);
    assert_eq!(lines(&file), WHOLE);
}

#[test]
fn a_page_is_claimed_once() {
    let file = damaged(|file| put64(file, element(UPPER, 1, 8), LEFT));
    assert_eq!(faults(&file), [(LEFT, Kind::ClaimedTwice)]);
    // A cycle.
    let file = damaged(|file| put64(file, element(UPPER, 0, 8), UPPER));
    only(&file, UPPER, Kind::ClaimedTwice, &["tree/c", "tree/e"]);
    // The freelist's page is claimed as well.
    let file = damaged(|file| put64(file, element(UPPER, 0, 8), LIST));
    only(&file, LIST, Kind::ClaimedTwice, &["tree/c", "tree/e"]);
    // An overflow page is a bucket's root.
    let file = damaged(|file| {
        write_node(file, RIGHT, &leaf(&[(0, b"m", b"5"), (1, b"nested", &bucket(LARGE + 1, 9))]));
    });
    only(&file, LARGE + 1, Kind::ClaimedTwice, &["tree/nested/n"]);
    // The other way around: what another bucket has claimed is among the overflow pages.
    let file = damaged(|file| {
        let (large, tree) = (bucket(UPPER, 3), bucket(8, 2));
        write_node(file, 8, &leaf(&[(0, b"v", &[b'x'; 2500])]));
        write_node(file, 10, &leaf(&[]));
        write_node(
            file,
            ROOT,
            &leaf(&[(1, b"large", &bucket(10, 0)), (1, b"small", &large), (1, b"tree", &tree)]),
        );
    });
    let claimed = |fault: &(Pgid, Kind)| *fault == (8, Kind::ClaimedTwice);
    assert_eq!(faults(&file).into_iter().filter(claimed).count(), 1, "{:?}", faults(&file));
}

#[test]
fn a_page_in_use_is_not_listed_free() {
    let file = damaged(|file| write_list(file, &[LEFT, 10, 12]));
    only(&file, LEFT, Kind::ListedFree, &[]);
    let file = damaged(|file| write_list(file, &[LIST, 10, 12]));
    only(&file, LIST, Kind::ListedFree, &[]);
}

#[test]
fn the_freelist_is_checked() {
    let file = damaged(|file| write_list(file, &[12, 10]));
    only(&file, LIST, Kind::FreelistOrder { index: 1, pgid: 10 }, &[]);
    let file = damaged(|file| write_list(file, &[10, 10, 12]));
    only(&file, LIST, Kind::FreelistOrder { index: 1, pgid: 10 }, &[]);
    for pgid in [0, 1, 13, u64::MAX] {
        let file = damaged(|file| write_list(file, &[10, 12, pgid]));
        only(&file, LIST, Kind::FreelistRange { index: 2, pgid, high_water: 13 }, &[]);
    }
    let file = damaged(|file| put16(file, page(LIST) + 10, 1000));
    only(&file, LIST, Kind::Count { count: 1000, room: 126 }, &[]);
    let file = damaged(|file| put16(file, page(LIST) + 10, 1));
    let kinds = [(LIST, Kind::Trailing { offset: 24 }), (12, Kind::Unaccounted { pages: 1 })];
    assert_eq!(faults(&file), kinds);
    let file = damaged(|file| put16(file, page(LIST) + 8, LEAF));
    only(&file, LIST, Kind::Flags { expected: FREELIST, actual: LEAF }, &[]);
}

#[test]
fn the_freelists_long_form_is_read() {
    let mut file = healthy();
    put16(&mut file, page(LIST) + 10, 0xFFFF);
    for (index, id) in [2, 10, 12].into_iter().enumerate() {
        put64(&mut file, page(LIST) + 16 + 8 * index, id);
    }
    assert_eq!(faults(&file), []);
    put64(&mut file, page(LIST) + 16, u64::MAX);
    only(&file, LIST, Kind::Count { count: u64::MAX, room: 125 }, &[]);
}

#[test]
fn pages_neither_in_use_nor_free_are_counted_unless_damage_hides_pages() {
    let file = damaged(|file| {
        write_list(file, &[12, 0]);
        put16(file, page(LIST) + 10, 1);
    });
    only(&file, 10, Kind::Unaccounted { pages: 1 }, &[]);
    let mut file = damaged(|file| {
        write_meta(file, 0, Fields { high_water: 16, ..FIELDS });
        file.resize(16 * PAGE, 0);
    });
    only(&file, 13, Kind::Unaccounted { pages: 3 }, &[]);
    put64(&mut file, page(LEFT), 0);
    only(&file, LEFT, Kind::Id { actual: 0 }, &["tree/c", "tree/e"]);
    assert_eq!(Database::open(&file).unwrap().walk(&mut ()).pages_lost, 3);
}

#[test]
fn only_a_buckets_root_leaf_may_be_empty() {
    let file = damaged(|file| write_node(file, NESTED, &leaf(&[])));
    assert_eq!(faults(&file), []);
    let file = damaged(|file| write_node(file, LEFT, &leaf(&[])));
    assert_eq!(faults(&file), [(LEFT, Kind::Empty)]);
    let file = damaged(|file| write_node(file, NESTED, &branch(&[])));
    assert_eq!(faults(&file), [(NESTED, Kind::Empty)]);
}

#[test]
fn bucket_values_are_checked() {
    let hidden = ["small", "end small"];
    for length in [0, 15, 17, 31] {
        let mut value = bucket(0, 5);
        value.resize(length, 0);
        let file = damaged(|file| write_root(file, &value));
        only(&file, ROOT, Kind::BucketSize { index: 1, bytes: length as u64 }, &hidden);
    }
    let value = [bucket(10, 5), vec![0; 30]].concat();
    let file = damaged(|file| write_root(file, &value));
    only(&file, ROOT, Kind::BucketSize { index: 1, bytes: 46 }, &hidden);
    // Larger than a quarter of a page: strange, but readable.
    let value = inline(&[(0, b"a", b"1"), (0, b"b", &[b'2'; 250])]);
    let file = damaged(|file| write_root(file, &value));
    assert_eq!(faults(&file), [(ROOT, Kind::BucketSize { index: 1, bytes: value.len() as u64 })]);
    assert!(lines(&file).contains(&"small/b=22222222".to_owned()));
}

#[test]
fn inline_pages_are_checked() {
    let value = |damage: &dyn Fn(&mut Vec<u8>)| {
        let mut value = inline(&[(0, b"a", b"1"), (0, b"b", b"2")]);
        damage(&mut value);
        damaged(|file| write_root(file, &value))
    };
    only(&value(&|value| put64(value, 16, 3)), ROOT, Kind::Id { actual: 3 }, &[]);
    let kind = Kind::Flags { expected: LEAF, actual: BRANCH };
    only(&value(&|value| put16(value, 24, BRANCH)), ROOT, kind, &["small/"]);
    only(&value(&|value| put32(value, 28, 1)), ROOT, Kind::Overflow { needed: 0, actual: 1 }, &[]);
    only(&value(&|value| value.push(0)), ROOT, Kind::Trailing { offset: 52 }, &[]);
    let kind = Kind::ElementBounds { index: 1, end: 62, bytes: 52 };
    only(&value(&|value| put32(value, 16 + 32 + 12, 11)), ROOT, kind, &["small/b"]);
    let file = damaged(|file| write_root(file, &inline(&[(0, b"a", b"1"), (1, b"b", &bucket(10, 1))])));
    only(&file, ROOT, Kind::BucketInline { index: 1 }, &["small/b"]);
}

#[test]
fn a_short_file_is_told_once() {
    // Its last page is free.
    let file = healthy()[..page(12) + 100].to_vec();
    only(&file, 12, Kind::PastEnd { file_bytes: file.len() as u64 }, &[]);
    let file = healthy()[..page(NESTED)].to_vec();
    only(&file, NESTED, Kind::PastEnd { file_bytes: file.len() as u64 }, &["tree/nested/n"]);
    let file = healthy()[..page(9) + 7].to_vec();
    let past_end = Kind::PastEnd { file_bytes: file.len() as u64 };
    assert_eq!(faults(&file), [(LARGE, past_end), (NESTED, past_end)]);
    let file = healthy()[..200].to_vec();
    let past_end = Kind::PastEnd { file_bytes: 200 };
    assert_eq!(faults(&file), [(LIST, past_end), (ROOT, past_end)]);
}

#[test]
fn overflow_pages_end_below_the_high_water_mark_and_in_the_file() {
    let place = |file: &mut Vec<u8>| {
        let (large, tree) = (bucket(12, 3), bucket(UPPER, 2));
        write_node(file, 12, &leaf(&[(0, b"v", &[b'x'; 2500])]));
        let small = inline(&[(0, b"a", b"1"), (0, b"b", b"2")]);
        write_node(file, ROOT, &leaf(&[(1, b"large", &large), (1, b"small", &small), (1, b"tree", &tree)]));
        write_list(file, &[7, 8, 9, 10]);
    };
    only(&damaged(place), 12, Kind::OverflowRange { actual: 2, room: 0 }, &["large/v"]);
    let mut file = damaged(place);
    write_meta(&mut file, 0, Fields { high_water: 15, ..FIELDS });
    assert_eq!(faults(&file), []);
    file.truncate(page(14));
    only(&file, 12, Kind::PastEnd { file_bytes: file.len() as u64 }, &["large/v"]);
}

#[test]
fn nodes_on_one_path_take_bounded_memory() {
    let pages = (60 << 20) / PAGE as u64;
    let file = damaged(|file| {
        write_node(file, 13, &leaf(&[(0, b"v", &vec![b'x'; 60 << 20])]));
        write_node(file, RIGHT, &leaf(&[(0, b"m", b"5"), (1, b"nested", &bucket(13, 9))]));
        write_list(file, &[10, 11, 12]);
        write_meta(file, 0, Fields { high_water: 14 + pages, ..FIELDS });
    });
    assert!(
        matches!(faults(&file)[..], [(13, Kind::TooLarge { limit: 0x300_0000, .. })]),
        "{:?}",
        faults(&file)
    );
}

#[test]
fn a_path_has_bounded_depth() {
    let file = damaged(|file| {
        for depth in 0..400 {
            write_node(file, 13 + depth, &leaf(&[(1, b"deeper", &bucket(14 + depth, 0))]));
        }
        write_node(file, 413, &leaf(&[]));
        write_node(file, RIGHT, &leaf(&[(0, b"m", b"5"), (1, b"nested", &bucket(13, 9))]));
        write_list(file, &[10, 11, 12]);
        write_meta(file, 0, Fields { high_water: 414, ..FIELDS });
    });
    assert!(matches!(faults(&file)[..], [(_, Kind::TooDeep { limit: 256 })]), "{:?}", faults(&file));
    let shown = lines(&file);
    assert_eq!(shown.iter().filter(|line| line.starts_with("end")).count() * 2 + 6, shown.len());
}

#[test]
fn a_vast_sparse_file_is_refused_in_part() {
    struct Vast(Vec<u8>);
    impl ReadAt for Vast {
        fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
            let count = self.0.read_at(buf, offset)?;
            if count == 0 {
                buf.fill(0);
                return Ok(buf.len());
            }
            Ok(count)
        }

        fn len(&self) -> io::Result<u64> {
            Ok(u64::MAX)
        }
    }
    let vast = Vast(damaged(|file| {
        write_meta(file, 0, Fields { high_water: 1 << 50, freelist: u64::MAX, ..FIELDS });
    }));
    let walk = Database::open(&vast).unwrap().walk(&mut ());
    let kinds: Vec<_> = walk.faults.into_iter().map(|fault| (fault.pgid, fault.kind)).collect();
    assert_eq!(kinds, [(1 << 24, Kind::TooLarge { bytes: 1 << 60, limit: 1 << 34 })]);
}

/// A file with a page on a bad part of the disk.
struct Broken {
    bytes: Vec<u8>,
    page: Pgid,
}

impl ReadAt for Broken {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let (from, to) = (page(self.page) as u64, page(self.page + 1) as u64);
        if (offset..offset + buf.len() as u64).any(|at| (from..to).contains(&at)) {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.bytes.read_at(buf, offset)
    }

    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&self.bytes)
    }
}

#[test]
fn an_unreadable_page_hides_itself_only() {
    for (pgid, at_fault) in [(LEFT, LEFT), (LARGE, LARGE), (8, LARGE), (NESTED, NESTED), (LIST, LIST)] {
        let source = Broken { bytes: healthy(), page: pgid };
        // Through the view as well, which cannot copy such a file.
        let walk = consistent(&source, 1, |db| db.walk(&mut ())).unwrap();
        let kinds: Vec<_> = walk.faults.into_iter().map(|fault| (fault.pgid, fault.kind)).collect();
        assert_eq!(kinds, [(at_fault, Kind::Unreadable { errno: Some(5) })]);
    }
    let source = Broken { bytes: healthy(), page: 0 };
    let db = Database::open(&source).unwrap();
    assert_eq!(db.metas()[0], Err(MetaFault::Unreadable { errno: Some(5) }));
    assert_eq!(db.meta().txid, 7);
}

#[test]
fn an_interrupted_walk_stops_and_says_so() {
    #[derive(Default)]
    struct Stop(u32);
    impl Visitor for Stop {
        fn value(&mut self, _: &[Vec<u8>], _: &[u8], _: &[u8]) {
            self.0 += 1;
        }

        fn interrupted(&self) -> bool {
            self.0 > 0
        }
    }
    let file = healthy();
    let mut stop = Stop::default();
    let walk = Database::open(&file).unwrap().walk(&mut stop);
    assert_eq!((walk.interrupted, walk.complete, walk.keys, stop.0), (true, false, 1, 1));
    assert_eq!(walk.faults, [], "what was not visited is not lost");
}
