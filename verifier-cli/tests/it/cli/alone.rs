//! Two at once: who changes a root does it alone.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::support::{BLOBS, Ran, check, command, finish, store};

/// A store, a state folder, and a blob that takes hours to read.
struct Bench {
    root: TempDir,
    state: TempDir,
    endless: PathBuf,
}

impl Bench {
    fn new() -> Bench {
        let (root, state) = (store(), tempfile::tempdir().unwrap());
        let endless = root.path().join(BLOBS).join("0".repeat(64));
        File::create(&endless).unwrap().set_len(2 << 40).unwrap();
        Bench { root, state, endless }
    }

    fn command(&self, state: &Path, name: &str, more: &[&str]) -> Command {
        let mut command = command();
        command.arg(name).arg("--root").arg(self.root.path()).arg("--state-dir").arg(state).args(more);
        command
    }

    fn run(&self, name: &str, more: &[&str]) -> Ran {
        finish(&mut self.command(self.state.path(), name, more))
    }

    /// Begins what reads the endless blob, and waits until it does.
    fn begin(&self, name: &str, more: &[&str]) -> Child {
        let mut begun = self.command(self.state.path(), name, more);
        let child = begun.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let open = format!("/proc/{}/fd", child.id());
        let endless = self.endless.canonicalize().unwrap();
        let is_reading = || {
            std::fs::read_dir(&open).is_ok_and(|fds| {
                fds.flatten().any(|fd| fd.path().read_link().is_ok_and(|path| path == endless))
            })
        };
        while !is_reading() {
            std::thread::sleep(Duration::from_millis(5));
        }
        child
    }

    /// A run that was made by a repair, for `--undo` and `--purge`.
    fn made(&self) -> String {
        std::fs::remove_file(&self.endless).unwrap();
        let stale = self.root.path().join(BLOBS).join("not a digest");
        std::fs::write(&stale, "x").unwrap();
        assert_eq!(self.run("repair", &["--yes"]).status, 1);
        File::create(&self.endless).unwrap().set_len(2 << 40).unwrap();
        let runs = std::fs::read_dir(self.root.path().join("containerd-fsck/runs")).unwrap();
        runs.map(|run| run.unwrap().file_name().into_string().unwrap()).next().unwrap()
    }
}

/// Kills without a chance to tidy up.
fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_second_is_told_that_a_repair_is_under_way() {
    let bench = Bench::new();
    let run = bench.made();
    let first = bench.begin("repair", &["--yes"]);
    let held = format!("repair (pid {}) is at work on this root", first.id());
    for (name, more) in [
        ("repair", &["--yes"][..]),
        ("repair", &["--yes", "--mode", "live"]),
        ("repair", &["--yes", "--at-risk"]),
        ("repair", &["--undo", &run]),
        ("repair", &["--purge", &run, "--yes"]),
        ("repair", &["--purge", "all", "--yes"]),
        ("sweep", &[]),
        ("stamp", &[]),
    ] {
        let second = bench.run(name, more);
        assert_eq!((second.status, second.complaint()), (8, held.as_str()), "{name} {more:?}");
    }
    // Another state folder does not make it another root.
    let elsewhere = tempfile::tempdir().unwrap();
    for more in [&["--yes"][..], &["--undo", &run], &["--purge", &run, "--yes"]] {
        let second = finish(&mut bench.command(elsewhere.path(), "repair", more));
        assert_eq!((second.status, second.complaint()), (8, held.as_str()), "{more:?}");
    }
    // Who only looks waits for nobody.
    assert_eq!(check(bench.root.path(), &["--depth", "quick"]).status, 0);
    let listed = bench.run("repair", &["--runs"]);
    assert!(listed.status == 0 && listed.stdout.contains(&run), "{listed:?}");
    assert!(bench.run("status", &[]).stdout.contains(&run));

    kill(first);
    assert_eq!(bench.run("repair", &["--undo", &run]).status, 0, "the lock went with its holder");
    assert_eq!(bench.run("repair", &["--purge", "all", "--yes"]).status, 0);
    std::fs::remove_file(&bench.endless).unwrap();
    assert_eq!(bench.run("sweep", &[]).status, 0);
}

