//! containerd's own small files: what it needs to start, and what CRI keeps of its containers.
//!
//! ```text
//! tmpmounts/                                      mount points of pulls                 cmd/containerd/command/main.go
//! io.containerd.*/                                a folder for each plugin
//! io.containerd.grpc.v1.introspection/uuid        written without sync or rename        plugins/services/introspection
//! io.containerd.grpc.v1.cri/containers/<id>/      status: JSON; volumes/                internal/cri/store/container
//!                           containers/<id>.del-status, <id>/.tmp-status*               a removal, a write cut off
//! ```
//!
//! All of it is alike from containerd 1.6 to 2.3.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::finding::{StatusFault, UuidFault};
use crate::io::{Entry, FileKind, Folder, NotRegular, Time, read_full_at};

/// Where CRI keeps a folder for each container, below the root.
pub(crate) const CRI_CONTAINERS: &str = "io.containerd.grpc.v1.cri/containers";

/// Where pulls make their mount points, below the root.
const TMPMOUNTS: &str = "tmpmounts";

const UUID: &str = "io.containerd.grpc.v1.introspection/uuid";

/// How plugins' folders begin.
const PLUGIN: &[u8] = b"io.containerd.";

/// Most that is read of a container's status; CRI's are some hundred bytes.
const STATUS_LIMIT_BYTES: usize = 64 << 10;

/// Something that is left over, and when it was last written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftPath {
    /// Where it is, below the root.
    pub path: PathBuf,
    /// When.
    pub modified: Option<Time>,
}

/// What the file with containerd's UUID holds, when that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UuidState {
    /// Nothing.
    Empty,
    /// What is no UUID.
    Invalid(UuidFault),
}

/// What is known of containerd's own files.
#[derive(Debug, Default)]
pub struct OwnFiles {
    /// Names of containerd's own that must be folders, and are not.
    pub foreign: Vec<(PathBuf, FileKind)>,
    /// What is wrong with the UUID, and where it is.
    pub uuid: Option<(PathBuf, UuidState)>,
    /// CRI's containers that have a folder, with what is wrong with their status; `None` when they could not be listed.
    pub containers: Option<BTreeMap<String, Option<StatusFault>>>,
    /// What interrupted writes and removals of CRI's left.
    pub cri_left: Vec<LeftPath>,
    /// What is in `tmpmounts`.
    pub tmpmounts: Vec<LeftPath>,
}

impl OwnFiles {
    /// Looks at all of them. What cannot be looked at is told in `unreadable`.
    pub(super) fn look(root: &Folder, unreadable: &mut Vec<(PathBuf, io::Error)>) -> OwnFiles {
        let mut files = OwnFiles { uuid: uuid(root, unreadable), ..OwnFiles::default() };
        files.look_at_entries(root, unreadable);
        files.look_at_containers(root, unreadable);
        let each = |name: &Entry<'_>| Some(Path::new(TMPMOUNTS).join(name.name));
        match list(root, Path::new(TMPMOUNTS), each) {
            Ok(left) => files.tmpmounts = left,
            Err(error) if is_absence(&error) => {}
            Err(error) => unreadable.push((TMPMOUNTS.into(), error)),
        }
        files
    }

    /// A link that leads to a folder is as good: containerd follows it.
    fn look_at_entries(&mut self, root: &Folder, unreadable: &mut Vec<(PathBuf, io::Error)>) {
        let mut names = Vec::new();
        let listed = root.list(&mut |entry| {
            let name = entry.name.as_bytes();
            let is_ours = name.starts_with(PLUGIN) || name == TMPMOUNTS.as_bytes();
            names.extend((is_ours && entry.kind != FileKind::Folder).then(|| PathBuf::from(entry.name)));
            Ok(())
        });
        if let Err(error) = listed {
            unreadable.push((PathBuf::new(), error));
        }
        names.sort_unstable();
        for path in names {
            match root.stat(&path) {
                Ok(stat) if stat.kind == FileKind::Folder => {}
                Ok(stat) if stat.kind == FileKind::Symlink && root.leads_to_folder(&path) => {}
                Ok(stat) => self.foreign.push((path, stat.kind)),
                Err(error) if is_absence(&error) => {}
                Err(error) => unreadable.push((path, error)),
            }
        }
    }

