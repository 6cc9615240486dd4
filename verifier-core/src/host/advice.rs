//! What of the host usually lies behind damage: what can be told by looking, and what to set.
//!
//! Read-only and quick; where something cannot be asked, nothing is said. None of it is damage, and none changes an outcome.

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use serde::Serialize;

use super::daemon::{Daemon, daemon};
use super::device::is_read_only;
use super::{Device, mounted};

/// Something of the host that leads to damage, or makes it last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Advice {
    /// The file system is nearly full: writes that fail leave half of things behind.
    DiskNearlyFull {
        /// Bytes that are left to others than root.
        free_bytes: u64,
        /// Bytes in all.
        size_bytes: u64,
    },
    /// It has hardly an inode left.
    InodesNearlyUsedUp {
        /// Inodes that are left.
        free: u64,
        /// Inodes in all.
        total: u64,
    },
    /// It is mounted read-only, by configuration or because the kernel found an error.
    MountedReadOnly,
    /// A file system is configured to be mounted here, and is not: the root lies on the file system below, and what is on the
    /// one that belongs here is not seen.
    NotMounted {
        /// Where it should be mounted.
        mount_point: PathBuf,
        /// What should be, as it is configured.
        source: String,
        /// What lies there instead.
        instead: String,
    },
    /// Another device is mounted here than is configured.
    MountedFromAnother {
        /// Where it is mounted.
        mount_point: PathBuf,
        /// What should be, as it is configured.
        source: String,
        /// What is.
        instead: String,
    },
    /// Its device had I/O errors, by the kernel's log.
    IoErrors {
        /// The device.
        device: String,
        /// Lines of the log about it.
        lines: u64,
        /// The last of them.
        last: String,
    },
    /// The device counts requests that failed (`/sys/block/<device>/device/ioerr_cnt`).
    FailedRequests {
        /// The device.
        device: String,
        /// Requests.
        requests: u64,
    },
    /// It cannot be told whether a containerd holds the root: it is treated as if one did.
    HolderUnknown {
        /// Why.
        why: String,
    },
    /// The installed containerd does not sync the folder of a blob that it commits: before 2.2.0.
    NoFolderSync {
        /// Its version.
        version: String,
    },
    /// The installed containerd may lose whiteouts when it unpacks layers in parallel: 2.2.0 to 2.2.2 (containerd issue 13030).
    ParallelUnpackBug {
        /// Its version.
        version: String,
    },
    /// Unpacked files are not synced: a crash within a minute of a pull empties them.
    UnpackedFilesNotSynced,
}

impl Advice {
    /// Whether it is worth a line where nothing is wrong.
    #[must_use]
    pub fn stands_alone(&self) -> bool {
        matches!(self, Advice::HolderUnknown { .. })
    }
}

/// Less than one part in so many is nearly nothing.
const PARTS: u64 = 20;
/// With so much left, a part does not matter.
const ENOUGH_BYTES: u64 = 20 << 30;
const ENOUGH_INODES: u64 = 100_000;

/// Looks at what lies under `root`, and at what is known of its containerd.
#[must_use]
pub fn advise(root: &Path) -> Vec<Advice> {
    let device = Device::of(root);
    let mut advice = of_file_system(root);
    let canonical = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    let otherwise = |device| mounted::mounted_otherwise(Path::new("/"), &canonical, device);
    advice.extend(device.as_ref().and_then(otherwise));
    advice.extend(device.iter().flat_map(of_device));
    advice.extend(of_daemon(&daemon(root)));
    advice
}

fn of_file_system(root: &Path) -> Vec<Advice> {
    let Ok(stat) = rustix::fs::statvfs(root) else { return Vec::new() };
    let mut advice = Vec::new();
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    let (free_bytes, size_bytes) = (bytes(stat.f_bavail), bytes(stat.f_blocks));
    if free_bytes < size_bytes / PARTS && free_bytes < ENOUGH_BYTES {
        advice.push(Advice::DiskNearlyFull { free_bytes, size_bytes });
    }
    // File systems that make inodes as they need them (btrfs) count none.
    let (free, total) = (stat.f_favail, stat.f_files);
    if free < total / PARTS && free < ENOUGH_INODES {
        advice.push(Advice::InodesNearlyUsedUp { free, total });
    }
    if is_read_only(root) {
        advice.push(Advice::MountedReadOnly);
    }
    advice
}

fn of_device(device: &Device) -> Vec<Advice> {
    let Some(name) = device.source.strip_prefix("/dev/") else { return Vec::new() };
    // What is mounted may be a link (LVM, by-uuid); the kernel's log and /sys know the device by its own name.
    let path = Path::new(&device.source).canonicalize().ok();
    let name = path.as_deref().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or(name);
    let mut advice = Vec::new();
    if let Some((lines, last)) = io_errors(&kernel_log(), name) {
        advice.push(Advice::IoErrors { device: name.to_owned(), lines, last });
    }
    let count = fs::read_to_string(format!("/sys/class/block/{name}/device/ioerr_cnt"));
    let count =
        count.ok().and_then(|text| u64::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok());
    // One or two come of commands that the device does not know.
    if let Some(requests) = count.filter(|count| *count > 10) {
        advice.push(Advice::FailedRequests { device: name.to_owned(), requests });
    }
    advice
}

