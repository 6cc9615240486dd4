//! A database of 200 MB is committed to in little memory. Alone in its process, because it measures that process.

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

use crate::alone::{peak_kib, ran_elsewhere};
use crate::bolt_support::{ask, needed_oracle};
use verifier_core::bolt::{Database, Edits, commit};

#[test]
#[ignore = "needs ci/setup: Go's bbolt"]
fn a_commit_to_200_mb_takes_less_than_64_mib() {
    let oracle = needed_oracle();
    if ran_elsewhere("bolt_large::a_commit_to_200_mb_takes_less_than_64_mib") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    // Stdin ends at once, so it writes its ballast and stops.
    let mut write = Command::new(oracle);
    write.args(["write", "-nosync", "-mib", "200"]).arg(&path).stdin(Stdio::null()).stdout(Stdio::null());
    assert!(write.status().unwrap().success());
    let size = std::fs::metadata(&path).unwrap().len();
    assert!(size > 200 << 20, "{size}");
    let mut edits = Edits::new();
    edits.put(["pair"], "left", 7_u64.to_be_bytes());
    edits.delete(["ballast"], 9_u64.to_be_bytes());
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let started = std::time::Instant::now();
    let done = commit(&file, &edits).unwrap();
    let peak = peak_kib();
    eprintln!("{} MiB written in {:?}, peak {peak} KiB", done.bytes_written >> 20, started.elapsed());
    assert!(peak < 64 << 10, "{peak} KiB");
    assert!(done.bytes_written > 200 << 20 && done.inverse.0.len() == 2);
    assert!(Database::open(&file).unwrap().walk(&mut ()).faults.is_empty());
    ask(oracle, &["check"], &path);
}
