//! What a damaged page hides, and what of it is found again.

use super::*;

/// Notes each stray page, and what is on it.
#[derive(Default)]
struct Strays(Lines);

impl Visitor for Strays {
    fn enter(&mut self, path: &[Vec<u8>], sequence: u64) {
        self.0.enter(path, sequence);
    }

    fn value(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) {
        self.0.value(path, key, value);
    }
}

impl Salvager for Strays {
    fn stray(&mut self, stray: &Stray) {
        self.0.0.push(format!("{} {:?}", stray.pgid, stray.standing));
    }
}

fn salvage(file: &[u8]) -> (Vec<String>, Salvaged) {
    let mut strays = Strays::default();
    let salvaged = Database::open(&file).unwrap().salvage(&mut strays);
    (strays.0.0, salvaged)
}

fn range(from: &[u8], to: Option<&[u8]>) -> KeyRange {
    KeyRange { from: Some(from.to_vec()), to: to.map(<[u8]>::to_vec) }
}

/// The only fault's range, and what it hides.
#[track_caller]
fn hidden(file: &[u8]) -> (KeyRange, Hides) {
    let faults = all_faults(file);
    let [fault] = faults.as_slice() else { panic!("{faults:#?}") };
    (fault.range.clone(), fault.hides)
}

#[test]
fn a_lost_pages_keys_are_bounded_by_the_branch_above() {
    let zeroed = |pgid| damaged(|file| file[page(pgid)..page(pgid + 1)].fill(0));
    assert_eq!(hidden(&zeroed(LEFT)), (range(b"c", Some(b"m")), Hides::Unknown));
    assert_eq!(hidden(&zeroed(RIGHT)), (range(b"m", None), Hides::Unknown));
    assert_eq!(hidden(&zeroed(ROOT)), (KeyRange::default(), Hides::Unknown));
    let (bounds, _) = hidden(&zeroed(RIGHT));
    assert!(bounds.contains(b"m") && bounds.contains(b"zz") && !bounds.contains(b"l"));
    let (bounds, _) = hidden(&zeroed(LEFT));
    assert!(bounds.contains(b"c") && !bounds.contains(b"m") && !bounds.contains(b"b"));
}

#[test]
fn a_reference_that_leads_nowhere_hides_its_own_keys_only() {
    let file = damaged(|file| put64(file, element(UPPER, 0, 8), 99));
    assert_eq!(hidden(&file), (range(b"c", Some(b"m")), Hides::Unknown));
    let file = damaged(|file| put64(file, element(UPPER, 1, 8), 99));
    assert_eq!(hidden(&file), (range(b"m", None), Hides::Unknown));
    let file =
        damaged(|file| write_node(file, RIGHT, &leaf(&[(0, b"m", b"5"), (1, b"nested", &bucket(99, 9))])));
    assert_eq!(hidden(&file), (range(b"nested", Some(b"nested\0")), Hides::Unknown));
}

#[test]
fn of_a_damaged_leaf_the_elements_are_counted() {
    let file = damaged(|file| put32(file, element(LEFT, 1, 8), 1000));
    assert_eq!(hidden(&file), (range(b"c", Some(b"m")), Hides::Elements { claimed: 2, read: 1 }));
    let file = damaged(|file| put16(file, page(LEFT) + 10, 1000));
    assert_eq!(hidden(&file).1, Hides::Elements { claimed: 1000, read: 0 });
    let file = damaged(|file| put32(file, element(UPPER, 0, 4), 1000));
    assert_eq!(all_faults(&file)[0].hides, Hides::Unknown, "what a branch hides, nobody knows");
    let file = damaged(|file| write_list(file, &[LEFT, 10, 12]));
    assert_eq!(hidden(&file).1, Hides::Nothing);
}

#[test]
fn what_is_below_a_damaged_page_is_found_again() {
    let file = damaged(|file| file[page(UPPER)..page(UPPER + 1)].fill(0));
    let (found, salvaged) = salvage(&file);
    let expected = ["5 Lost", "/c=3", "/e=4", "6 Lost", "/m=5", "nested 9", "nested/n=6"].map(str::to_owned);
    assert_eq!(found, expected);
    assert_eq!(salvaged.lost, Found { pages: 3, buckets: 1, keys: 4 });
    assert_eq!((salvaged.unknown, salvaged.stale), (Found::default(), Found::default()));
}

#[test]
fn of_a_whole_database_nothing_is_found() {
    assert_eq!(salvage(&healthy()), (vec![], Salvaged::default()));
}

