//! Whether a containerd holds a root.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::Machine;

const META_DB: &str = "io.containerd.metadata.v1.bolt/meta.db";
const PREFIX: &str = "io.containerd.";

/// What a root is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// A process holds the lock on meta.db.
    InUse {
        /// The process, where the system tells.
        pid: Option<u32>,
    },
    /// No process that can be seen from here holds it.
    Stopped,
    /// Nothing of containerd's is in it.
    Empty,
    /// It may not be read.
    Unreadable,
}

/// The state of the root at the canonical `path`.
pub(super) fn state(machine: &Machine, path: &Path) -> State {
    let real = machine.real(path);
    match real.read_dir() {
        Err(_) => return State::Unreadable,
        Ok(mut entries) => {
            let is_part = |name: std::ffi::OsString| name.to_string_lossy().starts_with(PREFIX);
            if !entries.any(|entry| entry.is_ok_and(|entry| is_part(entry.file_name()))) {
                return State::Empty;
            }
        }
    }
    match real.join(META_DB).symlink_metadata() {
        Ok(meta_db) => holder(machine, &meta_db).map_or(State::Stopped, |pid| State::InUse { pid }),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => State::Unreadable,
        Err(_) => State::Stopped,
    }
}

/// Who holds an exclusive lock on the file, as /proc/locks tells (proc_locks(5)).
fn holder(machine: &Machine, file: &Metadata) -> Option<Option<u32>> {
    let locks = machine.read(Path::new("/proc/locks"))?;
    String::from_utf8_lossy(&locks).lines().find_map(|line| {
        let lock = Lock::parse(line).filter(|lock| lock.inode == file.ino())?;
        // On btrfs and overlays the lock is listed with another device than stat(2) tells: then ask the process.
        let is_it =
            lock.device == device(file.dev()) || lock.pid.is_some_and(|pid| has_open(machine, pid, file));
        is_it.then_some(lock.pid)
    })
}

/// A line of /proc/locks: `1: FLOCK  ADVISORY  WRITE 1234 08:01:131 0 EOF`.
#[derive(Debug, PartialEq, Eq)]
struct Lock {
    pid: Option<u32>,
    device: (u32, u32),
    inode: u64,
}

impl Lock {
    /// An exclusive flock that is held. Those that are waited for have `->` behind their number.
    fn parse(line: &str) -> Option<Lock> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", pid, file, ..] = fields.as_slice() else { return None };
        let mut file = file.split(':');
        let mut hex = || u32::from_str_radix(file.next()?, 16).ok();
        let device = (hex()?, hex()?);
        // -1 when it is not known.
        Some(Lock { pid: pid.parse().ok(), device, inode: file.next()?.parse().ok()? })
    }
}

/// Major and minor number as the kernel packs them in a 64-bit device number (makedev(3)).
fn device(dev: u64) -> (u32, u32) {
    let major = (dev >> 8) & 0xfff | (dev >> 32) & 0xffff_f000;
    let minor = dev & 0xff | (dev >> 12) & 0xffff_ff00;
    (u32::try_from(major).unwrap_or(0), u32::try_from(minor).unwrap_or(0))
}

fn has_open(machine: &Machine, pid: u32, file: &Metadata) -> bool {
    let Ok(open) = machine.real(Path::new(&format!("/proc/{pid}/fd"))).read_dir() else { return false };
    open.flatten()
        .filter_map(|fd| fd.path().metadata().ok())
        .any(|stat| (stat.dev(), stat.ino()) == (file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_locks() {
        let lock = Lock { pid: Some(1234), device: (8, 0x1f), inode: 131 };
        assert_eq!(Lock::parse("1: FLOCK  ADVISORY  WRITE 1234 08:1f:131 0 EOF"), Some(lock));
        let unknown = Lock { pid: None, device: (0, 0x2a), inode: 7 };
        assert_eq!(Lock::parse("12: FLOCK  ADVISORY  WRITE -1 00:2a:7 0 EOF"), Some(unknown));
        for other in [
            "1: FLOCK  ADVISORY  READ 1234 08:01:131 0 EOF",
            "1: POSIX  ADVISORY  WRITE 1234 08:01:131 0 EOF",
            "1: -> FLOCK  ADVISORY  WRITE 1234 08:01:131 0 EOF",
            "1: FLOCK  ADVISORY  WRITE 1234 zz:01:131 0 EOF",
            "",
        ] {
            assert_eq!(Lock::parse(other), None, "{other}");
        }
    }

    #[test]
    fn the_holder_is_found_by_inode_and_device() {
        let mount = tempfile::tempdir().unwrap();
        let at = |path: &str| mount.path().join(path);
        std::fs::create_dir_all(at("r/io.containerd.metadata.v1.bolt")).unwrap();
        std::fs::create_dir_all(at("proc")).unwrap();
        let machine = Machine::at(mount.path());
        let root = Path::new("/r");
        assert_eq!(state(&machine, root), State::Stopped, "no meta.db");
        std::fs::write(at("r").join(META_DB), "").unwrap();
        let stat = std::fs::metadata(at("r").join(META_DB)).unwrap();
        let (major, minor) = device(stat.dev());
        let lock = |device: &str| {
            let line = format!("1: FLOCK  ADVISORY  WRITE 77 {device}:{} 0 EOF\n", stat.ino());
            std::fs::write(at("proc/locks"), line).unwrap();
        };
        lock(&format!("{major:02x}:{minor:02x}"));
        assert_eq!(state(&machine, root), State::InUse { pid: Some(77) });
        lock("ff:ff");
        assert_eq!(state(&machine, root), State::Stopped, "a file of that number on another device");
        std::fs::create_dir_all(at("proc/77/fd")).unwrap();
        std::os::unix::fs::symlink(at("r").join(META_DB), at("proc/77/fd/9")).unwrap();
        assert_eq!(state(&machine, root), State::InUse { pid: Some(77) }, "the process has it open");
    }

    #[test]
    fn a_lock_of_this_system_is_seen() {
        let mount = tempfile::tempdir().unwrap();
        let folder = mount.path().join("io.containerd.metadata.v1.bolt");
        std::fs::create_dir_all(&folder).unwrap();
        let file = std::fs::File::create(folder.join("meta.db")).unwrap();
        let machine = Machine::at(Path::new("/"));
        assert_eq!(state(&machine, mount.path()), State::Stopped);
        file.lock().unwrap();
        assert_eq!(state(&machine, mount.path()), State::InUse { pid: Some(std::process::id()) });
    }

    #[test]
    fn nothing_of_containerds_is_empty() {
        let mount = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(mount.path().join("r/lost+found")).unwrap();
        let machine = Machine::at(mount.path());
        assert_eq!(state(&machine, Path::new("/r")), State::Empty);
        assert_eq!(state(&machine, Path::new("/no")), State::Unreadable);
    }
}
