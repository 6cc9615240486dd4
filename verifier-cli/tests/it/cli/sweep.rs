//! Sweeps, and what they leave behind.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::exposition;
use super::support::{META_DB, Ran, blobs, command, finish, flip, store};

/// A store, and a state folder of its own.
struct Bench {
    root: tempfile::TempDir,
    state: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        Bench { root: store(), state: tempfile::tempdir().unwrap() }
    }

    fn command(&self, name: &str, more: &[&str]) -> Command {
        let mut command = command();
        command
            .arg(name)
            .arg("--root")
            .arg(self.root.path())
            .arg("--state-dir")
            .arg(self.state.path())
            .args(more);
        command
    }

    fn run(&self, name: &str, more: &[&str]) -> Ran {
        finish(&mut self.command(name, more))
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.run("status", &["--format", "json"]).stdout).unwrap()
    }

    /// What the ledger says, line by line: the subjects.
    fn ledger(&self) -> Vec<String> {
        let roots = std::fs::read_dir(self.state.path().join("roots")).unwrap();
        let path = roots.map(|root| root.unwrap().path().join("ledger")).next().unwrap();
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let whole = text.lines().take(text.matches('\n').count());
        let json = whole.map(|line| serde_json::from_str::<Value>(&line[17..]).unwrap());
        json.map(|entry| entry["key"].as_str().unwrap().to_owned()).collect()
    }
}

/// Waits until `is_so`, or the test has hung.
fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("waited in vain for {what}");
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn a_sweep_verifies_all_and_then_nothing() {
    let bench = Bench::new();
    let first = bench.run("sweep", &[]);
    assert_eq!((first.status, first.stderr.as_str()), (0, ""), "{first:?}");
    let second = bench.run("sweep", &["--format", "json"]);
    let report = second.report();
    let left = report["coverage"]["unverified"].as_array().unwrap();
    assert!(left.iter().any(|one| one["reason"]["code"] == "verified-before"), "{report:#}");
    assert_eq!(report["coverage"]["blobs"]["bytes"], 0);
    let status = bench.status();
    assert_eq!((&status["verified"], status["damaged"].as_array().unwrap().len()), (&status["subjects"], 0));
    assert_eq!(status["runs"].as_array().unwrap().len(), 2);
    assert!(status["backups"].as_array().unwrap().len() >= 2, "{status:#}");
    let human = bench.run("status", &[]);
    assert!(human.status == 0 && human.stdout.contains("(100 %)"), "{human:?}");
}

#[test]
fn damage_is_found_and_remembered() {
    let bench = Bench::new();
    flip(&blobs(bench.root.path())[0]);
    let swept = bench.run("sweep", &["--format", "json"]);
    let codes: Vec<Value> =
        swept.report()["findings"].as_array().unwrap().iter().map(|one| one["code"].clone()).collect();
    assert_eq!((swept.status, codes.contains(&"blob-digest-mismatch".into())), (4, true), "{codes:?}");
    // The second run reads what is damaged, and nothing else: who watches sweeps is not told that all is well.
    let metrics = bench.state.path().join("metrics");
    let again = bench.run("sweep", &["--format", "json", "--metrics-file", metrics.to_str().unwrap()]);
    assert!(again.status == 4 && again.stdout.contains("blob-digest-mismatch"), "{again:?}");
    let verified = bench.status()["runs"][0]["verified"].as_u64().unwrap();
    assert!((1..bench.status()["subjects"].as_u64().unwrap()).contains(&verified), "{verified}");
    let metrics = std::fs::read_to_string(metrics).unwrap();
    assert!(metrics.contains("outcome=\"damaged\"} 1\n"), "{metrics}");
    assert_eq!(bench.run("sweep", &["--npd"]).status, 1);
    let status = bench.run("status", &["--format", "json"]);
    assert!(status.status == 4 && status.stdout.contains("blob-digest-mismatch"), "{status:?}");
    let problem = bench.run("status", &["--npd"]);
    assert_eq!(problem.status, 1);
    assert!(
        problem.stdout.starts_with("containerd store damaged") && problem.stdout.len() <= 80,
        "{problem:?}"
    );
}

