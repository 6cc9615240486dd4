//! Archives that containerd does not apply.

use super::entry::{Dialect, Entry};
use super::writer::Layer;

/// Archives that containerd refuses, and what is wrong with each.
pub fn refused() -> Vec<(&'static str, Vec<u8>)> {
    let one = |entry: Entry| Layer::of(&[entry]);
    let record = |key: &str, value: &str| (key.to_owned(), value.as_bytes().to_vec());
    let whole = Layer::of(&[Entry::file("x", vec![1; 2000])]);
    let cut = whole.get(..1024).unwrap_or_default().to_vec();
    let cut_header = whole.get(..300).unwrap_or_default().to_vec();
    let mut checksum = whole.clone();
    if let Some(byte) = checksum.get_mut(3) {
        *byte ^= 1;
    }
    let mut long = Layer::new();
    long.special(b'L', &vec![b'a'; 1024 * 1024 + 2]).add(&Entry::file("x", b""));
    let mut bad_pax = Layer::new();
    bad_pax.special(b'x', b"99 a=b\n").add(&Entry::file("x", b""));
    let mut bad_number = Layer::new();
    bad_number.pax(&[record("size", "1e3")]).add(&Entry::file("x", b""));
    let mut overlapping = Layer::new();
    overlapping.pax(&[
        record("GNU.sparse.size", "10"),
        record("GNU.sparse.numblocks", "2"),
        record("GNU.sparse.map", "0,5,4,5"),
    ]);
    overlapping.add(&Entry::file("s", vec![0; 10]));
    let mut missing_data = Layer::new();
    missing_data.pax(&[
        record("GNU.sparse.size", "10"),
        record("GNU.sparse.numblocks", "1"),
        record("GNU.sparse.map", "0,9"),
    ]);
    missing_data.add(&Entry::file("s", b"four"));
    let mut surplus_data = Layer::new();
    surplus_data.pax(&[
        record("GNU.sparse.size", "10"),
        record("GNU.sparse.numblocks", "1"),
        record("GNU.sparse.map", "0,2"),
    ]);
    surplus_data.add(&Entry::file("s", b"four"));
    let lone_zero = [&[0; 512][..], &whole].concat();
    vec![
        ("cut within data", cut),
        ("cut within a header", cut_header),
        ("checksum", checksum),
        ("negative size", one(Entry::file("x", b"").size(-1))),
        ("long name of more than 1 MiB", long.finish()),
        ("PAX record longer than its header", bad_pax.finish()),
        ("PAX number", bad_number.finish()),
        ("sparse regions overlap", overlapping.finish()),
        ("sparse data is missing", missing_data.finish()),
        ("sparse data is left over", surplus_data.finish()),
        ("one block of zeros", lone_zero),
        ("old GNU sparse", one(Entry::file("s", b"").flag(b'S').dialect(Dialect::Gnu))),
        ("unknown type", one(Entry::file("x", b"").flag(b'7'))),
        ("whiteout of a name too long", one(Entry::whiteout(&"w".repeat(256)))),
        (
            "hard link to a folder, with a slash",
            Layer::of(&[Entry::folder("d/"), Entry::hard_link("l", "d/")]),
        ),
        ("whiteout of nothing", one(Entry::file(".wh.", b""))),
        ("whiteout of ..", one(Entry::file(".wh...", b""))),
        ("parent is a file", Layer::of(&[Entry::file("f", b""), Entry::file("f/x", b"")])),
        ("links in a circle", Layer::of(&[Entry::symlink("l", "l"), Entry::file("l/x", b"")])),
        ("hard link to nothing", one(Entry::hard_link("l", "nothing"))),
        ("hard link to itself", Layer::of(&[Entry::file("a", b""), Entry::hard_link("a", "a")])),
        ("hard link to a folder", Layer::of(&[Entry::folder("d"), Entry::hard_link("l", "d")])),
        ("hard link to the top", one(Entry::hard_link("l", "/"))),
        ("symbolic link to nowhere", one(Entry::symlink("l", ""))),
        ("name of 256 bytes", one(Entry::file("n".repeat(256), b""))),
        ("path of more than 4096 bytes", one(Entry::file("d/".repeat(100_000), b""))),
        ("a folder that is gone at the end", Layer::of(&[Entry::folder("d"), Entry::whiteout("d")])),
        ("an attribute without a name", one(Entry::file("x", b"").xattr("", b"v"))),
    ]
}