#[test]
fn a_repair_does_not_run_beside_a_sweep() {
    let bench = Bench::new();
    let run = bench.made();
    let first = bench.begin("sweep", &["--ignore-pressure"]);
    let held = format!("sweep (pid {}) is at work on this root", first.id());
    for more in [&["--yes"][..], &["--undo", &run], &["--purge", &run, "--yes"]] {
        let second = bench.run("repair", more);
        assert_eq!((second.status, second.complaint()), (8, held.as_str()), "{more:?}");
    }
    kill(first);
    assert_eq!(bench.run("repair", &["--undo", &run]).status, 0, "the lock went with its holder");
}

#[test]
fn of_many_at_once_one_repairs() {
    let bench = Bench::new();
    std::fs::remove_file(&bench.endless).unwrap();
    let stale = bench.root.path().join(BLOBS).join("not a digest");
    std::fs::write(&stale, "x").unwrap();
    let all: Vec<Child> = (0..8)
        .map(|_| {
            let mut repair = bench.command(bench.state.path(), "repair", &["--yes"]);
            repair.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut repaired = 0;
    for child in all {
        let output = child.wait_with_output().unwrap();
        match output.status.code() {
            Some(1) => repaired += 1,
            // It came when all was done.
            Some(0) => {}
            Some(8) => assert!(String::from_utf8_lossy(&output.stderr).contains(" at work on this root")),
            _ => panic!("{output:?}"),
        }
    }
    assert_eq!(repaired, 1);
    assert!(!stale.exists());
    assert_eq!(check(bench.root.path(), &["--strict"]).status, 0);
}

#[test]
fn a_state_folder_that_cannot_be_written_keeps_nobody_from_repairing() {
    let bench = Bench::new();
    std::fs::remove_file(&bench.endless).unwrap();
    let file = bench.state.path().join("file");
    std::fs::write(&file, "").unwrap();
    for state in [file.as_path(), Path::new("/proc/containerd-fsck")] {
        let stale = bench.root.path().join(BLOBS).join("not a digest");
        std::fs::write(&stale, "x").unwrap();
        let healed = finish(&mut bench.command(state, "repair", &["--at-risk", "--yes"]));
        assert_eq!(healed.status, 1, "{healed:?}");
        let told = healed.stderr.lines().filter(|line| line.contains("going on without the lock")).count();
        assert!(told == 1 && !stale.exists(), "{healed:?}");
    }
}

/// The time of a repair at boot is up: what the sweeps before it verified says nothing about what the crash took.
#[test]
fn a_look_at_what_is_at_risk_that_is_cut_off_leaves_all_to_the_sweep() {
    let bench = Bench::new();
    std::fs::remove_file(&bench.endless).unwrap();
    let verified = || -> serde_json::Value {
        let status: serde_json::Value =
            serde_json::from_str(&bench.run("status", &["--format", "json"]).stdout).unwrap();
        status["runs"][0]["verified"].clone()
    };
    assert_eq!(bench.run("sweep", &[]).status, 0);
    let all = verified();
    assert_eq!((bench.run("sweep", &[]).status, verified()), (0, 0.into()));
    assert_eq!(bench.run("repair", &["--at-risk", "--yes"]).status, 0);
    assert_eq!((bench.run("sweep", &[]).status, verified()), (0, 0.into()), "it came to its end");

    for signal in ["TERM", "KILL"] {
        File::create(&bench.endless).unwrap().set_len(2 << 40).unwrap();
        let mut cut = bench.begin("repair", &["--at-risk", "--yes"]);
        let sent = Command::new("kill").args(["-s", signal, &cut.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let ended = cut.wait().unwrap().code();
        assert_eq!(ended, (signal == "TERM").then_some(32));
        std::fs::remove_file(&bench.endless).unwrap();
        assert!(bench.run("status", &[]).stdout.contains("(0 %)"));
        assert_eq!((bench.run("sweep", &[]).status, verified()), (0, all.clone()), "{signal}");
        assert_eq!((bench.run("sweep", &[]).status, verified()), (0, 0.into()), "{signal}: once");
    }
}
