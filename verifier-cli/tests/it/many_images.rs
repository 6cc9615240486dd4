//! A node with many images: 2,000 of them, 20,000 snapshots. The quick depth is for every boot: it must not take memory.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testdata::builder::Scale;

/// The options, and the MiB that they may take. What a crash put at risk is compared with its layers: all of it, here.
const RUNS: [(&[&str], u64); 2] =
    [(&["--depth", "quick"], 72), (&["--at-risk", "--at-risk-window", "0"], 112)];

/// The most memory a process has had so far, in KiB; `None` when it is gone.
fn memory_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

#[test]
fn the_quick_depth_is_small() {
    let folder = tempfile::tempdir().unwrap();
    let (root, state) = (folder.path().join("root"), folder.path().join("state"));
    Scale::Snapshots.build(Scale::Snapshots.rows()).unwrap().write(&root).unwrap();
    for (options, limit_mib) in RUNS {
        // Whoever writes into a full pipe waits: so the process is still there when all its work is done.
        let (mut reader, mut full) = std::io::pipe().unwrap();
        full.write_all(&[b' '; 1 << 16]).unwrap();
        let begin = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_containerd-fsck"))
            .args(["check", "--format", "json", "--root"])
            .arg(&root)
            .arg("--state-dir")
            .arg(&state)
            .args(options)
            .stdout(full)
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        // It waits in pipe_write when the report is due.
        let wchan = format!("/proc/{}/wchan", child.id());
        let is_done = || std::fs::read_to_string(&wchan).is_ok_and(|at| at.contains("pipe_write"));
        while !is_done() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let (took, most) = (begin.elapsed(), memory_kib(child.id()));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        let status = child.wait().unwrap();
        let most = most.unwrap_or_else(|| panic!("it did not wait: {text}"));
        eprintln!("{options:?}: {took:.1?}, {} MiB", most >> 10);
        assert_eq!(status.code(), Some(0), "{options:?}: {}", text.trim());
        assert!(text.contains("\"outcome\": \"clean\""), "{text}");
        assert!(most <= limit_mib << 10, "{options:?}: {most} KiB");
    }
}
