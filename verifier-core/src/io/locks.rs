//! Who holds a file's flock, told without touching the lock: the one reader of `/proc/locks` (proc_locks(5)).
//!
//! ```text
//! 1: FLOCK  ADVISORY  WRITE 712 fe:00:131099 0 EOF
//! number    kind           pid  major:minor:inode (major and minor in hex) of the file system
//! 1: -> FLOCK …            somebody who waits for it
//! ```
//!
//! containerd holds an exclusive flock on each of its databases for as long as it lives. A shared one keeps a repair out as well,
//! and counts the same.
//!
//! An inode's number alone says nothing: a copy of the disk beside this one has the same. The device does, but it is the file
//! system's own, and `stat` shows another one where a file system has several (btrfs, overlayfs). Then the device comes from the
//! mount table; and as subvolumes of one btrfs may have the same inode numbers, the holder's own descriptors have the last word.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxFlags};
use rustix::io::Errno;

use super::{FileKind, Folder, Stat, mounts};

/// Whether a process holds the lock of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockState {
    /// None does; or this process itself does.
    Free,
    /// One does.
    Held {
        /// Which, where the system tells.
        pid: Option<u32>,
    },
    /// It cannot be told from here.
    CannotTell {
        /// Why.
        why: Unseen,
    },
}

/// Why it cannot be told who holds a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unseen {
    /// This process is in a process namespace of its own: the locks of processes outside do not show.
    OtherProcesses,
    /// `/proc/locks` is not there or may not be read.
    NoList,
    /// The file is, or lies behind, a symbolic link: the lock is on what that leads to.
    Linked,
    /// The file cannot be looked at.
    Unreadable {
        /// The error's number.
        errno: i32,
    },
    /// A process holds the lock of a file of this number, and does not show of which.
    Hidden {
        /// The process; 0 where the system does not tell.
        pid: u32,
    },
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unseen::OtherProcesses => {
                f.write_str("the machine's other processes do not show here; in a container, use its host's process namespace")
            }
            Unseen::NoList => f.write_str("/proc/locks cannot be read"),
            Unseen::Linked => f.write_str("the database is, or lies behind, a symbolic link"),
            Unseen::Unreadable { errno } => write!(f, "{}", io::Error::from_raw_os_error(*errno)),
            Unseen::Hidden { pid } => write!(f, "process {pid} does not show which files it has locked"),
        }
    }
}

/// Who holds the lock of the file `path` below `root`. A file that is not there is free.
pub(crate) fn lock_state(root: &Folder, path: impl AsRef<Path>) -> LockState {
    let path = path.as_ref();
    let stat = match root.stat(path) {
        Ok(stat) if stat.kind == FileKind::Symlink => return LockState::CannotTell { why: Unseen::Linked },
        Ok(stat) => stat,
        Err(error) => return unreadable(&error),
    };
    let file_system = || {
        let folder = root.folder(path.parent()?).ok()?;
        mounts::of(folder.fd()).ok().map(|mount| mount.dev)
    };
    Proc { folder: "/proc".into(), own: std::process::id() }.state(&stat, &file_system)
}

fn unreadable(error: &io::Error) -> LockState {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => LockState::Free,
        _ if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            LockState::CannotTell { why: Unseen::Linked }
        }
        _ => LockState::CannotTell { why: Unseen::Unreadable { errno: super::errno(error) } },
    }
}

/// Whether all processes of the machine show here, and so all locks: this one is in the first process namespace.
pub(crate) fn sees_all_processes() -> bool {
    sees_all_in(Path::new("/proc"))
}

fn sees_all_in(proc: &Path) -> bool {
    /// The first namespace's inode: PROC_PID_INIT_INO in the kernel's include/linux/proc_ns.h.
    const INITIAL: &str = "pid:[4026531836]";
    std::fs::read_link(proc.join("self/ns/pid")).is_ok_and(|link| link.as_os_str() == INITIAL)
}

/// Device and number of the inode at `path`, links followed. Asks no server and no process that has the file system: it does not
/// wait for one that hangs.
pub(crate) fn inode(path: &Path) -> Option<(u64, u64)> {
    let stat = rustix::fs::statx(CWD, path, AtFlags::STATX_DONT_SYNC, StatxFlags::INO).ok()?;
    Some((rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor), stat.stx_ino))
}

