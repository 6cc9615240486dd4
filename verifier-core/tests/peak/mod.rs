//! How much memory something takes at most: it runs in a process of its own, which is the same test again.

use std::path::Path;
use std::process::Command;

/// Names the store to the process that works on it.
const ROOT: &str = "VERIFIER_SCALE_ROOT";

/// `build` makes a store here, and `work` works on it in a child with 256 open files, `test` by name. Returns the MiB that
/// the child took; `None` in the child.
pub(crate) fn peak_mib(test: &str, build: impl FnOnce(&Path), work: impl FnOnce(&Path)) -> Option<u64> {
    if let Some(root) = std::env::var_os(ROOT) {
        work(Path::new(&root));
        println!("peak {} KiB", own_peak_kib());
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    build(&root);
    // A quarter of the open files that most processes may have.
    let mut child = Command::new("sh");
    child.args(["-c", "ulimit -n 256 && exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--include-ignored", "--nocapture"]).env(ROOT, &root);
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let peak = text.split_once("peak ").unwrap().1.split(' ').next().unwrap();
    let peak_mib = peak.parse::<u64>().unwrap() / 1024;
    eprintln!("{test}: {peak_mib} MiB");
    Some(peak_mib)
}

fn own_peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