    fn look_at_containers(&mut self, root: &Folder, unreadable: &mut Vec<(PathBuf, io::Error)>) {
        let folder = match root.folder(CRI_CONTAINERS) {
            Ok(folder) => folder,
            // Then no container has a folder.
            Err(error) if is_absence(&error) => return self.containers = Some(BTreeMap::new()),
            Err(error) => return unreadable.push((CRI_CONTAINERS.into(), error)),
        };
        let (mut ids, mut left, mut unknown) = (BTreeSet::new(), Vec::new(), Vec::new());
        let listed = folder.list(&mut |entry| {
            let name = entry.name.to_string_lossy();
            if name.ends_with(".del-status") {
                left.push(Path::new(CRI_CONTAINERS).join(entry.name));
                return Ok(());
            }
            match folder.stat(entry.name) {
                Ok(stat) if stat.kind != FileKind::Folder => return Ok(()),
                Err(error) if is_absence(&error) => return Ok(()),
                // It has the name: whatever it is, it is not missing.
                Err(error) => unknown.push((Path::new(CRI_CONTAINERS).join(entry.name), error)),
                Ok(_) => {}
            }
            ids.extend(entry.name.to_str().map(str::to_owned));
            Ok(())
        });
        unreadable.append(&mut unknown);
        if let Err(error) = listed {
            return unreadable.push((CRI_CONTAINERS.into(), error));
        }
        let mut containers = BTreeMap::new();
        for id in ids {
            let path = Path::new(CRI_CONTAINERS).join(&id);
            let is_cut_off = |entry: &Entry<'_>| entry.name.as_bytes().starts_with(b".tmp-status");
            let each = |entry: &Entry<'_>| is_cut_off(entry).then(|| path.join(entry.name));
            match list(root, &path, each) {
                Ok(left) => self.cri_left.extend(left),
                Err(error) if is_absence(&error) => {}
                Err(error) => unreadable.push((path.clone(), error)),
            }
            match status_fault(&folder, &Path::new(&id).join("status")) {
                Ok(fault) => drop(containers.insert(id, fault)),
                Err(error) => {
                    unreadable.push((path.join("status"), error));
                    containers.insert(id, None);
                }
            }
        }
        left.sort_unstable();
        self.cri_left.extend(left.into_iter().map(|path| {
            let modified = root.stat(&path).ok().map(|stat| stat.mtime);
            LeftPath { path, modified }
        }));
        self.containers = Some(containers);
    }
}

/// The names in the folder `path` for which `pick` gives one, sorted.
fn list(
    root: &Folder,
    path: &Path,
    pick: impl Fn(&Entry<'_>) -> Option<PathBuf>,
) -> io::Result<Vec<LeftPath>> {
    let mut found = Vec::new();
    root.folder(path)?.list(&mut |entry| {
        found.extend(pick(&entry));
        Ok(())
    })?;
    found.sort_unstable();
    let left = |path: PathBuf| {
        let modified = root.stat(&path).ok().map(|stat| stat.mtime);
        LeftPath { path, modified }
    };
    Ok(found.into_iter().map(left).collect())
}

/// There is nothing of that name; a file on the way, or a link, is told as what it is.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn uuid(root: &Folder, unreadable: &mut Vec<(PathBuf, io::Error)>) -> Option<(PathBuf, UuidState)> {
    let path = PathBuf::from(UUID);
    let file = match root.file(&path) {
        Ok(file) => file,
        Err(error) => {
            let found = NotRegular::of(&error);
            // containerd reads through a link.
            let found = found.filter(|kind| *kind != FileKind::Symlink);
            if found.is_none() && !is_absence(&error) && NotRegular::of(&error).is_none() {
                unreadable.push((path.clone(), error));
            }
            return found.map(|found| (path, UuidState::Invalid(UuidFault::NotRegular { found })));
        }
    };
    let size_bytes = file.stat().size_bytes;
    // One more than the longest form of a UUID.
    let mut bytes = [0; 46];
    match read_full_at(&file, &mut bytes, 0) {
        Ok(read) => {
            let state = uuid_state(bytes.get(..read).unwrap_or_default(), size_bytes)?;
            Some((path, state))
        }
        Err(error) => {
            unreadable.push((path, error));
            None
        }
    }
}

