//! What of the host lies behind damage, on file systems of their own.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use testdata::bed::{self, FsKind, LoopFs, run, succeed};
use testdata::golden;

use super::support::{BLOBS, blobs};

const LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

/// A store on a file system of its own.
struct Host {
    fs: LoopFs,
    root: PathBuf,
}

impl Host {
    fn new() -> Host {
        let _bed = bed::gate();
        let fs = LoopFs::new(FsKind::Ext4, 64 << 20);
        let root = fs.path().join("containerd");
        golden::unpack(golden::names().last().unwrap(), &root).unwrap();
        Host { fs, root }
    }

    /// The advice of a check, by code; `view` runs before it, in a mount namespace of its own.
    fn advice(&self, view: &str) -> Vec<Value> {
        let script = format!("{view}\nexec \"$@\"");
        let mut check = Command::new("unshare");
        check.args([
            "--mount",
            "sh",
            "-e",
            "-c",
            &script,
            "-",
            env!("CARGO_BIN_EXE_containerd-fsck"),
            "check",
            "--root",
        ]);
        let said = run(check.arg(&self.root).args(["--format", "json"]), LIMIT);
        let report: Value = serde_json::from_slice(&said.stdout)
            .unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(&said.stderr)));
        // Of this machine's containerd, if there is one.
        let of_daemon = ["no-folder-sync", "parallel-unpack-bug", "unpacked-files-not-synced"];
        let advice = report["advice"].as_array().unwrap().iter();
        let advice = advice.filter(|one| !of_daemon.contains(&one["code"].as_str().unwrap()));
        // A loop device that had errors under another test has its name for good.
        advice.filter(|one| one["code"] != "io-errors").cloned().collect()
    }

    /// As [`Host::advice`], with these lines as the machine's fstab.
    fn with_fstab(&self, lines: &str) -> Vec<Value> {
        self.with_etc(&etc_with(lines))
    }

    /// As [`Host::advice`], with a folder laid over `/etc`.
    fn with_etc(&self, folder: &tempfile::TempDir) -> Vec<Value> {
        self.advice(&format!("mount -t overlay -o lowerdir={}:/etc none /etc", folder.path().display()))
    }

    fn device(&self) -> String {
        let mut findmnt = Command::new("findmnt");
        succeed(findmnt.args(["-n", "-o", "SOURCE"]).arg(self.fs.path()), LIMIT).trim().to_owned()
    }
}

/// A folder with this fstab, to be laid over `/etc`: there may be none to put it in the place of.
fn etc_with(lines: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("fstab"), lines).unwrap();
    folder
}

fn codes(advice: &[Value]) -> Vec<&str> {
    advice.iter().map(|one| one["code"].as_str().unwrap()).collect()
}

