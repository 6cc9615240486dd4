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

    /// The innermost mount above `root`, the last one where several lie over each other (proc_pid_mountinfo(5)).
    fn in_list(list: &str, root: &Path) -> Option<Device> {
        let mounts = list.lines().filter_map(|line| {
            let (place, what) = line.split_once(" - ")?;
            let mount_point = unescape(place.split(' ').nth(4)?);
            let mut what = what.split(' ');
            let (file_system, source) = (what.next()?.to_owned(), unescape(what.next()?));
            Some(Device { source, file_system, mount_point })
        });
        let above = mounts.filter(|mount| root.starts_with(&mount.mount_point));
        above.max_by_key(|mount| Path::new(&mount.mount_point).components().count())
    }
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
    fn this_machine_has_a_root() {
        assert!(Device::of(Path::new("/proc")).is_some_and(|device| device.file_system == "proc"));
    }
}
