//! Processes with an end: bounded runs, bounded waits, and mounts that are ours to undo.

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

/// Calls `done` until it gives a value; panics after `limit` with what was waited for.
pub(super) fn wait_for<T>(what: &str, limit: Duration, mut done: impl FnMut() -> Option<T>) -> T {
    poll(limit, &mut done).unwrap_or_else(|| panic!("{what}: nothing after {limit:?}"))
}

/// Calls `done` until it gives a value, or gives up after `limit`.
pub(super) fn poll<T>(limit: Duration, mut done: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(value) = done() {
            return Some(value);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Runs a command to its end and returns what it said; kills it and panics when it takes longer than `limit`.
///
/// Output goes through files, so a grandchild that keeps a descriptor open cannot hold us up.
pub fn run(command: &mut Command, limit: Duration) -> Output {
    let mut stdout = tempfile::tempfile().expect("temporary file");
    let mut stderr = tempfile::tempfile().expect("temporary file");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(stdout.try_clone().expect("descriptor"))
        .stderr(stderr.try_clone().expect("descriptor"))
        .spawn()
        .unwrap_or_else(|why| panic!("{command:?}: {why}"));
    let Some(status) = poll(limit, || child.try_wait().expect("wait")) else {
        child.kill().ok();
        child.wait().ok();
        panic!(
            "{command:?} did not end within {limit:?}: {}",
            String::from_utf8_lossy(&read_back(&mut stderr))
        );
    };
    Output { status, stdout: read_back(&mut stdout), stderr: read_back(&mut stderr) }
}

/// [`run`], then panics unless the command succeeded; gives its stdout.
pub fn succeed(command: &mut Command, limit: Duration) -> String {
    let output = run(command, limit);
    ended_well(command, &output)
}

/// The stdout of a command that succeeded; panics if it did not.
pub(super) fn ended_well(command: &Command, output: &Output) -> String {
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn read_back(file: &mut std::fs::File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().expect("rewind");
    file.read_to_end(&mut bytes).expect("read back");
    bytes
}

/// Asks a child to end, and after `patience` makes it. Its status, for who wants it.
pub(super) fn end_child(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    if let Ok(Some(status)) = child.try_wait() {
        return Some(status);
    }
    kill_process(Pid::from_child(child), Signal::TERM).ok();
    let status = poll(patience, || child.try_wait().ok().flatten());
    if status.is_none() {
        child.kill().ok();
    }
    status.or_else(|| child.wait().ok())
}

/// Kills every process whose arguments contain this one, whole, and waits until it is gone.
///
/// Made for shims, which outlive containerd and carry its socket's path; that path is in a temporary folder of ours, so
/// no other process can have it.
pub(super) fn kill_by_argument(argument: &str) {
    let has_it = |pid: Pid| {
        std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero()))
            .is_ok_and(|line| line.split(|&byte| byte == 0).any(|word| word == argument.as_bytes()))
    };
    for pid in processes() {
        // The descriptor is taken before the arguments are read: the number cannot pass to another process in between.
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        if has_it(pid) && pidfd_send_signal(&process, Signal::KILL).is_ok() {
            // A process that ended has no arguments any more, also before somebody waits for it.
            poll(Duration::from_secs(10), || (!has_it(pid)).then_some(()));
        }
    }
}

fn processes() -> Vec<Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// Unmounts all that is mounted strictly below a folder, the deepest and latest first.
pub(super) fn unmount_below(folder: &Path) {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().rev().filter_map(|line| line.split(' ').nth(4)).map(unescape);
    for point in points.filter(|point| point.starts_with(folder) && point != folder) {
        unmount(&point);
    }
}

/// Unmounts one mount point; lazily when it is busy for more than two seconds.
pub(super) fn unmount(point: &Path) {
    let umount = |lazy: &[&str]| {
        let command = &mut Command::new("umount");
        run(command.args(lazy).arg(point), Duration::from_secs(60)).status.success().then_some(())
    };
    if poll(Duration::from_secs(2), || umount(&[])).is_none() {
        umount(&["-l"]);
    }
}

/// mountinfo writes space, tab, newline and backslash as three octal digits.
fn unescape(field: &str) -> PathBuf {
    let mut out = String::new();
    let mut rest = field;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let code = after.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        out.push(code.map_or('\\', char::from));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    out.push_str(rest);
    PathBuf::from(out)
}
