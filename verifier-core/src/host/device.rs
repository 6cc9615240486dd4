//! What the store lies on, for those who must look at the disk.

use std::path::Path;

use serde::Serialize;

/// The mount that holds a root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Device {
    /// What is mounted: a block device, usually.
    pub source: String,
    /// The file system's type.
    pub file_system: String,
    /// Where it is mounted.
    pub mount_point: String,
}

impl Device {
    /// The mount that `root` lies on, as `/proc/self/mountinfo` lists it; `None` where that cannot be told.
    #[must_use]
    pub fn of(root: &Path) -> Option<Device> {
        let root = root.canonicalize().ok()?;
        Device::in_list(&std::fs::read_to_string("/proc/self/mountinfo").ok()?, &root)
    }

    fn in_list(list: &str, root: &Path) -> Option<Device> {
        Mount::above(list, root).map(|mount| mount.device)
    }
}

/// A mount, as it is listed.
struct Mount {
    device: Device,
    /// Read-only for whom this list is of.
    is_read_only: bool,
    /// Read-only for all: the file system itself.
    is_file_system_read_only: bool,
}

impl Mount {
    fn parse(line: &str) -> Option<Mount> {
        let (place, what) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(4);
        let (mount_point, own) = (unescape(place.next()?), place.next()?);
        let mut what = what.split(' ');
        let (file_system, source) = (what.next()?.to_owned(), unescape(what.next()?));
        let is = |options: &str, wanted: &[&str]| options.split(',').any(|one| wanted.contains(&one));
        Some(Mount {
            device: Device { source, file_system, mount_point },
            is_read_only: is(own, &["ro"]),
            // From 6.15, ext4 only says so when it found an error.
            is_file_system_read_only: is(what.next().unwrap_or_default(), &["ro", "emergency_ro"]),
        })
    }

    /// The innermost mount above `root`, the last one where several lie over each other (proc_pid_mountinfo(5)).
    fn above(list: &str, root: &Path) -> Option<Mount> {
        let mounts = list.lines().filter_map(Mount::parse);
        let above = mounts.filter(|mount| root.starts_with(&mount.device.mount_point));
        above.max_by_key(|mount| Path::new(&mount.device.mount_point).components().count())
    }
}

/// Whether containerd cannot write to `root`, by `/proc/self/mountinfo`; false where that cannot be told.
pub(crate) fn is_read_only(root: &Path) -> bool {
    let list = std::fs::read_to_string("/proc/self/mountinfo");
    root.canonicalize().is_ok_and(|root| list.is_ok_and(|list| is_read_only_in(&list, &root)))
}

fn is_read_only_in(list: &str, root: &Path) -> bool {
    // A service with ProtectSystem=strict sees all of the system read-only, and so its own root folder: that is only its view.
    let of_view = |mount: &Mount| {
        !Mount::above(list, Path::new("/")).is_none_or(|top| top.is_read_only) && mount.is_read_only
    };
    Mount::above(list, root).is_some_and(|mount| mount.is_file_system_read_only || of_view(&mount))
}

/// Blanks, tabs, line breaks and backslashes are written as three octal digits.
pub(crate) fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (code, character)| text.replace(code, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
        30 22 8:17 / /var/lib rw,relatime shared:1 - xfs /dev/sdb1 rw\n\
        31 22 8:33 / /var/lib rw - btrfs /dev/sdc rw\n\
        32 22 0:5 / /mnt/a\\040b rw - tmpfs none rw\n";

    #[test]
    fn the_innermost_and_last_mount_counts() {
        let source = |root| Device::in_list(LIST, Path::new(root)).unwrap().source;
        assert_eq!(source("/var/lib/containerd"), "/dev/sdc");
        assert_eq!(source("/var/library"), "/dev/sda1");
        assert_eq!(source("/mnt/a b/c"), "none");
        assert_eq!(Device::in_list("noise", Path::new("/")), None);
    }

    #[test]
    fn read_only_is_what_is_so_for_containerd_too() {
        let is = |top: &str, root: &str| {
            let list = format!(
                "22 1 8:1 / / {top} - ext4 /dev/sda1 rw,errors=remount-ro\n30 22 8:17 / /root {root}\n"
            );
            is_read_only_in(&list, Path::new("/root"))
        };
        assert!(!is("rw", "rw - ext4 /dev/sdb1 rw") && !is("ro", "ro,nosuid - ext4 /dev/sdb1 rw"));
        assert!(is("rw", "rw - ext4 /dev/sdb1 ro") && is("ro", "ro - ext4 /dev/sdb1 ro"));
        assert!(is("rw", "ro,nosuid shared:1 - ext4 /dev/sdb1 rw,discard"));
        assert!(is("rw", "rw - ext4 /dev/sdb1 rw,emergency_ro"));
        assert!(!is_read_only_in("", Path::new("/root")));
        assert!(!is_read_only_in("22 1 8:1 / / ro - ext4 /dev/sda1 rw\n", Path::new("/root")));
    }

    #[test]
    fn this_machine_has_a_root() {
        assert!(Device::of(Path::new("/proc")).is_some_and(|device| device.file_system == "proc"));
    }
}
