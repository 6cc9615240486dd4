//! Odd ways to write a tar, as Go's `archive/tar` reads them.

use super::entry::{Dialect, Entry};
use super::rules::Image;
use super::writer::Layer;

pub(super) fn formats() -> Vec<Image> {
    let mut global = Layer::new();
    global.add(&Entry::file("victim", b"gone"));
    global.global("tmp/pax_global", &[("comment".into(), b"x".to_vec()), ("uid".into(), b"77".to_vec())]);
    global.add(&Entry::file("after", b"uid stays 0"));
    global.global("named", &[("path".into(), b"victim".to_vec())]);
    let mut interplay = Layer::new();
    let record = |key: &str, value: &str| (key.to_owned(), value.as_bytes().to_vec());
    interplay.pax(&[record("path", "first"), record("uid", "9")]).pax(&[record("path", "second")]);
    interplay.add(&Entry::file("third", b"x replaced x"));
    interplay.pax(&[record("path", "by-pax")]).special(b'L', b"by-gnu\0");
    interplay.header(&Entry::file("by-header", b"")).data(b"");
    interplay.pax(&[record("path", "dropped")]).global("g", &[record("a", "b")]);
    interplay.add(&Entry::file("undropped", b"g dropped x"));
    interplay.special(b'L', b"slash/\0").header(&Entry::file("h", b"").flag(0));
    interplay.pax(&[record("size", "5"), record("uid", ""), record("mtime", "1.5")]);
    interplay.header(&Entry::file("pax-size", b"").size(1)).data(b"12345");
    interplay.special(b'K', b"long-target\0").header(&Entry::symlink("k", "short"));
    let mut old = Layer::new();
    old.add(&Entry::file("v7", b"v").dialect(Dialect::V7)).add(&Entry::folder("v7d/").dialect(Dialect::V7));
    old.add(&Entry::file("nul-folder/", b"").flag(0)).add(&Entry::file("nul-file", b"n").flag(0));
    old.add(&Entry::file("type-0-with-slash/", b"a file"));
    old.add(&Entry::folder("folder-with-size/").size(1000))
        .add(&Entry::symlink("link-with-size", "x").size(77));
    old.add(&Entry::file("base256", b"four").dialect(Dialect::Gnu).mtime(20_000_000_000, 0));
    let mut padding = Layer::new();
    padding.add(&Entry::file("a", b"a")).header(&Entry::file("b", b"b")).raw(b"b");
    let whole = Layer::of(&[Entry::file("x", b"x")]);
    let no_end = whole.get(..1024).unwrap_or_default().to_vec();
    let one_block = whole.get(..1536).unwrap_or_default().to_vec();
    let trailing = [whole.as_slice(), b"what follows the end is part of the DiffID"].concat();
    let single = |name, layer: Vec<u8>| Image { name, layers: vec![layer], overlay_only: false };
    vec![
        single("global headers are entries", global.finish()),
        single("extensions of one entry", interplay.finish()),
        single("old dialects", old.finish()),
        single("an end within padding", padding.bytes().to_vec()),
        single("no end", no_end),
        single("an end of one block", one_block),
        single("bytes after the end", trailing),
        single("nothing at all", Vec::new()),
        single("empty", vec![0; 1024]),
    ]
}

pub(super) fn sparse() -> Vec<Image> {
    let record = |key: &str, value: &str| (key.to_owned(), value.as_bytes().to_vec());
    let mut layer = Layer::new();
    // 0.0: offsets and lengths one after the other.
    let mut records = vec![record("GNU.sparse.size", "3000"), record("GNU.sparse.numblocks", "2")];
    for (key, value) in [("offset", "0"), ("numbytes", "5"), ("offset", "2000"), ("numbytes", "3")] {
        records.push(record(&format!("GNU.sparse.{key}"), value));
    }
    layer.pax(&records).add(&Entry::file("sparse-0.0", b"helloend"));
    layer.pax(&[
        record("GNU.sparse.major", "0"),
        record("GNU.sparse.minor", "1"),
        record("GNU.sparse.name", "sparse-0.1"),
        record("GNU.sparse.size", "100"),
        record("GNU.sparse.numblocks", "1"),
        record("GNU.sparse.map", "50,50"),
    ]);
    layer.add(&Entry::file("GNUSparseFile/x", vec![b'z'; 50]));
    let mut data = format!("{:\0<512}", "2\n1000\n4\n5000\n0\n").into_bytes();
    data.extend_from_slice(b"DATA");
    layer.pax(&[
        record("GNU.sparse.major", "1"),
        record("GNU.sparse.minor", "0"),
        record("GNU.sparse.name", "sparse-1.0"),
        record("GNU.sparse.realsize", "5000"),
    ]);
    layer.add(&Entry::file("GNUSparseFile/y", &data));
    layer.pax(&[
        record("GNU.sparse.major", "1"),
        record("GNU.sparse.minor", "0"),
        record("GNU.sparse.name", "all-hole"),
        record("GNU.sparse.realsize", "1000000"),
    ]);
    layer.add(&Entry::file("GNUSparseFile/z", format!("{:\0<512}", "0\n").as_bytes()));
    vec![Image { name: "sparse files", layers: vec![layer.finish()], overlay_only: false }]
}
