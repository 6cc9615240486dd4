//! `demo`: a power cut without cutting any power.

mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use verifier_core::CheckOptions;
use verifier_core::finding::{Finding, FindingKind, Subject};
use verifier_core::report::Report;

use super::output::{complain, print};
use crate::args::{Color, DemoArgs};
use crate::exit::Status;
use crate::render::{Progress, Style, count_of, escape_path, human, wrap};

/// The paths that lost their bytes, by the number of their snapshot.
type Emptied = BTreeMap<u64, BTreeSet<PathBuf>>;

/// Unpacks, damages, checks and reports; clean means that exactly the damage was found.
pub(super) fn run(args: &DemoArgs, color: Color) -> Status {
    let (folder, emptied) = match prepare() {
        Ok(prepared) => prepared,
        Err(error) => {
            complain(format_args!("the sample store could not be unpacked: {error}"));
            return Status::INCOMPLETE;
        }
    };
    let status = check(folder.path(), &emptied, args, color);
    if let Err(error) = folder.close() {
        complain(format_args!("the sample store could not be deleted: {error}"));
    }
    status
}

/// A store in a temporary folder, and what was done to it.
fn prepare() -> io::Result<(tempfile::TempDir, Emptied)> {
    let folder = tempfile::Builder::new().prefix("containerd-fsck-demo-").tempdir()?;
    store::unpack(folder.path())?;
    let emptied = cut_power(&folder.path().join("io.containerd.snapshotter.v1.overlayfs/snapshots"))?;
    Ok((folder, emptied))
}

fn check(root: &Path, emptied: &Emptied, args: &DemoArgs, color: Color) -> Status {
    let interrupt = super::interrupt::on_signals();
    let progress = Progress::new(!args.no_progress);
    let report = match super::check::check_root(root, &CheckOptions::default(), &progress, &interrupt) {
        Ok(report) => report,
        Err(status) => return status,
    };
    let files = count_of(emptied.values().map(BTreeSet::len).sum(), "file");
    let is_expected = found(&report).as_ref() == Some(emptied);
    let status = match (is_expected, interrupt.is_raised()) {
        (true, _) => Status::CLEAN,
        (false, true) => Status::CANCELLED,
        (false, false) => Status::DAMAGED,
    };
    let snapshots = count_of(emptied.len(), "snapshot");
    let verdict = if is_expected {
        format!(
            "The {files} in {snapshots} are what the power cut emptied: all of them were found, nothing else was."
        )
    } else {
        format!("That is NOT what was done: {files} in {snapshots} were emptied. Please report this.")
    };
    let before = format!(
        "A containerd pulled images into this store and unpacked them; then the power went. The blobs and the metadata \
         had been synced to the disk, the unpacked files had not: {files} are empty now. 'ctr images check' still says \
         complete, and pulling again changes nothing."
    );
    print(status, |out| {
        writeln!(out, "{}\n\n$ containerd-fsck check --root {}", wrap("", &before), escape_path(root))?;
        human::write(out, &report, false, Style::new(color, &io::stdout()))?;
        writeln!(out, "\n{}", wrap("", &verdict))
    })
}

/// Empties every file of the unpacked snapshots; all else that a file has
/// was in the file system's journal and stays.
fn cut_power(snapshots: &Path) -> io::Result<Emptied> {
    let mut emptied = Emptied::new();
    for entry in fs::read_dir(snapshots)? {
        let entry = entry?;
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let top = entry.path().join("fs");
        let mut files = BTreeSet::new();
        let mut folders = vec![top.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                let kind = path.symlink_metadata()?.file_type();
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() && path.metadata()?.len() > 0 {
                    files.insert(path);
                }
            }
        }
        // After the walk: a hard link is a file under each of its names.
        files.iter().try_for_each(|path| empty(path))?;
        if !files.is_empty() {
            let below =
                |path: PathBuf| path.strip_prefix(&top).map(Path::to_path_buf).map_err(io::Error::other);
            emptied.insert(id, files.into_iter().map(below).collect::<io::Result<_>>()?);
        }
    }
    Ok(emptied)
}

/// Takes a file's bytes and nothing else.
fn empty(path: &Path) -> io::Result<()> {
    let before = path.metadata()?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    let file = File::options().write(true).open(path)?;
    file.set_len(0)?;
    file.set_modified(before.modified()?)?;
    fs::set_permissions(path, before.permissions())
}

/// The paths that a report calls damaged, by snapshot; nothing if it says anything else as well.
fn found(report: &Report) -> Option<Emptied> {
    let paths = |finding: &Finding| match (&finding.kind, &finding.subject) {
        (FindingKind::SnapshotDiffers(damage), Subject::Snapshot { id, .. }) => {
            Some((*id, damage.differences.iter().map(|difference| difference.path.clone()).collect()))
        }
        _ => None,
    };
    report.findings.iter().map(paths).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn a_power_cut_takes_the_bytes_and_nothing_else() {
        let (folder, emptied) = prepare().unwrap();
        let whole = tempfile::tempdir().unwrap();
        store::unpack(whole.path()).unwrap();
        assert!(emptied.len() > 1, "{emptied:?}");
        for (id, files) in &emptied {
            let fs = format!("io.containerd.snapshotter.v1.overlayfs/snapshots/{id}/fs");
            for file in files {
                let [was, is] =
                    [&whole, &folder].map(|root| root.path().join(&fs).join(file).metadata().unwrap());
                assert!(was.len() > 0 && is.len() == 0, "{}", file.display());
                assert_eq!((was.modified().unwrap(), was.mode()), (is.modified().unwrap(), is.mode()));
            }
        }
    }
}
