//! What is wrong within one node.

use super::*;

#[test]
fn a_page_with_a_wrong_header_is_left_out() {
    let hidden = ["tree/c", "tree/e"];
    only(&damaged(|file| put64(file, page(LEFT), 77)), LEFT, Kind::Id { actual: 77 }, &hidden);
    let expected = BRANCH | LEAF;
    for actual in [0, FREELIST, META, LEAF | BRANCH, 0x8002] {
        let file = damaged(|file| put16(file, page(LEFT) + 8, actual));
        only(&file, LEFT, Kind::Flags { expected, actual }, &hidden);
    }
    only(&damaged(|file| file[page(LEFT)..][..PAGE].fill(0)), LEFT, Kind::Id { actual: 0 }, &hidden);
}

#[test]
fn a_fault_tells_its_buckets() {
    let file = damaged(|file| put64(file, page(NESTED), 0));
    let [fault] = all_faults(&file).try_into().unwrap();
    assert_eq!((fault.path, fault.inline), (vec![b"tree".to_vec(), b"nested".to_vec()], false));
    let small = |mut value: Vec<u8>| {
        put64(&mut value, 16, 4);
        value
    };
    let file = damaged(|file| write_root(file, &small(inline(&[(0, b"a", b"1"), (0, b"b", b"2")]))));
    let [fault] = all_faults(&file).try_into().unwrap();
    assert_eq!((fault.pgid, fault.path, fault.inline), (ROOT, vec![b"small".to_vec()], true));
    assert_eq!(fault.kind, Kind::Id { actual: 4 });
}

#[test]
fn a_count_beyond_the_page_is_told_and_what_is_certain_is_kept() {
    let file = damaged(|file| put16(file, page(LEFT) + 10, 64));
    only(&file, LEFT, Kind::Count { count: 64, room: 63 }, &["tree/c", "tree/e"]);
}

#[test]
fn a_gap_hides_only_the_elements_beside_it() {
    // c's value claims a byte of e.
    let file = damaged(|file| put32(file, element(LEFT, 0, 12), 2));
    only(&file, LEFT, Kind::ElementGap { index: 1, expected: 51, actual: 50 }, &["tree/c", "tree/e"]);
    let file = damaged(|file| {
        let many: Vec<_> = (b'c'..b'i').map(|key| [key]).collect();
        let elements: Vec<(u32, &[u8], &[u8])> =
            many.iter().map(|key| (0, key.as_slice(), b"3".as_slice())).collect();
        write_node(file, LEFT, &leaf(&elements));
        put32(file, element(LEFT, 2, 8), 3);
    });
    assert!(matches!(faults(&file)[..], [(LEFT, Kind::ElementGap { index: 3, .. })]));
    let shown = lines(&file);
    for (key, kept) in [("c", true), ("d", true), ("e", false), ("f", false), ("g", true), ("h", true)] {
        assert_eq!(shown.contains(&format!("tree/{key}=3")), kept, "{key}");
    }
}

#[test]
fn an_element_beyond_the_page_is_told() {
    let file = damaged(|file| put32(file, element(LEFT, 1, 12), 5000));
    only(&file, LEFT, Kind::ElementBounds { index: 1, end: 5051, bytes: 1024 }, &["tree/e"]);
    let file = damaged(|file| put32(file, element(LEFT, 1, 12), u32::MAX));
    assert!(matches!(faults(&file)[..], [(LEFT, Kind::ElementBounds { index: 1, .. })]));
}

#[test]
fn overlapping_elements_show_nothing_twice() {
    // Pairs of elements over the same data: in each the second one begins where the first one ends.
    let file = damaged(|file| {
        let count = 20;
        file[page(LEFT) + 16..page(LEFT) + PAGE].fill(b'z');
        write_header(file, LEFT, LEAF, count, 0);
        for index in 0..count {
            let start = if index % 2 == 0 { 400 } else { 401 };
            put32(file, element(LEFT, index, 0), 0);
            put32(file, element(LEFT, index, 4), start - 16 - 16 * index as u32);
            put32(file, element(LEFT, index, 8), 1);
            put32(file, element(LEFT, index, 12), if index % 2 == 0 { 0 } else { 598 });
        }
    });
    assert!(matches!(faults(&file)[..], [(LEFT, Kind::ElementGap { index: 0, .. })]));
    assert!(lines(&file).iter().filter(|line| line.starts_with("tree/z")).count() <= 1);
}

