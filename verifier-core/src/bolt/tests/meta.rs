//! The meta pages and what is made of them.

use super::*;

#[test]
fn a_healthy_database_is_read_whole_and_without_a_fault() {
    let file = healthy();
    assert_eq!(lines(&file), WHOLE);
    let db = Database::open(&file).unwrap();
    let walk = db.walk(&mut ());
    assert_eq!((walk.faults.as_slice(), walk.complete), ([].as_slice(), true));
    assert_eq!((walk.pages_reached, walk.pages_free, walk.pages_lost), (11, 2, 0));
    assert_eq!((walk.buckets, walk.keys), (4, 7));
    assert_eq!((db.slot(), db.meta().txid, db.file_bytes()), (0, 8, file.len() as u64));
}

#[test]
fn an_unsynced_freelist_leaves_nothing_unaccounted() {
    let file = damaged(|file| write_meta(file, 0, Fields { freelist: u64::MAX, ..FIELDS }));
    let db = Database::open(&file).unwrap();
    let walk = db.walk(&mut ());
    assert_eq!((db.meta().freelist, walk.faults.as_slice()), (None, [].as_slice()));
    assert_eq!((walk.pages_reached, walk.pages_free, walk.pages_lost), (10, 3, 0));
}

#[test]
fn the_larger_txid_wins_and_an_invalid_meta_page_leaves_the_other() {
    let file = damaged(|file| write_meta(file, 1, Fields { txid: 9, ..FIELDS }));
    assert_eq!(Database::open(&file).unwrap().slot(), 1);
    let file = damaged(|file| file[30] ^= 1);
    let db = Database::open(&file).unwrap();
    assert!(matches!(db.metas()[0], Err(MetaFault::Checksum { .. })), "{:?}", db.metas());
    assert_eq!((db.slot(), db.meta().txid), (1, 7));
    assert!(db.walk(&mut ()).faults.is_empty());
    assert_eq!(db.at_slot(1).unwrap().meta().txid, 7);
    assert!(db.at_slot(0).is_none() && db.at_slot(2).is_none());
}

#[test]
fn each_meta_fault_is_told() {
    let fault = |damage: &dyn Fn(&mut [u8])| {
        let file = damaged(|file| damage(file));
        Database::open(&file).unwrap().metas()[0].unwrap_err()
    };
    assert_eq!(fault(&|file| put32(file, 16, 7)), MetaFault::Magic { actual: 7 });
    assert_eq!(fault(&|file| put32(file, 20, 3)), MetaFault::Version { actual: 3 });
    for size in [0, 256, 1000, 1 << 17] {
        let set = |file: &mut [u8]| {
            put32(file, 24, size);
            sign(file, 0);
        };
        assert_eq!(fault(&set), MetaFault::PageSize { actual: size });
    }
    let file = damaged(|file| {
        put32(file, PAGE + 24, 2048);
        sign(file, 1);
    });
    assert_eq!(Database::open(&file).unwrap().metas()[1], Err(MetaFault::PageSize { actual: 2048 }));
    assert_eq!(Database::open(&&file[..1000]).unwrap().metas()[1], Err(MetaFault::PastEnd));
}

#[test]
fn what_is_no_database_says_why() {
    let open = |bytes: &[u8]| Database::open(&bytes).unwrap_err();
    assert!(matches!(open(&[]), OpenError::Empty));
    assert!(matches!(open(&healthy()[..79]), OpenError::TooShort { bytes: 79 }));
    let magic = MetaFault::Magic { actual: 0 };
    assert!(matches!(open(&[0; 8192]), OpenError::NoValidMeta { faults } if faults == [magic, magic]));
    let no_second = open(&[0; 2000]);
    assert!(matches!(no_second, OpenError::NoValidMeta { faults: [_, MetaFault::PastEnd] }), "{no_second}");
}

#[test]
fn a_meta_page_with_a_wrong_header_is_told() {
    only(&damaged(|file| put64(file, PAGE, 5)), 1, Kind::Id { actual: 5 }, &[]);
    let kind = Kind::Flags { expected: META, actual: LEAF };
    only(&damaged(|file| put16(file, 8, LEAF)), 0, kind, &[]);
}