/// Takes all but so many bytes of what is free.
fn fill(folder: &Path, left_bytes: u64) {
    let mut file = File::create(folder.join("filler")).unwrap();
    let free = || {
        let stat = rustix::fs::statvfs(folder).unwrap();
        stat.f_bavail * stat.f_frsize
    };
    while free() > left_bytes && file.write_all(&[1; 1 << 16]).and_then(|()| file.sync_data()).is_ok() {}
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn a_file_system_without_room() {
    let host = Host::new();
    assert_eq!(host.advice(""), Vec::<Value>::new());
    fill(host.fs.path(), 1 << 20);
    let advice = host.advice("");
    assert_eq!(codes(&advice), ["disk-nearly-full"]);
    let bytes = |name: &str| advice[0][name].as_u64().unwrap();
    assert!(bytes("free_bytes") <= 1 << 20 && bytes("size_bytes") > 32 << 20, "{advice:?}");
    std::fs::remove_file(host.fs.path().join("filler")).unwrap();

    let many = host.fs.path().join("many");
    std::fs::create_dir(&many).unwrap();
    let made = (0..).take_while(|number| File::create(many.join(number.to_string())).is_ok()).count();
    let advice = host.advice("");
    assert_eq!(codes(&advice), ["inodes-nearly-used-up"], "{made} files: {advice:?}");
    assert_eq!(advice[0]["free"], 0);
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn a_file_system_that_is_read_only_and_not_one_that_only_looks_so() {
    let host = Host::new();
    let mount = host.fs.path().display();
    // What ProtectSystem=strict does to a service.
    let own_view = format!("mount -o remount,bind,ro /\nmount -o remount,bind,ro {mount}");
    assert_eq!(host.advice(&own_view), Vec::<Value>::new());
    let bound = format!("mount -o remount,bind,ro {mount}");
    assert_eq!(codes(&host.advice(&bound)), ["mounted-read-only"]);
    succeed(Command::new("mount").args(["-o", "remount,ro"]).arg(host.fs.path()), LIMIT);
    assert_eq!(codes(&host.advice("")), ["mounted-read-only"]);
    assert_eq!(codes(&host.advice(&own_view)), ["mounted-read-only"]);
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_file_system_that_is_not_mounted_and_one_that_is_another() {
    let host = Host::new();
    let (own, mount, root) = (host.device(), host.fs.path().display(), host.root.display());
    let advice = host.with_fstab(&format!("UUID=1 / ext4\n/dev/sdz9 {root} xfs defaults 0 2\n"));
    assert_eq!(codes(&advice), ["not-mounted"]);
    assert_eq!((&advice[0]["source"], &advice[0]["instead"]), (&"/dev/sdz9".into(), &own.as_str().into()));
    let other = LoopFs::new(FsKind::Ext4, 16 << 20);
    let mut findmnt = Command::new("findmnt");
    let other_device = succeed(findmnt.args(["-n", "-o", "SOURCE"]).arg(other.path()), LIMIT);
    let advice = host.with_fstab(&format!("{} {mount} ext4 defaults 0 2\n", other_device.trim()));
    assert_eq!(codes(&advice), ["mounted-from-another"]);
    for source in [own.as_str(), "UUID=0123-absent", "/dev/absent", "LABEL=absent"] {
        let advice = host.with_fstab(&format!("{source} {mount} ext4 defaults 0 2\n"));
        assert_eq!(advice, Vec::<Value>::new(), "{source}");
    }

    // A mount unit, which something wants.
    let mut escape = Command::new("systemd-escape");
    let unit = succeed(escape.args(["--path", "--suffix=mount"]).arg(&host.root), LIMIT).trim().to_owned();
    let etc = etc_with("");
    let units = etc.path().join("systemd/system");
    std::fs::create_dir_all(units.join("local-fs.target.wants")).unwrap();
    std::fs::write(units.join(&unit), format!("[Mount]\nWhat=/dev/sdz9\nWhere={root}\n")).unwrap();
    assert_eq!(host.with_etc(&etc), Vec::<Value>::new());
    std::os::unix::fs::symlink(units.join(&unit), units.join("local-fs.target.wants").join(&unit)).unwrap();
    let advice = host.with_etc(&etc);
    assert_eq!((codes(&advice), &advice[0]["source"]), (vec!["not-mounted"], &"/dev/sdz9".into()));

    // Where nothing of containerd's is, that is why.
    let empty = host.fs.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let etc = etc_with(&format!("/dev/sdz9 {} ext4\n", empty.display()));
    let script = "mount -t overlay -o lowerdir=\"$0\":/etc none /etc && exec \"$@\"";
    let mut check = Command::new("unshare");
    check.args(["--mount", "sh", "-c", script]).arg(etc.path());
    check.args([env!("CARGO_BIN_EXE_containerd-fsck"), "check", "--root"]).arg(&empty);
    let said = run(&mut check, LIMIT);
    let text = String::from_utf8_lossy(&said.stderr);
    assert_eq!(
        (said.status.code(), text.contains("is configured to be mounted on")),
        (Some(16), true),
        "{text}"
    );
}

#[test]
#[ignore = "needs root and ci/setup: real containerds"]
fn a_disk_that_fails() {
    let host = Host::new();
    let fs = host.fs.path();
    succeed(Command::new("sync").arg("-f").arg(fs), LIMIT);
    let device = host.device();
    let disk = File::options().write(true).open(host.fs.image_file()).unwrap();
    let size = disk.metadata().unwrap().len();
    disk.set_len(4096).unwrap();
    for name in blobs(&host.root).keys() {
        let blob = File::open(host.root.join(BLOBS).join(name)).unwrap();
        rustix::fs::fadvise(&blob, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    }
    let mut check = Command::new(env!("CARGO_BIN_EXE_containerd-fsck"));
    let said = run(check.arg("check").arg("--root").arg(&host.root).args(["--format", "json"]), LIMIT);
    disk.set_len(size).unwrap();
    let report: Value = serde_json::from_slice(&said.stdout).unwrap();
    let advice = report["advice"].as_array().unwrap();
    let name = device.trim_start_matches("/dev/");
    let errors = advice.iter().find(|one| one["code"] == "io-errors" && one["device"] == name);
    assert!(errors.is_some_and(|one| one["lines"].as_u64() > Some(0)), "{advice:#?}");
}

/// A program that holds the lock of a root's meta.db until its input ends.
fn holder(program: &Path, root: &Path) -> std::process::Child {
    use std::io::BufRead as _;
    use std::process::Stdio;
    let mut child = Command::new(program)
        .arg(root.join("io.containerd.metadata.v1.bolt/meta.db"))
        .args(["--command", "echo held; exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "held\n");
    child
}

#[test]
fn the_program_of_who_holds_a_root_is_never_executed() {
    use rustix::fs::inotify;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    golden::unpack(golden::names().last().unwrap(), &root).unwrap();
    // Whoever may lock the file may run what he likes under this name.
    let program = folder.path().join("containerd");
    let copied = Command::new("cp").arg("/usr/bin/flock").arg(&program).status().unwrap();
    assert!(copied.success());
    let mut child = holder(&program, &root);
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&watch, &program, inotify::WatchFlags::OPEN).unwrap();
    for args in
        [&["check"][..], &["sweep", "--state-dir", folder.path().join("state").to_str().unwrap()], &["roots"]]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_containerd-fsck"));
        command.args(args);
        if args != ["roots"] {
            command.arg("--root").arg(&root);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
    }
    let opened = rustix::io::read(&watch, &mut [0_u8; 4096]);
    assert_eq!(opened, Err(rustix::io::Errno::AGAIN), "opened to be executed");
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
#[ignore = "needs root and ci/setup: namespaces of its own"]
fn in_a_container_check_and_roots_say_alike_that_it_cannot_be_told() {
    bed::gate();
    let sysroot = tempfile::tempdir().unwrap();
    let root = sysroot.path().join("var/lib/containerd");
    std::fs::create_dir_all(root.parent().unwrap()).unwrap();
    golden::unpack(golden::names().last().unwrap(), &root).unwrap();
    let mut child = holder(Path::new("flock"), &root);
    let said = |unshare: &[&str], args: &[&str]| -> Value {
        let mut words = unshare
            .iter()
            .copied()
            .chain([env!("CARGO_BIN_EXE_containerd-fsck")])
            .chain(args.iter().copied());
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(["--format", "json"]).arg("--sysroot").arg(sysroot.path());
        serde_json::from_str(&succeed(&mut command, LIMIT)).unwrap()
    };
    let container = ["unshare", "--pid", "--fork", "--mount-proc"];
    let roots = said(&[], &["roots"]);
    assert_eq!((&roots[0]["state"], &roots[0]["holder"]), (&"in-use".into(), &child.id().into()));
    let roots = said(&container, &["roots"]);
    assert_eq!((&roots[0]["state"], &roots[0]["holder"]), (&"unknown".into(), &Value::Null));
    assert!(roots[0]["why"].as_str().unwrap().contains("process namespace"), "{roots}");
    let codes = |report: &Value| -> Vec<Value> {
        report["advice"].as_array().into_iter().flatten().map(|one| one["code"].clone()).collect()
    };
    let check = said(&container, &["check"]);
    assert_eq!(check["mode"], "live");
    assert!(codes(&check).contains(&"holder-unknown".into()), "{check}");
    let check = said(&[], &["check"]);
    assert_eq!(check["mode"], "live");
    assert!(!codes(&check).contains(&"holder-unknown".into()), "{check}");
    drop(child.stdin.take());
    child.wait().unwrap();
    assert_eq!(said(&[], &["check"])["mode"], "stopped");
    assert_eq!(said(&[], &["roots"])[0]["state"], "stopped");
}
