//! Small databases, and the ways in which they are damaged.

use verifier_core::bolt::Database;

use super::{Random, ask, oracle};

/// The databases that are damaged: small, so that most bytes of them mean something.
pub(crate) fn originals() -> Vec<(String, Vec<u8>)> {
    let mut originals = Vec::new();
    for store in ["1.6", "2.1"] {
        let folder = tempfile::tempdir().unwrap();
        testdata::golden::unpack(store, folder.path()).unwrap();
        for file in
            ["io.containerd.metadata.v1.bolt/meta.db", "io.containerd.snapshotter.v1.overlayfs/metadata.db"]
        {
            let bytes = std::fs::read(folder.path().join(file)).unwrap();
            originals.push((format!("{store} {file}"), bytes));
        }
    }
    if let Some(oracle) = oracle() {
        let folder = tempfile::tempdir().unwrap();
        for (kind, flags) in
            [("small", ""), ("small", "-nofreelist"), ("churn", "-nofreelist"), ("emptied", "")]
        {
            let file = folder.path().join(format!("{kind}{flags}"));
            let args = ["make", "-kind", kind, "-page", "1024", flags];
            ask(oracle, if flags.is_empty() { &args[..5] } else { &args }, &file);
            originals.push((format!("{kind} {flags}"), std::fs::read(&file).unwrap()));
        }
    }
    originals
}

/// Damages a file in one of the ways that disks, crashes and people do.
pub(crate) fn damage(bytes: &mut Vec<u8>, random: &mut Random) -> String {
    let meta = *Database::open(&*bytes).unwrap().meta();
    let (page, pages) = (meta.page_size as usize, meta.high_water as usize);
    let used = page * pages;
    let one = random.below(pages);
    let other = random.below(pages);
    let at = random.below(used);
    let range = |pgid: usize| pgid * page..(pgid + 1) * page;
    match random.below(17) {
        0..=2 => {
            bytes[at] ^= 1 << random.below(8);
            format!("bit flipped at {at}")
        }
        3..=5 => {
            let at = one * page + random.below(page.min(96));
            bytes[at] ^= 1 << random.below(8);
            format!("bit flipped at {at}, near the start of page {one}")
        }
        6 => {
            bytes[range(one)].fill(0);
            format!("page {one} zeroed")
        }
        7 => {
            bytes.truncate(one * page);
            format!("cut before page {one}")
        }
        8 => {
            bytes.truncate(at);
            format!("cut at {at}")
        }
        9 => {
            let copy = bytes[range(one)].to_vec();
            bytes.copy_within(range(other), one * page);
            bytes[range(other)].copy_from_slice(&copy);
            format!("pages {one} and {other} swapped")
        }
        10 => {
            bytes.copy_within(range(one), other * page);
            format!("page {one} written over page {other}")
        }
        11 => {
            let length = 1 + random.below(page);
            for byte in bytes[at..used.min(at + length)].iter_mut() {
                *byte = random.next() as u8;
            }
            format!("{length} bytes of garbage at {at}")
        }
        12 => {
            let at = at & !3;
            let values = [0, 1, 0xFFFF, 0x7FFF_FFFF, u32::MAX, page as u32, random.next() as u32];
            let value = values[random.below(values.len())];
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            format!("{value:#x} written at {at}")
        }
        13 => {
            // As if a write had not happened: the right number, and what stood there before.
            bytes.copy_within(range(other), one * page);
            bytes[one * page..one * page + 8].copy_from_slice(&(one as u64).to_le_bytes());
            format!("page {one} is stale: it has what page {other} has")
        }
        14 => {
            let length = 1 + random.below(3 * page);
            bytes.extend((0..length).map(|_| random.next() as u8));
            format!("{length} bytes of garbage behind the end")
        }
        15 => {
            let from = at & !511;
            bytes[from..used.min(from + 512)].fill(if random.below(2) == 0 { 0 } else { 0xFF });
            format!("the sector at {from} wiped")
        }
        _ => {
            let slot = random.below(3);
            for slot in [0, 1].into_iter().filter(|it| slot == 2 || *it == slot) {
                bytes[slot * page + 16 + random.below(64)] ^= 1 << random.below(8);
            }
            format!("meta page {slot} damaged (2: both)")
        }
    }
}
