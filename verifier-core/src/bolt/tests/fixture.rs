//! A small healthy database, written by hand, for the tests to damage.

use crate::bolt::meta::fnv1a_64;
use crate::bolt::page::{BRANCH, ELEMENT_BYTES, FREELIST, HEADER_BYTES, LEAF, META};
use crate::bolt::{Database, FaultKind, PageFault, Pgid, Visitor};

pub(super) const PAGE: usize = 1024;
/// The pages of the fixture.
pub(super) const LIST: Pgid = 2;
pub(super) const ROOT: Pgid = 3;
pub(super) const UPPER: Pgid = 4;
pub(super) const LEFT: Pgid = 5;
pub(super) const RIGHT: Pgid = 6;
pub(super) const LARGE: Pgid = 7;
pub(super) const FREE: [Pgid; 2] = [10, 12];
pub(super) const NESTED: Pgid = 11;
pub(super) const HIGH_WATER: Pgid = 13;

pub(super) fn put16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

pub(super) fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

pub(super) fn put64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// The offset of a page.
pub(super) fn page(pgid: Pgid) -> usize {
    pgid as usize * PAGE
}

/// The offset of a field of an element of a page.
pub(super) fn element(pgid: Pgid, index: usize, field: usize) -> usize {
    page(pgid) + HEADER_BYTES + ELEMENT_BYTES * index + field
}

/// The fields of a meta page.
#[derive(Clone, Copy)]
pub(super) struct Fields {
    pub(super) root: Pgid,
    pub(super) freelist: Pgid,
    pub(super) high_water: Pgid,
    pub(super) txid: u64,
}

pub(super) const FIELDS: Fields = Fields { root: ROOT, freelist: LIST, high_water: HIGH_WATER, txid: 8 };

pub(super) fn write_meta(file: &mut [u8], slot: usize, fields: Fields) {
    let at = slot * PAGE;
    write_header(file, slot as Pgid, META, 0, 0);
    put32(file, at + 16, 0xED0C_DAED);
    put32(file, at + 20, 2);
    put32(file, at + 24, PAGE as u32);
    let Fields { root, freelist, high_water, txid } = fields;
    for (field, value) in [(32, root), (48, freelist), (56, high_water), (64, txid)] {
        put64(file, at + field, value);
    }
    sign(file, slot);
}

/// Makes a meta page's checksum right.
pub(super) fn sign(file: &mut [u8], slot: usize) {
    let at = slot * PAGE;
    let sum = fnv1a_64(&file[at + 16..at + 72]);
    put64(file, at + 72, sum);
}

pub(super) fn write_header(file: &mut [u8], pgid: Pgid, flags: u16, count: usize, overflow: u32) {
    let at = page(pgid);
    put64(file, at, pgid);
    put16(file, at + 8, flags);
    put16(file, at + 10, count as u16);
    put32(file, at + 12, overflow);
}

/// A leaf node's bytes without its header's id and overflow: flags, key, value of each element.
pub(super) fn leaf(elements: &[(u32, &[u8], &[u8])]) -> Vec<u8> {
    let mut node = vec![0; HEADER_BYTES + ELEMENT_BYTES * elements.len()];
    put16(&mut node, 8, LEAF);
    put16(&mut node, 10, elements.len() as u16);
    for (index, (flags, key, value)) in elements.iter().enumerate() {
        let at = HEADER_BYTES + ELEMENT_BYTES * index;
        let pos = node.len() - at;
        for (field, number) in [(0, *flags), (4, pos as u32), (8, key.len() as u32), (12, value.len() as u32)]
        {
            put32(&mut node, at + field, number);
        }
        node.extend_from_slice(key);
        node.extend_from_slice(value);
    }
    node
}

/// A branch node's bytes without its header's id and overflow.
pub(super) fn branch(elements: &[(&[u8], Pgid)]) -> Vec<u8> {
    let mut node = vec![0; HEADER_BYTES + ELEMENT_BYTES * elements.len()];
    put16(&mut node, 8, BRANCH);
    put16(&mut node, 10, elements.len() as u16);
    for (index, (key, child)) in elements.iter().enumerate() {
        let at = HEADER_BYTES + ELEMENT_BYTES * index;
        let pos = node.len() - at;
        put32(&mut node, at, pos as u32);
        put32(&mut node, at + 4, key.len() as u32);
        put64(&mut node, at + 8, *child);
        node.extend_from_slice(key);
    }
    node
}