#[test]
fn key_sizes_are_checked() {
    let empty = |file: &mut Vec<u8>| write_node(file, LEFT, &leaf(&[(0, b"", b"3"), (0, b"e", b"4")]));
    let kinds: Vec<_> = faults(&damaged(empty)).into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, [Kind::KeySize { index: 0, bytes: 0 }, Kind::KeyRange { index: 0 }]);
    let long = vec![b'v'; 32769];
    let mut file = damaged(|file| {
        let to = HIGH_WATER;
        write_node(file, to, &leaf(&[(0, &long, b"")]));
        let large = bucket(to, 3);
        write_node(file, ROOT, &leaf(&[(1, b"large", &large)]));
        write_meta(file, 0, Fields { freelist: u64::MAX, high_water: to + 33, ..FIELDS });
    });
    assert_eq!(faults(&file), [(HIGH_WATER, Kind::KeySize { index: 0, bytes: 32769 })]);
    // A bucket's name may be as long.
    let value = inline(&[]);
    write_node(&mut file, HIGH_WATER, &leaf(&[(1, &long, &value)]));
    assert_eq!(faults(&file), []);
}

#[test]
fn keys_ascend() {
    let file = damaged(|file| write_node(file, LEFT, &leaf(&[(0, b"e", b"4"), (0, b"c", b"3")])));
    assert_eq!(faults(&file), [(LEFT, Kind::KeyOrder { index: 1 })]);
    let file = damaged(|file| write_node(file, LEFT, &leaf(&[(0, b"e", b"3"), (0, b"e", b"4")])));
    assert_eq!(faults(&file), [(LEFT, Kind::KeyOrder { index: 1 })]);
    assert!(lines(&file).contains(&"tree/e=4".to_owned()), "what is readable is shown");
}

#[test]
fn keys_lie_in_the_parents_range() {
    let file = damaged(|file| write_node(file, LEFT, &leaf(&[(0, b"b", b"3"), (0, b"e", b"4")])));
    assert_eq!(faults(&file), [(LEFT, Kind::KeyRange { index: 0 })]);
    let file = damaged(|file| write_node(file, LEFT, &leaf(&[(0, b"c", b"3"), (0, b"m", b"4")])));
    assert_eq!(faults(&file), [(LEFT, Kind::KeyRange { index: 1 })]);
    // The upper bound of the last child is that of its parent.
    let file = damaged(|file| {
        write_node(file, UPPER, &branch(&[(b"c", 10), (b"m", RIGHT)]));
        write_node(file, 10, &branch(&[(b"c", LEFT)]));
        write_node(file, LEFT, &leaf(&[(0, b"c", b"3"), (0, b"x", b"4")]));
        write_list(file, &[12, 0]);
        put16(file, page(LIST) + 10, 1);
    });
    assert_eq!(faults(&file), [(LEFT, Kind::KeyRange { index: 1 })]);
}

#[test]
fn unknown_element_flags_are_told_and_the_known_one_is_obeyed() {
    let file = damaged(|file| put32(file, element(LEFT, 1, 0), 4));
    only(&file, LEFT, Kind::ElementFlags { index: 1, actual: 4 }, &[]);
    let file = damaged(|file| put32(file, element(RIGHT, 1, 0), 3));
    only(&file, RIGHT, Kind::ElementFlags { index: 1, actual: 3 }, &[]);
}

#[test]
fn nothing_follows_the_last_element() {
    only(&damaged(|file| file[page(LEFT) + 900] = 1), LEFT, Kind::Trailing { offset: 900 }, &[]);
    // The last value's size lost a bit.
    let file = damaged(|file| put32(file, element(LEFT, 1, 12), 0));
    assert_eq!(faults(&file), [(LEFT, Kind::Trailing { offset: 51 })]);
}

#[test]
fn the_overflow_goes_with_the_data() {
    let overflow = page(LARGE) + 12;
    let kind = Kind::Overflow { needed: 2, actual: 5 };
    only(&damaged(|file| put32(file, overflow, 5)), LARGE, kind, &["large/v"]);
    let kind = Kind::ElementBounds { index: 0, end: 2533, bytes: 1024 };
    only(&damaged(|file| put32(file, overflow, 0)), LARGE, kind, &["large/v"]);
    // On a page that needs none, nothing is lost.
    let kind = Kind::Overflow { needed: 0, actual: 1 << 20 };
    only(&damaged(|file| put32(file, page(LEFT) + 12, 1 << 20)), LEFT, kind, &[]);
}

#[test]
fn a_node_that_fills_its_pages_may_have_one_more() {
    // As releases before bbolt 1.3.6 made it.
    let exact = 2 * PAGE - 33;
    let file = damaged(|file| write_node(file, LARGE, &leaf(&[(0, b"v", &vec![b'x'; exact])])));
    assert_eq!(faults(&file), [(9, Kind::Unaccounted { pages: 1 })]);
    let mut file = file;
    put32(&mut file, page(LARGE) + 12, 2);
    file[page(9)..page(10)].fill(0);
    assert_eq!(faults(&file), []);
}
