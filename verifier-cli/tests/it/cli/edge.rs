//! What the system refuses ends in a status of ours and a sentence, never in a panic.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use testdata::golden;

use super::support::{Ran, as_nobody, finish, open_folder};

/// `check` of the newest golden store as nobody, who may have so many threads.
fn check_with(limits: &[&str]) -> Ran {
    let (_program, nobody) = as_nobody();
    let store = open_folder();
    golden::unpack(golden::names().last().unwrap(), store.path()).unwrap();
    let _ = Command::new("chown").args(["-R", "65534:65534"]).arg(store.path()).output();
    let mut command = Command::new("prlimit");
    if std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0) {
        command.uid(65534).gid(65534);
    }
    command.args(limits).arg(nobody.get_program());
    finish(command.args(["check", "--threads", "8", "--format", "json", "--root"]).arg(store.path()))
}

#[test]
fn without_threads_there_is_a_report_with_gaps_and_no_false_alarm() {
    let free = check_with(&[]).report();
    let ran = check_with(&["--nproc=1"]);
    assert_eq!(ran.status & !12, 0, "{ran:?}");
    assert!(ran.stderr.lines().all(|line| line.starts_with("containerd-fsck: ")), "{ran:?}");
    let bound: serde_json::Value =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|why| panic!("{why}: {ran:?}"));
    // The blobs are hashed by the one thread there is; what needs two is a gap.
    assert_eq!(bound["coverage"]["blobs"], free["coverage"]["blobs"], "{bound:#}");
    let findings = |report: &serde_json::Value| report["findings"].as_array().unwrap().clone();
    assert!(findings(&bound).iter().all(|finding| findings(&free).contains(finding)), "{bound:#}");
    assert_eq!((ran.status & 8, &bound["complete"]), (8, &false.into()), "{bound:#}");
}