/// The list is read a page at a time, by position: when a lock before it ends between two pages, one is left out. Seen once
/// on a machine with many containerds.
const READINGS: usize = 4;

/// A mounted procfs, and who asks.
struct Proc {
    folder: PathBuf,
    own: u32,
}

type FileSystem<'a> = &'a dyn Fn() -> Option<(u32, u32)>;

impl Proc {
    fn state(&self, file: &Stat, file_system: FileSystem<'_>) -> LockState {
        for _ in 0..READINGS {
            let Ok(list) = std::fs::read(self.folder.join("locks")) else {
                return LockState::CannotTell { why: Unseen::NoList };
            };
            let state = self.state_in(&String::from_utf8_lossy(&list), file, file_system);
            if state != LockState::Free {
                return state;
            }
        }
        if sees_all_in(&self.folder) {
            LockState::Free
        } else {
            LockState::CannotTell { why: Unseen::OtherProcesses }
        }
    }

    fn state_in(&self, list: &str, file: &Stat, file_system: FileSystem<'_>) -> LockState {
        let mut state = LockState::Free;
        let locks = list.lines().filter_map(Lock::parse);
        // What this process locked, no containerd holds.
        for lock in locks.filter(|lock| lock.inode == file.ino && lock.pid != Some(self.own)) {
            match self.is_of(&lock, file, file_system) {
                Some(true) => return LockState::Held { pid: lock.pid },
                Some(false) => {}
                None => {
                    let pid = lock.pid.unwrap_or_default();
                    state = LockState::CannotTell { why: Unseen::Hidden { pid } };
                }
            }
        }
        state
    }

    /// Whether the lock, on an inode of the same number, is the file's; `None` where that cannot be told.
    fn is_of(&self, lock: &Lock, file: &Stat, file_system: FileSystem<'_>) -> Option<bool> {
        if lock.device == (rustix::fs::major(file.dev), rustix::fs::minor(file.dev)) {
            return Some(true);
        }
        if file_system().is_some_and(|device| device != lock.device) {
            return Some(false);
        }
        self.has_open(lock.pid?, file)
    }

    fn has_open(&self, pid: u32, file: &Stat) -> Option<bool> {
        let open = std::fs::read_dir(self.folder.join(pid.to_string()).join("fd")).ok()?;
        let mut inodes = open.flatten().filter_map(|fd| inode(&fd.path()));
        Some(inodes.any(|found| found == (file.dev, file.ino)))
    }
}

/// A flock that is held.
#[derive(Debug, PartialEq, Eq)]
struct Lock {
    /// None when it is not known.
    pid: Option<u32>,
    /// The file system's, major and minor.
    device: (u32, u32),
    inode: u64,
}

