//! Closed pipes, full disks, colours and the progress bar.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use super::support::{BLOBS, blobs, command, finish, flip, store};

#[test]
fn a_reader_that_goes_away_changes_nothing() {
    let root = store();
    flip(&blobs(root.path())[0]);
    let root = root.path().to_str().unwrap();
    for (args, status) in [
        (&["check", "--root", root][..], 4),
        (&["check", "--root", root, "--format", "json"], 4),
        (&["explain"], 0),
        (&["roots"], 0),
        (&["--help"], 0),
    ] {
        let mut child = command().args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(status), "{args:?}: {stderr}");
        assert_eq!(
            stderr.replace("containerd-fsck: no containerd root found on this machine\n", ""),
            "",
            "{args:?}"
        );
    }
}

#[test]
fn a_closed_stderr_changes_nothing() {
    for args in [&["check", "--root", "/no/such"][..], &["explain", "nosuch"], &["check", "--nosuch"]] {
        let mut child = command().args(args).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stderr.take());
        assert_eq!(child.wait().unwrap().code(), Some(16), "{args:?}");
    }
}

#[test]
fn a_report_that_cannot_be_written_is_no_success() {
    let root = store();
    let check = |root: &Path| {
        let full = File::options().write(true).open("/dev/full").unwrap();
        finish(command().args(["check", "--root"]).arg(root).stdout(full))
    };
    let clean = check(root.path());
    assert_eq!(clean.status, 8, "{clean:?}");
    assert!(clean.stderr.contains("standard output: "), "{clean:?}");
    flip(&blobs(root.path())[0]);
    assert_eq!(check(root.path()).status, 12);
}

#[test]
fn colour_is_for_terminals_or_on_demand() {
    let root = store();
    let check = |args: &[&str], env: &[(&str, &str)]| {
        let ran =
            finish(command().args(["check", "--root"]).arg(root.path()).args(args).envs(env.iter().copied()));
        assert_eq!(ran.status, 0);
        assert_eq!(ran.stderr, "");
        ran.stdout.contains('\x1b')
    };
    assert!(!check(&[], &[]));
    assert!(!check(&["--color", "never"], &[]));
    assert!(check(&["--color", "always"], &[]));
    assert!(check(&["--color", "always"], &[("NO_COLOR", "1")]));
    assert!(!check(&["--format", "json", "--color", "always"], &[]));
}

/// What the command writes to a terminal, which `script` (bsdutils) gives it.
fn on_a_terminal(line: &str, env: &[(&str, &str)]) -> String {
    let line = format!("{} {line}", env!("CARGO_BIN_EXE_containerd-fsck"));
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).env_remove("NO_COLOR").env("TERM", "xterm");
    let output = script.envs(env.iter().copied()).stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_terminal_gets_colours_and_progress() {
    let root = store();
    // Something to read for a while: half a gigabyte of nothing, by a name that it does not hash to.
    let blob = root.path().join(BLOBS).join("0".repeat(64));
    File::create(blob).unwrap().set_len(512 << 20).unwrap();
    let line = format!("check --depth blobs --root {}", root.path().display());
    let shown = on_a_terminal(&line, &[]);
    assert!(shown.contains("\r\x1b[Kverify [") && shown.contains(" of 512 MiB"), "{shown:?}");
    assert!(shown.contains("\x1b[1;31mERROR\x1b[0m"), "{shown:?}");
    let report = shown.rsplit("\r\x1b[K").next().unwrap();
    assert!(report.contains("depth blobs") && report.contains("DAMAGED."), "the line is not gone: {shown:?}");
    for (more, env) in [("--no-progress", &[][..]), ("--quiet", &[]), ("", &[("TERM", "dumb")])] {
        let shown = on_a_terminal(&format!("{line} {more}"), env);
        assert!(
            !shown.contains("\x1b[K") && shown.contains("amaged") | shown.contains("DAMAGED"),
            "{shown:?}"
        );
    }
    assert!(!on_a_terminal(&line, &[("NO_COLOR", "1")]).contains("\x1b[1"));
}
