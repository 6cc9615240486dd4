//! Does a containerd hold this store? Told without touching a lock.
//!
//! containerd holds an exclusive flock on meta.db for as long as it lives, and the kernel lists all locks in
//! `/proc/locks`: `N: FLOCK ADVISORY WRITE <pid> <major>:<minor>:<inode> <start> <end>` (major and minor in hex).

use crate::io::Stat;
use serde::Serialize;

/// Whether a containerd holds the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// No process holds the databases' locks.
    Stopped,
    /// A process holds them, or it cannot be told.
    Live,
}

/// The mode of a store whose meta.db is `meta_db`. When it cannot be told, [`Mode::Live`]: the careful one.
pub(super) fn mode_of(meta_db: &Stat) -> Mode {
    let is_free = || {
        let locks = std::fs::read_to_string("/proc/locks");
        locks.is_ok_and(|locks| !is_locked(&locks, meta_db.ino, std::process::id()))
    };
    let is_stopped = sees_all_processes() && (0..READINGS).all(|_| is_free());
    if is_stopped { Mode::Stopped } else { Mode::Live }
}

/// The list is read a page at a time, by position: when a lock before it ends between two pages, one is left out. Seen once
/// on a machine with many containerds.
const READINGS: usize = 4;

/// A lock on that inode of another process than `own`: what this process locked, no containerd holds. Its device is not
/// compared: some file systems (btrfs) show another one in `stat`, and taking a stopped store for a live one costs nothing but a
/// second look.
fn is_locked(locks: &str, ino: u64, own: u32) -> bool {
    locks.lines().any(|line| {
        let mut words = line.split_ascii_whitespace().skip_while(|word| *word != "FLOCK");
        let holder = words.nth(3).and_then(|pid| pid.parse::<u32>().ok());
        let file = words.next().and_then(|file| file.rsplit(':').next()).and_then(|ino| ino.parse().ok());
        file == Some(ino) && holder != Some(own)
    })
}

/// In a pid namespace of its own, `/proc/locks` does not show the locks of processes outside.
fn sees_all_processes() -> bool {
    /// The first pid namespace's inode: PROC_PID_INIT_INO in the kernel's include/linux/proc_ns.h.
    const INITIAL: &str = "pid:[4026531836]";
    std::fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link.as_os_str() == INITIAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_list() {
        let locks = "1: FLOCK  ADVISORY  WRITE 712 fe:00:131099 0 EOF\n\
                     2: POSIX  ADVISORY  WRITE 713 fe:00:42 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 714 fe:00:77 0 EOF\n";
        assert!(is_locked(locks, 131_099, 1));
        assert!(is_locked(locks, 77, 1));
        assert!(!is_locked(locks, 131_099, 712), "our own");
        assert!(!is_locked(locks, 42, 1), "a POSIX lock is no bolt's");
        assert!(!is_locked(locks, 712, 1));
        assert!(!is_locked("FLOCK\nnoise : : :\n", 1, 1));
    }

    #[test]
    fn sees_a_real_lock() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let ino = std::os::unix::fs::MetadataExt::ino(&file.as_file().metadata().unwrap());
        let locks = || std::fs::read_to_string("/proc/locks").unwrap();
        assert!(!is_locked(&locks(), ino, 0));
        rustix::fs::flock(file.as_file(), rustix::fs::FlockOperation::LockExclusive).unwrap();
        assert!(is_locked(&locks(), ino, 0));
    }
}
