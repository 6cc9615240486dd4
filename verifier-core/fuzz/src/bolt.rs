//! Any bytes as a database: no panic, nothing read twice, nothing shown twice, everything that was entered is left.

#![no_main]

use std::cell::Cell;

use libfuzzer_sys::fuzz_target;
use verifier_core::bolt::{Database, Hides, Salvager, Visitor, consistent};

#[derive(Default)]
struct Seen {
    bytes: usize,
    depth: Cell<usize>,
}

impl Visitor for Seen {
    fn enter(&mut self, path: &[Vec<u8>], _sequence: u64) {
        self.depth.set(self.depth.get() + 1);
        assert_eq!(path.len(), self.depth.get());
    }

    fn value(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) {
        assert_eq!(path.len(), self.depth.get());
        self.bytes += key.len() + value.len();
    }

    fn leave(&mut self, path: &[Vec<u8>]) {
        assert_eq!(path.len(), self.depth.get());
        self.depth.set(self.depth.get() - 1);
    }
}

impl Salvager for Seen {}

fn walk(db: &Database<'_>, bytes: usize) {
    let mut seen = Seen::default();
    let walk = db.walk(&mut seen);
    assert_eq!(seen.depth.get(), 0);
    assert!(seen.bytes <= bytes, "showed more than there is");
    assert!(walk.complete || !walk.faults.is_empty(), "a part is hidden, and nothing says why");
    // Only what was listed can say that something is hidden.
    let hidden = walk.faults.iter().any(|fault| fault.hides != Hides::Nothing);
    assert!(walk.complete || hidden || walk.faults_omitted > 0, "{:?}", walk.faults);
    assert!(!(walk.complete && hidden), "{:?}", walk.faults);
    let mut found = Seen::default();
    let salvaged = db.salvage(&mut found);
    assert_eq!(found.depth.get(), 0);
    assert!(seen.bytes + found.bytes <= bytes, "showed what it had shown");
    let pages = salvaged.lost.pages + salvaged.unknown.pages + salvaged.stale.pages;
    assert!(walk.pages_read + pages <= bytes as u64 / 512);
    assert!(walk.pages_reached + walk.pages_free + walk.pages_lost <= bytes as u64 / 512);
}

/// Makes the checksums of the meta pages right, which no mutation hits, and the page size small, so that short inputs have pages.
fn sign(bytes: &mut [u8]) {
    const PAGE: u32 = 512;
    for slot in [0, PAGE as usize] {
        let Some(meta) = bytes.get_mut(slot + 16..slot + 80) else { return };
        meta[..4].copy_from_slice(&0xED0C_DAED_u32.to_le_bytes());
        meta[4..8].copy_from_slice(&2_u32.to_le_bytes());
        meta[8..12].copy_from_slice(&PAGE.to_le_bytes());
        let sum = meta[..56].iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        meta[56..].copy_from_slice(&sum.to_le_bytes());
    }
}

fuzz_target!(|input: &[u8]| {
    // The first byte says whether the meta pages are left as they are.
    let Some((raw, bytes)) = input.split_first() else { return };
    let mut bytes = bytes.to_vec();
    if raw % 8 != 0 {
        sign(&mut bytes);
    }
    if let Ok(Some(db)) = Database::without_meta(&bytes) {
        walk(&db, bytes.len());
    }
    let Ok(db) = Database::open(&bytes) else { return };
    walk(&db, bytes.len());
    for slot in [0, 1] {
        if let Some(other) = db.at_slot(slot) {
            walk(&other, bytes.len());
        }
    }
    assert!(consistent(&bytes, 1, |_| ()).is_ok());
});
