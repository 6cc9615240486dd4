//! Ctrl-C and SIGTERM.

use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::support::{BLOBS, Ran, command, store};

/// Sends `signal` to a check that would go on for minutes, as soon as it reads content.
fn stopped_by(signal: &str, format: &str) -> Ran {
    let root = store();
    let blob = root.path().join(BLOBS).join("0".repeat(64));
    File::create(blob).unwrap().set_len(2 << 40).unwrap();
    let child = command()
        .args(["check", "--depth", "blobs", "--format", format, "--root"])
        .arg(root.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let open = format!("/proc/{}/fd", child.id());
    let is_reading = || {
        std::fs::read_dir(&open).is_ok_and(|fds| {
            fds.flatten().any(|fd| fd.path().read_link().is_ok_and(|path| path.ends_with("0".repeat(64))))
        })
    };
    while !is_reading() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let kill = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let status = output.status.code().unwrap_or_else(|| panic!("{signal} killed it"));
    Ran { status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn a_stopped_check_reports_what_it_has() {
    for signal in ["INT", "TERM"] {
        let json = stopped_by(signal, "json");
        assert_eq!((json.status, json.stderr.as_str()), (32, ""), "{signal}");
        let report = json.report();
        assert_eq!(report["complete"], false);
        let unverified = report["coverage"]["unverified"].as_array().unwrap();
        assert!(unverified.iter().any(|one| one["reason"]["code"] == "interrupted"), "{report:#}");
        let human = stopped_by(signal, "human");
        assert_eq!(human.status, 32);
        assert!(human.stdout.ends_with("INCOMPLETE: not everything could be checked.\n"), "{}", human.stdout);
    }
}

#[test]
fn a_second_signal_ends_what_hangs() {
    let root = store();
    let (_reader, mut full) = std::io::pipe().unwrap();
    full.write_all(&[0; 1 << 16]).unwrap();
    let mut child = command().args(["check", "--root"]).arg(root.path()).stdout(full).spawn().unwrap();
    // Before there is a thread that waits for signals, the first one would be the last. Writing the report never ends.
    let tasks = format!("/proc/{}/task", child.id());
    let is_ready = || {
        std::fs::read_dir(&tasks).is_ok_and(|tasks| {
            tasks.flatten().any(|task| {
                std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "ctrl-c")
            })
        })
    };
    while !is_ready() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        let kill = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(status.code(), Some(32), "{status}");
}
