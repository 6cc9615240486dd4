//! After a power cut right after a pull, on a store with fifty older images: what is at risk is found and put right, and
//! hardly anything else is read.

#![expect(clippy::unwrap_used, reason = "a test ends where its own footing fails")]

mod repair_common;
mod restore_common;

use std::path::Path;
use std::time::Duration;

use repair_common::repair_checked;
use testdata::bed::{self, Bed, Containerd, FsKind, Generation, LoopFs, Registry, write_noise};
use verifier_core::event::{Interrupt, Unobserved};
use verifier_core::finding::Code;
use verifier_core::plan::AtRisk;
use verifier_core::repair::disk::StepGate;
use verifier_core::repair::plan::RepairOptions;
use verifier_core::report::Report;
use verifier_core::{CheckOptions, Store, check};

const OLDER: u64 = 50;
const OLDER_BYTES: usize = 2 << 20;

#[test]
fn what_a_power_cut_put_at_risk_is_repaired_and_little_else_is_read() {
    let Some(bed) = bed::gate() else { return };
    let generations = bed.generations();
    for (kind, generation) in
        [(FsKind::Ext4, generations[0]), (FsKind::Xfs, generations[generations.len() - 1])]
    {
        cut_and_repair(&bed, kind, generation);
    }
}

fn cut_and_repair(bed: &Bed, kind: FsKind, generation: Generation) {
    let registry = Registry::start(bed);
    let live = LoopFs::new(kind, 3 << 30);
    let mut containerd = Containerd::start(bed, generation, &live.path().join("root"));
    let folder = tempfile::tempdir().unwrap();
    for number in 0..OLDER {
        let layout = folder.path().join(number.to_string());
        write_noise(&layout, OLDER_BYTES, number);
        registry.push(&layout, &format!("older-{number}:t"));
        containerd.pull(&registry.reference(&format!("older-{number}:t")));
    }
    live.sync();
    // The window of a real node is two minutes; a test waits for seconds.
    let window = Duration::from_secs(5);
    std::thread::sleep(window + Duration::from_secs(3));
    registry.push(&bed.image("small"), "small:t");
    containerd.pull(&registry.reference("small:t"));
    let cut = live.cut_image();
    containerd.stop();
    drop((containerd, live));
    let fs = cut.mount();
    let root = fs.path().join("root");

    let full = see(&root, CheckOptions::default());
    assert!(full.count(Code::SnapshotDiffers) > 0, "{:?}", full.findings);
    let at_risk = AtRisk { window, ..AtRisk::default() };
    let options = CheckOptions::default().at_risk(Some(at_risk));
    let quick = see(&root, options.clone());
    assert_eq!(quick.findings, full.findings, "{kind} {generation}");
    let bytes = |report: &Report| report.coverage.blobs.bytes + report.coverage.snapshots.bytes;
    let share = bytes(&quick) * 1000 / bytes(&full);
    eprintln!("{kind} containerd {generation}: {} of {} bytes", bytes(&quick), bytes(&full));
    assert!(share < 50, "{share} thousandths of the bytes were read");

    let repaired = repair_checked(&root, &RepairOptions::default(), &StepGate::default(), &options).unwrap();
    assert!(repaired.failed.is_empty() && repaired.refused.is_empty(), "{repaired:?}");
    let before = registry.blob_pulls();
    let mut containerd = Containerd::start(bed, generation, &root);
    let image = registry.reference("small:t");
    let said = containerd.run_with(&["--rm"], &image, "once", &["/bin/sh", "-c", "echo $((6 * 7))"]);
    assert_eq!((said.trim(), registry.blob_pulls()), ("42", before), "{kind} {generation}");
    containerd.stop();
    let after = see(&root, CheckOptions::default());
    assert!(!after.is_damaged(true), "{kind} {generation}: {:?}", after.findings);
}

fn see(root: &Path, options: CheckOptions) -> Report {
    let store = Store::open(root).unwrap();
    check(&store, &options, &Unobserved, &Interrupt::default()).unwrap()
}
