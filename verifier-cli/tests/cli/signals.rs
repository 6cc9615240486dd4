//! Ctrl-C and SIGTERM.

use std::fs::File;
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