impl Lock {
    fn parse(line: &str) -> Option<Lock> {
        let mut fields = line.split_ascii_whitespace();
        // One that is waited for has `->` here.
        if fields.nth(1)? != "FLOCK" {
            return None;
        }
        let pid = fields.nth(2)?.parse().ok().filter(|pid| *pid != 0);
        let mut file = fields.next()?.split(':');
        let mut hex = || u32::from_str_radix(file.next()?, 16).ok();
        let device = (hex()?, hex()?);
        Some(Lock { pid, device, inode: file.next()?.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Gate;
    use std::os::unix::fs::symlink;

    #[test]
    fn lines_of_the_list() {
        let lock = |pid| Some(Lock { pid, device: (8, 0x1f), inode: 131 });
        assert_eq!(Lock::parse("1: FLOCK  ADVISORY  WRITE 1234 08:1f:131 0 EOF"), lock(Some(1234)));
        assert_eq!(Lock::parse("1: FLOCK  ADVISORY  READ 1234 08:1f:131 0 EOF"), lock(Some(1234)));
        assert_eq!(Lock::parse("12: FLOCK  ADVISORY  WRITE -1 08:1f:131 0 EOF"), lock(None));
        for other in [
            "1: POSIX  ADVISORY  WRITE 1234 08:1f:131 0 EOF",
            "1: -> FLOCK  ADVISORY  WRITE 1234 08:1f:131 0 EOF",
            "1: FLOCK  ADVISORY  WRITE 1234 zz:01:131 0 EOF",
            "1: FLOCK  ADVISORY  WRITE 1234 08:01",
            "FLOCK",
            "",
        ] {
            assert_eq!(Lock::parse(other), None, "{other}");
        }
    }

    /// A procfs of one lock, by process 77, on a file of `file`'s number.
    fn proc(file: &Stat, device: (u32, u32)) -> (tempfile::TempDir, Proc) {
        let folder = tempfile::tempdir().unwrap();
        let line =
            format!("1: FLOCK  ADVISORY  WRITE 77 {:02x}:{:02x}:{} 0 EOF\n", device.0, device.1, file.ino);
        std::fs::write(folder.path().join("locks"), line).unwrap();
        std::fs::create_dir_all(folder.path().join("self/ns")).unwrap();
        symlink("pid:[4026531836]", folder.path().join("self/ns/pid")).unwrap();
        let proc = Proc { folder: folder.path().into(), own: 1 };
        (folder, proc)
    }

    #[test]
    fn a_lock_is_told_by_device_and_inode() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("f"), "").unwrap();
        let root = Folder::open_root(dir.path(), Gate::default()).unwrap();
        let file = root.stat("f").unwrap();
        let device = (rustix::fs::major(file.dev), rustix::fs::minor(file.dev));
        let held = LockState::Held { pid: Some(77) };
        let unknown = || None;

        let (_folder, mut by) = proc(&file, device);
        assert_eq!(by.state(&file, &unknown), held);
        by.own = 77;
        assert_eq!(by.state(&file, &unknown), LockState::Free, "our own");

        // Another device: a copy of the disk beside, or a file system that shows two.
        let (folder, by) = proc(&file, (255, 254));
        assert_eq!(by.state(&file, &|| Some(device)), LockState::Free, "another file system's");
        let hidden = LockState::CannotTell { why: Unseen::Hidden { pid: 77 } };
        assert_eq!(by.state(&file, &|| Some((255, 254))), hidden);
        assert_eq!(by.state(&file, &unknown), hidden);
        std::fs::create_dir_all(folder.path().join("77/fd")).unwrap();
        symlink(dir.path(), folder.path().join("77/fd/3")).unwrap();
        assert_eq!(by.state(&file, &|| Some((255, 254))), LockState::Free, "another subvolume's");
        symlink(dir.path().join("f"), folder.path().join("77/fd/9")).unwrap();
        assert_eq!(by.state(&file, &|| Some((255, 254))), held);
        assert_eq!(by.state(&file, &unknown), held);
    }

    #[test]
    fn in_a_process_namespace_of_its_own_a_free_lock_is_not_told() {
        let dir = tempfile::tempdir().unwrap();
        let root = Folder::open_root(dir.path(), Gate::default()).unwrap();
        let file = root.stat("").unwrap();
        let device = (rustix::fs::major(file.dev), rustix::fs::minor(file.dev));
        let (folder, by) = proc(&file, device);
        let link = folder.path().join("self/ns/pid");
        std::fs::remove_file(&link).unwrap();
        assert_eq!(by.state(&file, &|| None), LockState::Held { pid: Some(77) }, "what shows, shows");
        std::fs::write(folder.path().join("locks"), "").unwrap();
        symlink("pid:[4026532001]", &link).unwrap();
        let cannot = |why| LockState::CannotTell { why };
        assert_eq!(by.state(&file, &|| None), cannot(Unseen::OtherProcesses));
        std::fs::remove_file(folder.path().join("locks")).unwrap();
        assert_eq!(by.state(&file, &|| None), cannot(Unseen::NoList));
    }

    #[test]
    fn a_lock_of_this_system_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(dir.path().join("f")).unwrap();
        let root = Folder::open_root(dir.path(), Gate::default()).unwrap();
        let by = |own| Proc { folder: "/proc".into(), own }.state(&root.stat("f").unwrap(), &|| None);
        let free = by(0);
        assert!(!matches!(free, LockState::Held { .. }));
        file.lock().unwrap();
        assert_eq!(by(0), LockState::Held { pid: Some(std::process::id()) });
        assert_eq!(lock_state(&root, "f"), free, "our own");
    }

    #[test]
    fn links_and_what_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        symlink("/dev/null", dir.path().join("l")).unwrap();
        let root = Folder::open_root(dir.path(), Gate::default()).unwrap();
        let linked = LockState::CannotTell { why: Unseen::Linked };
        assert_eq!([lock_state(&root, "l"), lock_state(&root, "l/f")], [linked; 2]);
        assert_eq!([lock_state(&root, "no"), lock_state(&root, "no/f")], [LockState::Free; 2]);
    }
}