#[test]
fn the_second_is_told_who_is_first_and_a_stop_keeps_the_state() {
    let bench = Bench::new();
    let slow = ["--max-rate", "100KiB/s", "--batch", "1", "--format", "json", "--ignore-pressure"];
    let mut first = bench.command("sweep", &slow).stdout(Stdio::piped()).spawn().unwrap();
    wait_for("the first line of the ledger", || {
        bench.state.path().join("roots").exists() && !bench.ledger().is_empty()
    });
    let second = bench.run("sweep", &[]);
    assert_eq!(second.status, 8);
    assert_eq!(second.complaint(), format!("sweep (pid {}) is at work on this root", first.id()));
    assert_eq!(bench.run("stamp", &[]).status, 8);
    signal(&first, "TERM");
    let mut text = String::new();
    first.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(first.wait().unwrap().code(), Some(32), "{text}");
    assert!(text.contains("\"interrupted\"") && text.contains("left-for-later"), "{text}");
    let done = bench.ledger().len();
    let status = bench.status();
    assert_eq!(status["runs"][0]["finished"], false);
    assert_eq!(status["runs"][0]["verified"], done);
    // The lock went with its holder.
    let rest = bench.run("sweep", &["--ignore-pressure"]);
    assert_eq!(rest.status, 0, "{rest:?}");
    assert_eq!(
        bench.status()["runs"][0]["verified"],
        status["runs"][0]["subjects"].as_u64().unwrap() - done as u64
    );
}

/// A sweep that reads some tenths of a second for each subject, so that a kill meets it at work.
fn killed_after(bench: &Bench, pause: Duration) -> Option<u64> {
    let options = ["--max-rate", "1MiB/s", "--batch", "1", "--ignore-pressure", "--quiet"];
    let mut child =
        bench.command("sweep", &options).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(pause);
    signal(&child, "KILL");
    child.wait().unwrap().code().map(|code| u64::try_from(code).unwrap())
}

#[test]
fn killed_twenty_times_it_covers_everything_once() {
    let bench = Bench::new();
    let whole = Bench { root: store(), state: tempfile::tempdir().unwrap() };
    assert_eq!(whole.run("sweep", &["--ignore-pressure"]).status, 0);
    let mut all = whole.ledger();
    all.sort();
    let (mut verified, mut kills, mut state) =
        (BTreeMap::<String, usize>::new(), 0, 88_172_645_463_325_252_u64);
    while kills < 20 {
        // xorshift: another moment each time, the same ones at each run of the test.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let ended = killed_after(&bench, Duration::from_millis(state % 300));
        kills += 1;
        assert!(ended.is_none() || ended == Some(0), "{ended:?}");
        if !bench.state.path().join("roots").exists() {
            continue;
        }
        // A line appears once: a subject that is verified again would be a new line, or be missing.
        let now = bench.ledger();
        let mut unique = now.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), now.len(), "verified twice: {now:?}");
        for key in verified.keys() {
            assert!(now.contains(key), "forgotten: {key}");
        }
        now.into_iter().for_each(|key| *verified.entry(key).or_default() += 1);
    }
    let last = bench.run("sweep", &["--ignore-pressure", "--format", "json"]);
    assert_eq!(last.status, 0, "{last:?}");
    let mut covered = bench.ledger();
    covered.sort();
    assert_eq!(covered, all, "after {} had been verified by the killed runs", verified.len());
    let rest = bench.status()["runs"][0]["verified"].as_u64().unwrap();
    assert_eq!(
        usize::try_from(rest).unwrap(),
        all.len() - verified.len(),
        "the last run verified what the others had not"
    );
}

