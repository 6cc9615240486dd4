//! `testdata/golden/make [NAME…]`: makes the golden stores anew with real containerds. Needs root and `ci/setup`.

#![expect(clippy::expect_used, reason = "a tool for developers fails by panicking")]

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use testdata::bed::{Bed, Containerd, FsKind, Generation, LoopFs, Registry, succeed};

const LIMIT: Duration = Duration::from_secs(60);
const HOST: &str = "registry.example";

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let bed = match Bed::find() {
        Ok(bed) => bed,
        Err(why) => {
            eprintln!("needs root and ci/setup: {why}");
            std::process::exit(8);
        }
    };
    let work = tempfile::tempdir().expect("temporary folder");
    let registry = Registry::start(&bed);
    let layout = layouts(work.path());
    for tag in ["a", "b"] {
        registry.push(&layout.join(tag), &format!("tiny:{tag}"));
    }
    let clean = bed.generations().into_iter().map(|generation| (generation, generation.name().to_owned()));
    let interrupted = (Generation::V2_1, "2.1-interrupted".to_owned());
    for (generation, name) in clean.chain([interrupted]) {
        if bed.has(generation) && (wanted.is_empty() || wanted.contains(&name)) {
            make(&bed, generation, &name, &registry);
        }
    }
}

/// Two images of two layers each; the first layer is the same blob.
fn layouts(work: &Path) -> PathBuf {
    let home = work.join("layouts");
    std::fs::create_dir(&home).expect("folder");
    let (layout, bundle) = (home.join("a"), work.join("bundle"));
    let (image, root) = (format!("{}:latest", layout.display()), bundle.join("rootfs"));
    umoci(&["init", "--layout", &layout.to_string_lossy()]);
    umoci(&["new", "--image", &image]);
    umoci(&[
        "config",
        "--image",
        &image,
        "--os",
        "linux",
        "--architecture",
        "amd64",
        "--config.cmd",
        "/bin/hello",
    ]);
    umoci(&["unpack", "--image", &image, &bundle.to_string_lossy()]);
    first_layer(&root);
    umoci(&["repack", "--refresh-bundle", "--image", &image, &bundle.to_string_lossy()]);
    for copied in ["a", "bundle"] {
        let (from, to) =
            if copied == "a" { (&layout, home.join("b")) } else { (&bundle, work.join("bundle-b")) };
        succeed(Command::new("cp").arg("-a").arg(from).arg(to), LIMIT);
    }
    for (tag, bundle) in [("a", bundle), ("b", work.join("bundle-b"))] {
        second_layer(&bundle.join("rootfs"), tag);
        let image = format!("{}:latest", home.join(tag).display());
        umoci(&["repack", "--image", &image, &bundle.to_string_lossy()]);
        umoci(&["gc", "--layout", &home.join(tag).to_string_lossy()]);
    }
    home
}

fn umoci(args: &[&str]) {
    succeed(Command::new("umoci").args(args), LIMIT);
}

/// Files, folders, links: nothing that only root can unpack, and no extended attributes, which not every file system has.
fn first_layer(root: &Path) {
    for folder in ["bin", "etc/app.d", "usr/share/words", "var/empty", "tmp"] {
        std::fs::create_dir_all(root.join(folder)).expect("folder");
    }
    write(root, "bin/hello", "#!/bin/sh\necho hello\n", 0o755);
    write(root, "etc/passwd", "root:x:0:0:root:/:/bin/hello\n", 0o644);
    write(root, "etc/app.d/secret", "s3cret\n", 0o600);
    write(root, "var/empty/marker", "", 0o644);
    for number in 0..20_u32 {
        let text: String =
            (0..200).map(|line| format!("{} word {line} of {number}\n", line * 7919 + number)).collect();
        write(root, &format!("usr/share/words/{number:02}.txt"), &text, 0o644);
    }
    symlink("passwd", root.join("etc/users")).expect("symlink");
    std::fs::hard_link(root.join("usr/share/words/00.txt"), root.join("usr/share/words/first.txt"))
        .expect("link");
    std::fs::set_permissions(root.join("tmp"), PermissionsExt::from_mode(0o1777)).expect("mode");
}