/// Puts a node in its place.
pub(super) fn write_node(file: &mut Vec<u8>, pgid: Pgid, node: &[u8]) {
    let pages = node.len().div_ceil(PAGE);
    let end = page(pgid) + pages * PAGE;
    if file.len() < end {
        file.resize(end, 0);
    }
    file[page(pgid)..end].fill(0);
    file[page(pgid)..page(pgid) + node.len()].copy_from_slice(node);
    put64(file, page(pgid), pgid);
    put32(file, page(pgid) + 12, pages as u32 - 1);
}

pub(super) fn write_list(file: &mut [u8], ids: &[Pgid]) {
    write_header(file, LIST, FREELIST, ids.len(), 0);
    for (index, id) in ids.iter().enumerate() {
        put64(file, page(LIST) + HEADER_BYTES + 8 * index, *id);
    }
}

/// A bucket's value with its root page elsewhere.
pub(super) fn bucket(root: Pgid, sequence: u64) -> Vec<u8> {
    [root.to_le_bytes(), sequence.to_le_bytes()].concat()
}

/// A bucket's value with its page in it.
pub(super) fn inline(elements: &[(u32, &[u8], &[u8])]) -> Vec<u8> {
    [bucket(0, 5), leaf(elements)].concat()
}

/// The elements of the root leaf; the bucket `nested` lies within the bucket `tree`.
pub(super) fn write_root(file: &mut Vec<u8>, small: &[u8]) {
    let (large, tree) = (bucket(LARGE, 3), bucket(UPPER, 2));
    let root: [(u32, &[u8], &[u8]); 3] = [(1, b"large", &large), (1, b"small", small), (1, b"tree", &tree)];
    write_node(file, ROOT, &leaf(&root));
}

/// ```text
/// 3 root leaf ─ large ─► 7..10 one value over three pages
///             ├ small    inline: a, b
///             └ tree ──► 4 branch ─► 5 leaf: c, e     ─► 6 leaf: m, nested ──► 11 leaf: n
/// 2 freelist: 10, 12
/// ```
pub(super) fn healthy() -> Vec<u8> {
    let mut file = vec![0; HIGH_WATER as usize * PAGE];
    write_meta(&mut file, 0, FIELDS);
    write_meta(&mut file, 1, Fields { txid: 7, ..FIELDS });
    write_list(&mut file, &FREE);
    write_root(&mut file, &inline(&[(0, b"a", b"1"), (0, b"b", b"2")]));
    write_node(&mut file, UPPER, &branch(&[(b"c", LEFT), (b"m", RIGHT)]));
    write_node(&mut file, LEFT, &leaf(&[(0, b"c", b"3"), (0, b"e", b"4")]));
    let nested = bucket(NESTED, 9);
    write_node(&mut file, RIGHT, &leaf(&[(0, b"m", b"5"), (1, b"nested", &nested)]));
    write_node(&mut file, LARGE, &leaf(&[(0, b"v", &[b'x'; 2500])]));
    write_node(&mut file, NESTED, &leaf(&[(0, b"n", b"6")]));
    file
}

/// What a walk shows, one line each.
#[derive(Default)]
pub(super) struct Lines(pub(super) Vec<String>);

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..8).unwrap_or(bytes)).into_owned()
}

fn joined(path: &[Vec<u8>]) -> String {
    path.iter().map(|name| text(name)).collect::<Vec<_>>().join("/")
}

impl Visitor for Lines {
    fn enter(&mut self, path: &[Vec<u8>], sequence: u64) {
        self.0.push(format!("{} {sequence}", joined(path)));
    }

    fn value(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) {
        self.0.push(format!("{}/{}={}", joined(path), text(key), text(value)));
    }

    fn leave(&mut self, path: &[Vec<u8>]) {
        self.0.push(format!("end {}", joined(path)));
    }
}

/// The faults of a file, as page and kind.
pub(super) fn faults(file: &[u8]) -> Vec<(Pgid, FaultKind)> {
    all_faults(file).into_iter().map(|fault| (fault.pgid, fault.kind)).collect()
}

/// The faults of a file in whole.
pub(super) fn all_faults(file: &[u8]) -> Vec<PageFault> {
    let walk = Database::open(&file).unwrap().walk(&mut ());
    assert_eq!(walk.faults_omitted, 0);
    walk.faults
}

/// What is still readable of a file.
pub(super) fn lines(file: &[u8]) -> Vec<String> {
    let mut lines = Lines::default();
    Database::open(&file).unwrap().walk(&mut lines);
    lines.0
}