#[test]
fn after_a_clean_stop_nothing_is_at_risk() {
    let bench = Bench::new();
    let at_risk =
        |bench: &Bench| bench.run("check", &["--at-risk", "--format", "json"]).report()["at_risk"].clone();
    assert_ne!(at_risk(&bench)["selected"], "nothing");
    assert_eq!(bench.run("stamp", &["--begin"]).status, 0);
    assert_ne!(at_risk(&bench)["selected"], "nothing");
    let stamp = bench.run("stamp", &[]);
    assert_eq!((stamp.status, stamp.stderr.as_str()), (0, ""));
    assert_eq!(at_risk(&bench)["selected"], "nothing");
    let report = bench.run("check", &["--at-risk"]);
    assert!(report.stdout.contains("At risk: nothing; containerd was stopped cleanly at 2"), "{report:?}");
    // A stamp is of one state: anything that writes to a database ends it.
    let meta_db = bench.root.path().join(META_DB);
    let bytes = std::fs::read(&meta_db).unwrap();
    std::fs::write(&meta_db, bytes).unwrap();
    assert_ne!(at_risk(&bench)["selected"], "nothing");
    // While somebody holds the databases, there is none.
    let file = std::fs::File::open(&meta_db).unwrap();
    file.lock().unwrap();
    let stamp = bench.run("stamp", &[]);
    assert!(stamp.status == 8 && stamp.complaint().contains("no mark is left"), "{stamp:?}");
}

#[test]
fn metrics_and_plugins() {
    let bench = Bench::new();
    let file = bench.state.path().join("fsck.prom");
    let metrics = ["--metrics-file", file.to_str().unwrap()];
    let value = |name: &str| -> f64 {
        let text = std::fs::read_to_string(&file).unwrap();
        let line = text.lines().find(|line| line.starts_with(name) && !line.starts_with('#'));
        line.unwrap_or_else(|| panic!("no {name}: {text}")).rsplit(' ').next().unwrap().parse().unwrap()
    };
    let swept = finish(bench.command("sweep", &["--npd"]).args(metrics));
    assert_eq!((swept.status, swept.stdout.as_str()), (0, "containerd store clean: nothing wrong\n"));
    let success = value("containerd_fsck_last_success_timestamp_seconds");
    assert!(success > 0.0 && value("containerd_fsck_overdue_subjects") == 0.0);
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o644);
    flip(&blobs(bench.root.path())[0]);
    let checked = finish(bench.command("check", &["--npd"]).args(metrics));
    assert_eq!(checked.status, 1);
    assert!(checked.stdout.len() <= 80 && checked.stdout.lines().count() == 1, "{checked:?}");
    assert_eq!(value("containerd_fsck_last_success_timestamp_seconds"), success);
    assert_eq!(value("containerd_fsck_outcome"), 0.0);
    let unknown = command().args(["check", "--npd", "--root", "/no/such"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(2));
}

/// Whatever the commands write to one file, in whatever order: it is of the format, and no series comes or goes.
#[test]
fn a_file_of_metrics_is_of_the_format_and_has_the_same_series_after_every_command() {
    let bench = Bench::new();
    let file = bench.state.path().join("fsck.prom");
    let all = |name: &str, status| {
        let ran = bench.run(name, &["--metrics-file", file.to_str().unwrap()]);
        assert_eq!(ran.status, status, "{ran:?}");
        let text = std::fs::read_to_string(&file).unwrap();
        exposition::parse(&text).unwrap_or_else(|why| panic!("{name}: {why}"))
    };
    let one = |samples: &BTreeMap<(String, exposition::Labels), f64>, name: &str| -> f64 {
        let found: Vec<f64> =
            samples.iter().filter(|((known, _), _)| known == name).map(|(_, value)| *value).collect();
        assert_eq!(found.len(), 1, "{name}");
        found[0]
    };
    let swept = all("sweep", 0);
    let root = bench.root.path().to_str().unwrap();
    assert!(
        swept.keys().all(|(name, labels)| name.starts_with("containerd_fsck_") && labels["root"] == root)
    );
    let last_run = one(&swept, "containerd_fsck_last_run_timestamp_seconds");
    let told = all("status", 0);
    assert_eq!(swept.keys().collect::<Vec<_>>(), told.keys().collect::<Vec<_>>());
    assert_eq!(one(&told, "containerd_fsck_last_run_timestamp_seconds"), last_run);
    flip(&blobs(bench.root.path())[0]);
    for (name, status) in [("check", 4), ("status", 0), ("sweep", 0), ("check", 4)] {
        let now = all(name, status);
        assert_eq!(swept.keys().collect::<Vec<_>>(), now.keys().collect::<Vec<_>>(), "{name}");
        assert_eq!(one(&now, "containerd_fsck_subjects"), one(&swept, "containerd_fsck_subjects"), "{name}");
        assert!(one(&now, "containerd_fsck_last_success_timestamp_seconds") >= last_run, "{name}");
    }
}

