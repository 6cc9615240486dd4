//! A test in a process of its own: what the kernel counts by the process (memory) is no business of the tests beside it.

use std::process::Command;

/// Names the test to the process that runs it.
const TEST: &str = "VERIFIER_ALONE";

/// Runs `test` (`module::name`) in a process of its own, which has to pass it, and says whether it did: false in that process.
pub(crate) fn ran_elsewhere(test: &str) -> bool {
    if std::env::var_os(TEST).is_some_and(|name| name == test) {
        return false;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--include-ignored", "--nocapture"]).env(TEST, test);
    let output = child.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    eprint!("{err}");
    assert!(output.status.success() && out.contains("1 passed"), "{out}");
    true
}

/// The most memory that this process has had so far, in KiB.
pub(crate) fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
