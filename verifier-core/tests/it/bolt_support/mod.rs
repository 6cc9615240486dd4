//! Shared by the bolt tests: Go's bbolt as the oracle, and dumps to compare with it.

pub(crate) mod damage;
pub(crate) mod model;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use bbolt_rs::{Bolt, BucketApi, BucketImpl, DbApi, TxApi};
use sha2::{Digest as _, Sha256};
use verifier_core::bolt::{Database, Visitor, Walk};

const BBOLT: &str = "/usr/share/gocode/src/go.etcd.io/bbolt";

/// Go's bbolt, for a test that is nothing without it: that one is ignored unless asked for.
pub(crate) fn needed_oracle() -> &'static Path {
    oracle().expect("needs ci/setup: golang-go and golang-github-coreos-bbolt-dev")
}

/// Go's bbolt, built from `ci/oracle`. Without it the others have to do; where `CI=true` is set, a panic.
pub(crate) fn oracle() -> Option<&'static Path> {
    static ORACLE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match ORACLE.get_or_init(build_oracle) {
        Ok(path) => Some(path),
        Err(why) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("CI skips nothing, but {why}"),
        Err(why) => {
            eprintln!("without Go's bbolt: {why}");
            None
        }
    }
}

fn build_oracle() -> Result<PathBuf, String> {
    if !Path::new(BBOLT).exists() {
        return Err(format!("no {BBOLT}"));
    }
    // Several test binaries may build it at once.
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("oracle-{}", std::process::id()));
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&path).arg(".");
    go.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../ci/oracle"));
    go.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode").env("GOFLAGS", "");
    let output = go.output().map_err(|error| format!("go: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let shared = path.with_file_name("oracle");
    std::fs::rename(&path, &shared).map_err(|error| error.to_string())?;
    Ok(shared)
}

/// Runs the oracle, which must succeed, and returns what it printed.
pub(crate) fn ask(oracle: &Path, args: &[&str], file: &Path) -> String {
    let output = Command::new(oracle).args(args).arg(file).output().unwrap();
    assert!(output.status.success(), "{args:?} {file:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What Go's bbolt makes of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// `tx.Check` is silent; the SHA-256 of the dump.
    Sound(String),
    /// The first error of `tx.Check`.
    Unsound(String),
    /// It cannot be opened.
    Refused(String),
    /// A panic, a segmentation fault, or more than five seconds.
    Crashed(String),
}

/// Asks about many files, each in a process of its own.
pub(crate) fn inspect(oracle: &Path, files: &[PathBuf]) -> Vec<Verdict> {
    let mut child =
        Command::new(oracle).arg("inspect").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let names: String = files.iter().map(|file| format!("{}\n", file.display())).collect();
    let writer = std::thread::spawn(move || stdin.write_all(names.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    let verdicts: Vec<_> = answers
        .lines()
        .map(|line| {
            let mut fields = line.splitn(3, '\t').skip(1);
            let (kind, why) = (fields.next().unwrap(), fields.next().unwrap_or_default().to_owned());
            match kind {
                "sound" => Verdict::Sound(why),
                "unsound" => Verdict::Unsound(why),
                "refused" => Verdict::Refused(why),
                "crashed" => Verdict::Crashed(why),
                other => panic!("{other:?} in {line:?}"),
            }
        })
        .collect();
    assert_eq!(verdicts.len(), files.len());
    verdicts
}

/// Bytes in the oracle's words: hex, or the SHA-256 of what is longer than 64 bytes.
pub(crate) fn text(bytes: &[u8]) -> String {
    if bytes.len() > 64 { format!("#{}", hex::encode(Sha256::digest(bytes))) } else { hex::encode(bytes) }
}

/// Writes what the oracle's `dump` writes.
#[derive(Default)]
pub(crate) struct Dump {
    pub(crate) text: String,
}

impl Dump {
    fn path(&mut self, path: &[Vec<u8>]) {
        for name in path {
            write!(self.text, "/{}", text(name)).unwrap();
        }
    }

    pub(crate) fn sha256(&self) -> String {
        hex::encode(Sha256::digest(self.text.as_bytes()))
    }
}

impl Visitor for Dump {
    fn enter(&mut self, path: &[Vec<u8>], sequence: u64) {
        self.text.push_str("bucket ");
        self.path(path);
        writeln!(self.text, " {sequence}").unwrap();
    }

    fn value(&mut self, path: &[Vec<u8>], key: &[u8], value: &[u8]) {
        self.text.push_str("key ");
        self.path(path);
        writeln!(self.text, "/ {} {}", text(key), text(value)).unwrap();
    }
}

/// Walks a database and returns the dump as well.
pub(crate) fn dump(db: &Database<'_>) -> (Walk, Dump) {
    let mut dump = Dump::default();
    let walk = db.walk(&mut dump);
    (walk, dump)
}

/// A database that must be without any fault, and its dump.
pub(crate) fn healthy(bytes: &[u8], what: &str) -> (Walk, String) {
    let db = Database::open(&bytes).unwrap();
    let (walk, dump) = dump(&db);
    assert_eq!(walk.faults, [], "{what}");
    assert!(walk.complete && !walk.interrupted && walk.faults_omitted == 0, "{what}: {walk:?}");
    assert!(db.metas().iter().all(Result::is_ok), "{what}: {:?}", db.metas());
    assert_eq!(walk.pages_lost, 0, "{what}");
    assert_eq!(walk.pages_reached + walk.pages_free, db.meta().high_water, "{what}");
    (walk, dump.text)
}

/// A small random number generator (xorshift64*), so that a seed names a case for ever.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// The databases of the golden stores, as they came from real containerds.
pub(crate) fn golden_databases() -> Vec<(String, Vec<u8>)> {
    let mut databases = Vec::new();
    for name in testdata::golden::names().iter().chain([&testdata::golden::INTERRUPTED]) {
        let folder = tempfile::tempdir().unwrap();
        testdata::golden::unpack(name, folder.path()).unwrap();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            for file in ["meta.db", "metadata.db"] {
                let path = entry.as_ref().unwrap().path().join(file);
                if let Ok(bytes) = std::fs::read(&path) {
                    databases.push((format!("{name} {}", path.display()), bytes));
                }
            }
        }
    }
    databases
}

/// What bbolt-rs reads, in the oracle's words.
pub(crate) fn bbolt_rs_dump(file: &Path) -> String {
    let db = Bolt::open_ro(file).unwrap();
    let mut text = String::new();
    db.view(|tx| {
        let names: Vec<Vec<u8>> = tx.iter_buckets().map(|(name, _)| name.to_vec()).collect();
        for name in names {
            bbolt_rs_bucket(&mut text, "", &name, &tx.bucket(&name).unwrap());
        }
        Ok(())
    })
    .unwrap();
    text
}

#[expect(deprecated, reason = "the iterators need one more lifetime than a recursion can give them")]
fn bbolt_rs_bucket(out: &mut String, parent: &str, name: &[u8], bucket: &BucketImpl<'_, '_>) {
    let path = format!("{parent}/{}", text(name));
    writeln!(out, "bucket {path} {}", bucket.sequence()).unwrap();
    let mut keys = Vec::new();
    bucket
        .for_each(|key, value| {
            keys.push((key.to_vec(), value.map(<[u8]>::to_vec)));
            Ok(())
        })
        .unwrap();
    for (key, value) in keys {
        match value {
            Some(value) => {
                writeln!(out, "key {path}/ {} {}", text(&key), text(&value)).unwrap();
            }
            None => bbolt_rs_bucket(out, &path, &key, &bucket.bucket(&key).unwrap()),
        }
    }
}