fn second_layer(root: &Path, tag: &str) {
    std::fs::create_dir_all(root.join("opt/app")).expect("folder");
    write(root, "opt/app/version", &format!("{tag}\n"), 0o644);
    write(root, "etc/app.d/settings", &format!("tag = {tag}\n").repeat(300), 0o640);
    let data: String =
        (0..4_000_u32).map(|line| format!("{tag} {}\n", line.wrapping_mul(2_654_435_761))).collect();
    write(root, "opt/app/data", &data, 0o644);
    symlink("/opt/app/data", root.join("opt/latest")).expect("symlink");
}

/// Each file gets a time of its own; umoci keeps whole seconds.
fn write(root: &Path, name: &str, text: &str, mode: u32) {
    let mut file = File::create(root.join(name)).expect("file");
    file.write_all(text.as_bytes()).expect("write");
    file.set_permissions(PermissionsExt::from_mode(mode)).expect("mode");
    let seconds = 1_700_000_000 + u64::try_from(name.len() * 1000 + text.len()).expect("small");
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).expect("time");
}

fn make(bed: &Bed, generation: Generation, name: &str, registry: &Registry) {
    // A size at which mkfs.ext4 takes blocks of 4 KiB, as on a real disk: the recorded usages depend on it.
    let fs = LoopFs::new(FsKind::Ext4, 1 << 30);
    let root = fs.path().join("root");
    let mut containerd = Containerd::start(bed, generation, &root);
    let pull = |namespace: &str, tag: &str| {
        let hosts = registry.hosts_dir(HOST);
        let reference = format!("{HOST}/tiny:{tag}");
        containerd.ctr(&[
            "-n",
            namespace,
            "images",
            "pull",
            "--hosts-dir",
            &hosts.to_string_lossy(),
            &reference,
        ]);
    };
    pull("default", "a");
    pull("default", "b");
    pull("other", "b");
    containerd.ctr(&["namespaces", "label", "other", "purpose=second"]);
    containerd.ctr(&["images", "label", &format!("{HOST}/tiny:a"), "example.note=kept"]);
    containerd.ctr(&["containers", "create", "--label", "app=web", &format!("{HOST}/tiny:a"), "web"]);
    containerd.ctr(&["leases", "create", "--id", "kept", "--expires", "0", "reason=golden"]);
    if name.ends_with("interrupted") {
        leave_ingest(&containerd);
        containerd.kill();
    }
    containerd.stop();
    fs.sync();
    pack(&root, Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("golden/{name}.tar.zst")).as_path());
}

/// A client that is killed when it has sent 3,000 of 5,000 bytes.
fn leave_ingest(containerd: &Containerd) {
    let mut client = containerd.ctr_command(&["content", "ingest", "--expected-size", "5000", "half"]);
    let mut client = client.stdin(Stdio::piped()).spawn().expect("ctr");
    let mut stdin = client.stdin.take().expect("a pipe");
    stdin.write_all(&[b'x'; 3000]).expect("pipe");
    let ingests = containerd.root().join("io.containerd.content.v1.content/ingest");
    let arrived = || {
        let mut found = std::fs::read_dir(&ingests).into_iter().flatten().flatten();
        found.any(|ingest| ingest.path().join("data").metadata().is_ok_and(|data| data.len() == 3000))
    };
    let end = Instant::now() + LIMIT;
    while !arrived() {
        assert!(Instant::now() < end, "no ingest: {}", containerd.ctr(&["content", "active"]));
        std::thread::sleep(Duration::from_millis(20));
    }
    client.kill().expect("kill");
    client.wait().expect("wait");
}

fn pack(root: &Path, archive: &Path) {
    // `work/work` is what mounting an overlay leaves: mode 000, so that only root could delete an unpacked store.
    let tar = "tar --format=posix --numeric-owner --xattrs --acls --sort=name --pax-option=delete=atime,delete=ctime \
               --exclude='*/snapshots/*/work/work' -C \"$0\" -cf - . | zstd -q -19 -f -o \"$1\"";
    succeed(Command::new("bash").args(["-o", "pipefail", "-c", tar]).arg(root).arg(archive), LIMIT);
    let size = archive.metadata().expect("the archive just made").len();
    assert!(size < 1 << 20, "{} has {size} bytes", archive.display());
    println!("{} ({size} bytes)", archive.display());
}