/// What is wrong with these bytes, by the rules of github.com/google/uuid's `Parse`.
fn uuid_state(bytes: &[u8], size_bytes: u64) -> Option<UuidState> {
    let inner = match bytes.len() {
        0 => return Some(UuidState::Empty),
        45 => bytes.get(..9).filter(|urn| urn.eq_ignore_ascii_case(b"urn:uuid:")).and(bytes.get(9..)),
        38 => bytes.get(1..37),
        36 => Some(bytes),
        32 => return (!bytes.iter().all(u8::is_ascii_hexdigit)).then(|| invalid(bytes, size_bytes)),
        _ => None,
    };
    let is_uuid = inner.is_some_and(|text| {
        text.len() == 36
            && text.iter().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => *byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
    });
    (!is_uuid).then(|| invalid(bytes, size_bytes))
}

fn invalid(bytes: &[u8], size_bytes: u64) -> UuidState {
    let is_zeros = bytes.iter().all(|byte| *byte == 0);
    UuidState::Invalid(if is_zeros {
        UuidFault::Zeros { size_bytes }
    } else {
        UuidFault::Text { size_bytes }
    })
}

/// What is wrong with a container's status: CRI's own reader asks for a JSON document with a version.
fn status_fault(folder: &Folder, path: &Path) -> io::Result<Option<StatusFault>> {
    let file = match folder.file(path) {
        Ok(file) => file,
        Err(error) if is_absence(&error) => return Ok(Some(StatusFault::Missing)),
        Err(error) => {
            return match NotRegular::of(&error) {
                Some(found) => Ok(Some(StatusFault::NotRegular { found })),
                None => Err(error),
            };
        }
    };
    let mut bytes = vec![0; STATUS_LIMIT_BYTES];
    let read = read_full_at(&file, &mut bytes, 0)?;
    bytes.truncate(read);
    let is_status = serde_json::from_slice::<serde_json::Value>(&bytes)
        .is_ok_and(|value| value.get("Version").is_some_and(serde_json::Value::is_string));
    Ok(match read {
        0 => Some(StatusFault::Empty),
        // Longer than any of CRI's: nothing is said of it.
        STATUS_LIMIT_BYTES => None,
        _ => (!is_status).then_some(StatusFault::Json),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_uuid() {
        let state = |text: &[u8]| uuid_state(text, text.len() as u64);
        let right = "0bd1a2f6-6b1c-4c9f-9c41-8b3f1a2d3e4f";
        let plain = right.replace('-', "");
        for text in [right, &plain, &format!("{{{right}}}"), &format!("URN:uuid:{right}")] {
            assert_eq!(state(text.as_bytes()), None, "{text}");
        }
        assert_eq!(state(b""), Some(UuidState::Empty));
        let zeros = UuidState::Invalid(UuidFault::Zeros { size_bytes: 36 });
        assert_eq!(state(&[0; 36]), Some(zeros));
        for wrong in [&right[..18], &format!("{right}\n"), &right.replace('-', "x"), "x"] {
            let text = UuidFault::Text { size_bytes: wrong.len() as u64 };
            assert_eq!(state(wrong.as_bytes()), Some(UuidState::Invalid(text)), "{wrong:?}");
        }
    }
}