/// A device, a fifo or a link in the place of a file is refused at once: not read (there may be no end), not written to, not
/// followed, not replaced.
#[test]
fn files_that_are_none() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("victim"), "mine").unwrap();
    for (name, to) in [("null", "/dev/null"), ("full", "/dev/full"), ("link", at("victim").to_str().unwrap())]
    {
        std::os::unix::fs::symlink(to, at(name)).unwrap();
    }
    assert!(std::process::Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
    for path in [at("null"), at("full"), at("link"), at("fifo"), "/dev/null".into()] {
        let before = path.symlink_metadata().unwrap().file_type();
        let mut check = command();
        check.args(["check", "--quiet", "--root"]).arg(bench.root.path()).arg("--metrics-file").arg(&path);
        let ran = finish(&mut check);
        assert_eq!((ran.status, ran.stderr.lines().count()), (8, 1), "{ran:?}");
        assert!(ran.complaint().contains("not a regular file"), "{ran:?}");
        assert_eq!(path.symlink_metadata().unwrap().file_type(), before, "{path:?} was replaced");
    }
    assert_eq!(std::fs::read(at("victim")).unwrap(), b"mine");
    let ran = finish(command().args(["repair", "--from", "/dev/zero", "--root"]).arg(bench.root.path()));
    assert_eq!(ran.status, 16, "{ran:?}");
}

#[test]
fn the_journal_gets_levels() {
    let bench = Bench::new();
    flip(&blobs(bench.root.path())[0]);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let stat =
        std::fs::metadata(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer))).unwrap();
    let stream = format!(
        "{}:{}",
        std::os::unix::fs::MetadataExt::dev(&stat),
        std::os::unix::fs::MetadataExt::ino(&stat)
    );
    std::fs::write(blobs(bench.root.path())[0].with_file_name("not a digest"), "x").unwrap();
    for (name, more, status) in
        [("sweep", &[][..], 4), ("repair", &["--at-risk", "--yes", "--only", "clean"], 4)]
    {
        let mut command = bench.command(name, more);
        let (stdout, stderr) = (writer.try_clone().unwrap(), writer.try_clone().unwrap());
        command.env("JOURNAL_STREAM", &stream).stdout(stdout).stderr(stderr);
        assert_eq!(command.status().unwrap().code(), Some(status), "{name}");
    }
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(text.lines().all(|line| line.starts_with('<') && line[2..].starts_with('>')), "{text}");
    assert!(text.contains("\n<3>blob-digest-mismatch: "), "{text}");
    for part in
        ["\n<6>clean (1 of 1): ", ": At risk: what was made since ", "\n<5>clean: ", "\n<3>left alone: "]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.ends_with(": damage is left\n"), "{text}");
}

#[test]
fn the_guard_stops_containerd_only_where_it_would_destroy() {
    let bench = Bench::new();
    assert_eq!(bench.run("guard", &[]).status, 0);
    flip(&blobs(bench.root.path())[0]);
    assert_eq!(bench.run("guard", &[]).status, 0);
    std::fs::write(bench.root.path().join(META_DB), "").unwrap();
    let guard = bench.run("guard", &[]);
    assert!(guard.status == 4 && guard.complaint().contains("destroy"), "{guard:?}");
    assert_eq!(finish(command().args(["guard", "--root", "/no/such"])).status, 0);
}
