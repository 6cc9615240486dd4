//! Running the command, and stores to run it on.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use testdata::golden;

pub(crate) const BLOBS: &str = "io.containerd.content.v1.content/blobs/sha256";
pub(crate) const META_DB: &str = "io.containerd.metadata.v1.bolt/meta.db";

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The one line on stderr of a run that said nothing else.
    pub(crate) fn complaint(&self) -> &str {
        assert_eq!(self.stdout, "", "{self:?}");
        let line = self.stderr.strip_suffix('\n').unwrap_or_else(|| panic!("no line: {self:?}"));
        assert!(!line.contains('\n'), "more than a line: {self:?}");
        line.strip_prefix("containerd-fsck: ").unwrap_or_else(|| panic!("whose line is that? {self:?}"))
    }

    /// The report, which must be all of stdout and fit the schema.
    pub(crate) fn report(&self) -> Value {
        let report: Value =
            serde_json::from_str(&self.stdout).unwrap_or_else(|why| panic!("{why}: {self:?}"));
        let schema = serde_json::from_str(include_str!("../../../schema/report-1.json")).unwrap();
        if let Err(error) = jsonschema::draft202012::validate(&schema, &report) {
            panic!("{}: {error}\n{report:#}", error.instance_path());
        }
        report
    }
}

/// The command, as it is run outside of a terminal and without our environment.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_containerd-fsck"));
    command.env_remove("NO_COLOR").env_remove("TERM");
    command
}

pub(crate) fn finish(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let ran = Ran {
        status: output.status.code().unwrap_or_else(|| panic!("killed: {}", output.status)),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    };
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
    ran
}

pub(crate) fn fsck(args: &[&str]) -> Ran {
    finish(command().args(args))
}

/// `check --root ROOT` and more.
pub(crate) fn check(root: &Path, more: &[&str]) -> Ran {
    finish(command().args(["check", "--root"]).arg(root).args(more))
}

/// A command that runs without root's rights, whoever runs the tests, with the folder that holds its program.
pub(crate) fn as_nobody() -> (TempDir, Command) {
    let folder = open_folder();
    let program = folder.path().join("containerd-fsck");
    // Copied by another process: what this one has open for writing, another test's child may hold for a moment (ETXTBSY).
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_containerd-fsck")).arg(&program).status();
    assert!(copied.unwrap().success());
    let mut command = Command::new(program);
    if std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0) {
        command.uid(65534).gid(65534);
    }
    (folder, command)
}

/// A temporary folder that every user may look into.
pub(crate) fn open_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
    folder
}

/// The newest golden store.
pub(crate) fn store() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    golden::unpack(golden::names().last().unwrap(), folder.path()).unwrap();
    folder
}

/// A folder for the state of runs on stores that have none of their own: what is kept there is by the store's path.
pub(crate) fn state_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("state")
}

/// The blobs of a store, the largest (a layer) first.
pub(crate) fn blobs(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root.join(BLOBS)).unwrap();
    let mut blobs: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    blobs.sort_by_key(|path| std::cmp::Reverse((path.metadata().unwrap().len(), path.clone())));
    blobs
}

pub(crate) fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// Flips a bit in the middle of a file.
pub(crate) fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}