/// Lines of the kernel's log, the oldest first; none where it may not be read.
fn kernel_log() -> Vec<String> {
    const LINES: usize = 20_000;
    // Each read gives one record; without blocking, the end of the log is an error (dev-kmsg in the kernel's ABI/testing).
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(log) = rustix::fs::open("/dev/kmsg", flags, Mode::empty()) else { return Vec::new() };
    let mut lines = Vec::new();
    let mut record = vec![0_u8; 8192];
    for _ in 0..LINES {
        match rustix::io::read(log.as_fd(), record.as_mut_slice()) {
            Ok(0) => break,
            Ok(count) => {
                let text = String::from_utf8_lossy(record.get(..count).unwrap_or_default());
                lines.extend(
                    text.split_once(';').and_then(|(_, text)| text.lines().next()).map(str::to_owned),
                );
            }
            // The log went round while we read: what comes next is there.
            Err(rustix::io::Errno::PIPE) => {}
            Err(_) => break,
        }
    }
    lines
}

/// How many lines tell of an I/O error of the device, and the last of them.
fn io_errors(log: &[String], device: &str) -> Option<(u64, String)> {
    // "I/O error, dev sda, sector 1 op 0x0:(READ) …", "Buffer I/O error on dev sda1, logical block 2, …",
    // "EXT4-fs error (device sda1): …", "XFS (sda1): metadata I/O error in …", "BTRFS error (device sda1 …): bdev … errs: …"
    let is_about = |line: &&String| {
        let names = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
        line.contains("error") && names.into_iter().any(|name| is_part_of(name, device))
    };
    let mut about = log.iter().filter(is_about);
    let last = about.next_back()?;
    Some((about.count() as u64 + 1, last.chars().take(200).collect()))
}

/// Whether `name` is `device`, or the disk that the partition `device` lies on.
fn is_part_of(name: &str, device: &str) -> bool {
    let part = device.strip_prefix(name).filter(|_| name.len() >= 3);
    part.is_some_and(|part| part.trim_start_matches('p').bytes().all(|byte| byte.is_ascii_digit()))
}

fn of_daemon(daemon: &Daemon) -> Vec<Advice> {
    let mut advice = Vec::new();
    if let Some(version) = &daemon.version {
        match numbers(version) {
            Some(number) if number < (2, 2, 0) => {
                advice.push(Advice::NoFolderSync { version: version.clone() });
            }
            Some((2, 2, 0..=2)) => advice.push(Advice::ParallelUnpackBug { version: version.clone() }),
            _ => {}
        }
    }
    if daemon.syncs_unpacked == Some(false) {
        advice.push(Advice::UnpackedFilesNotSynced);
    }
    advice
}

/// `v2.1.4`, `1.6.20~ds1`, `2.2.0-rc.1`.
fn numbers(version: &str) -> Option<(u32, u32, u32)> {
    let mut parts = version.trim_start_matches('v').splitn(3, '.');
    let (major, minor, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Some((major.parse().ok()?, minor.parse().ok()?, rest.get(..end)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_this_device_and_of_its_disk() {
        let log: Vec<String> = [
            "blk_update_request: I/O error, dev sda, sector 7 op 0x0:(READ)",
            "Buffer I/O error on dev sda1, logical block 2, async page read",
            "I/O error, dev sdab, sector 7",
            "EXT4-fs error (device sdb1): ext4_lookup: deleted inode referenced",
            "sda1: all is well",
            "nvme0n1: I/O Cmd(0x2) error, dev nvme0n1, sector 5",
        ]
        .map(str::to_owned)
        .to_vec();
        let count = |device| io_errors(&log, device).map(|(count, _)| count);
        assert_eq!(count("sda1"), Some(2));
        assert_eq!(count("sda2"), Some(1));
        assert_eq!(count("sdb1"), Some(1));
        assert_eq!(count("sdc1"), None);
        assert_eq!(count("nvme0n1p2"), Some(1));
        assert_eq!(count("vda"), None);
    }

    #[test]
    fn versions() {
        let of = |version: &str| {
            of_daemon(&Daemon { version: Some(version.into()), syncs_unpacked: None })
                .into_iter()
                .map(|advice| serde_json::to_value(advice).unwrap()["code"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        for version in ["1.6.20~ds1", "v1.7.24", "2.1.9-k3s1"] {
            assert_eq!(of(version), ["no-folder-sync"], "{version}");
        }
        assert_eq!(of("2.2.2"), ["parallel-unpack-bug"]);
        for version in ["2.2.3", "3.0.0", "", "main", "2.2"] {
            assert!(of(version).is_empty(), "{version}");
        }
        let daemon = |syncs| of_daemon(&Daemon { version: None, syncs_unpacked: syncs });
        assert_eq!(daemon(Some(false)), [Advice::UnpackedFilesNotSynced]);
        assert!(daemon(Some(true)).is_empty() && daemon(None).is_empty());
    }

    #[test]
    fn this_machine_is_looked_at_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let advice = advise(folder.path());
        assert!(!advice.contains(&Advice::MountedReadOnly), "{advice:?}");
    }

    #[test]
    fn a_file_system_without_room() {
        let folder = tempfile::tempdir().unwrap();
        let advice = of_file_system(folder.path());
        let stat = rustix::fs::statvfs(folder.path()).unwrap();
        let full = stat.f_bavail < stat.f_blocks / PARTS && stat.f_bavail * stat.f_frsize < ENOUGH_BYTES;
        assert_eq!(advice.iter().any(|one| matches!(one, Advice::DiskNearlyFull { .. })), full);
        // /proc is a mount without room of any kind, which counts nothing.
        assert!(
            !of_file_system(Path::new("/proc"))
                .iter()
                .any(|one| matches!(one, Advice::InodesNearlyUsedUp { .. }))
        );
    }
}