#[test]
fn what_the_freelist_lists_is_stale() {
    let mut file = healthy();
    write_node(&mut file, 12, &leaf(&[(0, b"old", b"1")]));
    let (found, salvaged) = salvage(&file);
    assert_eq!(found, ["12 Stale", "/old=1"]);
    assert_eq!(salvaged.stale, Found { pages: 1, buckets: 0, keys: 1 });
    // A lost page and a stale one that leads to it: each on its own.
    write_node(&mut file, 12, &leaf(&[(1, b"old", &bucket(NESTED, 1))]));
    write_node(&mut file, RIGHT, &[0; 16]);
    let (found, _) = salvage(&file);
    assert_eq!(found, ["11 Lost", "/n=6", "12 Stale", "old 1"]);
    // Without a list nobody can tell, and a page that others lead to is theirs.
    for slot in [0, 1] {
        write_meta(&mut file, slot, Fields { freelist: u64::MAX, txid: 8 - slot as u64, ..FIELDS });
    }
    write_header(&mut file, LIST, 0, 0, 0);
    let (found, _) = salvage(&file);
    assert_eq!(found, ["12 Unknown", "old 1", "old/n=6"]);
}

#[test]
fn what_does_not_decode_is_no_find() {
    let lost = |damage: &dyn Fn(&mut Vec<u8>)| {
        let mut file = damaged(|file| file[page(UPPER)..page(UPPER + 1)].fill(0));
        damage(&mut file);
        salvage(&file).0
    };
    let right = ["6 Lost", "/m=5", "nested 9", "nested/n=6"];
    assert_eq!(lost(&|file| put64(file, page(LEFT), 77)), right);
    assert_eq!(lost(&|file| put32(file, element(LEFT, 0, 4), 77)), right);
    assert_eq!(lost(&|file| put16(file, page(LEFT) + 8, FREELIST)), right);
    // The first element is in its place: only the visit shows that the rest is not.
    let mut some = vec!["5 Lost"];
    some.extend(right);
    assert_eq!(lost(&|file| put32(file, element(LEFT, 1, 4), 77)), some);
}

#[test]
fn a_circle_of_lost_pages_is_visited_once() {
    let mut file = damaged(|file| file[page(UPPER)..page(UPPER + 1)].fill(0));
    write_node(&mut file, LEFT, &leaf(&[(1, b"a", &bucket(RIGHT, 1))]));
    write_node(&mut file, RIGHT, &leaf(&[(1, b"b", &bucket(LEFT, 1)), (0, b"c", b"1")]));
    let (found, _) = salvage(&file);
    assert_eq!(found, ["11 Lost", "/n=6", "5 Lost", "a 1", "a/b 1", "a/c=1"]);
}

#[test]
fn without_any_meta_page_everything_is_of_unknown_standing() {
    let mut file = healthy();
    file[..2 * PAGE].fill(0);
    assert!(Database::open(&file).is_err());
    let db = Database::without_meta(&file).unwrap().unwrap();
    assert_eq!(u64::from(db.meta().page_size), PAGE as u64);
    let mut strays = Strays::default();
    db.salvage(&mut strays);
    let mut lines = Lines::default();
    assert!(db.at_root(ROOT).walk(&mut lines).complete);
    assert_eq!(lines.0, WHOLE);
    let kept = |line: &&str| !line.starts_with("end");
    let mut expected = vec!["3 Unknown"];
    expected.extend(WHOLE.into_iter().filter(kept));
    assert_eq!(strays.0.0, expected);
    assert!(Database::without_meta(&vec![7; 9000]).unwrap().is_none());
    assert!(Database::without_meta(&vec![]).unwrap().is_none());
}

#[test]
fn the_other_meta_pages_transaction_is_told_where_it_can_be() {
    let txid = |damage: &dyn Fn(&mut Vec<u8>)| {
        let file = damaged(|file| damage(file));
        let db = Database::open(&file).unwrap();
        db.claimed_txid(1 - db.slot())
    };
    assert_eq!(txid(&|file| put64(file, 32, 5)), Some(8), "the later one, with another root");
    assert_eq!(txid(&|file| put64(file, PAGE + 32, 5)), Some(7), "the earlier one");
    assert_eq!(txid(&|file| put64(file, PAGE + 64, 9)), Some(7), "its checksum tells it");
    assert_eq!(txid(&|file| put64(file, PAGE + 64, 1 << 40)), Some(7));
    assert_eq!(txid(&|file| file[PAGE..2 * PAGE].fill(0)), None);
    let both = |file: &mut Vec<u8>| {
        put64(file, PAGE + 64, 1 << 40);
        put64(file, PAGE + 32, 5);
    };
    assert_eq!(txid(&both), None);
}
