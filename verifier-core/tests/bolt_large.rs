//! A database of 200 MB is committed to in little memory. The only test of its process: it measures that process.

#![allow(clippy::unwrap_used, reason = "all of it is test code")]

mod bolt_support;

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

use bolt_support::{ask, oracle};
use verifier_core::bolt::{Database, Edits, commit};

/// The most that this process has had in memory so far, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_commit_to_200_mb_takes_less_than_64_mib() {
    let Some(oracle) = oracle() else { return };
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
