//! Half a million entries: the model of them all fits into little memory. Alone, because it looks at the whole process.

use std::io;

use crate::alone::{peak_kib, ran_elsewhere};
use testdata::layers::{Entry, Layer};
use verifier_core::Interrupt;
use verifier_core::compare::{CompareOptions, LayerBlob, LayerComparison, compare_layer};
use verifier_core::digest::Algorithm;
use verifier_core::io::{Folder, Gate, ReadAt};
use verifier_core::layer::Flavour;

const ENTRIES: u64 = 500_000;
const BLOCK: u64 = 512;

/// A tar of empty files that is made as it is read: fifty to a folder, with names as packages have them.
struct Endless;

impl ReadAt for Endless {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let number = offset / BLOCK;
        if number >= ENTRIES {
            return Ok(0);
        }
        let name = format!("usr/share/package-{}/locale/message-{number}.mo", number / 50);
        let mut layer = Layer::new();
        layer.header(&Entry::file(name, b""));
        let rest = layer.bytes().get(usize::try_from(offset % BLOCK).unwrap()..).unwrap();
        let count = rest.len().min(buf.len());
        buf.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        Ok(count)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(ENTRIES * BLOCK)
    }
}

#[test]
fn half_a_million_entries_take_less_than_100_mib() {
    if ran_elsewhere("layer_large::half_a_million_entries_take_less_than_100_mib") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tree = Folder::open_root(dir.path(), Gate::default()).unwrap();
    let media_type = "application/vnd.oci.image.layer.v1.tar";
    let before = peak_kib();
    let request = LayerComparison {
        layers: &[LayerBlob { blob: &Endless, media_type, algorithm: Algorithm::Sha256 }],
        tree: &tree,
        flavour: Flavour::OverlayFirst,
        lowers: &[],
        options: CompareOptions::default(),
    };
    let report = compare_layer(&request, &Interrupt::default(), &|_| {}).unwrap();
    // The files, their folders twice over, usr and usr/share.
    assert_eq!(report.counts.get("missing"), Some(&(ENTRIES + 2 * ENTRIES / 50 + 2)));
    let taken = (peak_kib() - before) / 1024;
    eprintln!("{taken} MiB");
    assert!(taken < 100, "{taken} MiB");
}
