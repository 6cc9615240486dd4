//! What the store lies on, for those who must look at the disk.

use std::path::Path;

use serde::Serialize;

use crate::io::mounts::{self, Mount};

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
    /// The mount that `root` lies on, as the kernel lists it; `None` where that cannot be told.
    #[must_use]
    pub fn of(root: &Path) -> Option<Device> {
        let root = root.canonicalize().ok()?;
        mounts::above(&mounts::own().ok()?, &root).map(Device::from)
    }
}

impl From<&Mount> for Device {
    fn from(mount: &Mount) -> Device {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Device {
            source: text(&mount.source),
            file_system: text(&mount.fs),
            mount_point: mount.point.to_string_lossy().into_owned(),
        }
    }
}

/// Whether containerd cannot write to `root`, by the kernel's list of mounts; false where that cannot be told.
pub(crate) fn is_read_only(root: &Path) -> bool {
    let mounts = mounts::own().unwrap_or_default();
    root.canonicalize().is_ok_and(|root| is_read_only_in(&mounts, &root))
}

fn is_read_only_in(mounts: &[Mount], root: &Path) -> bool {
    let Some(mount) = mounts::above(mounts, root) else { return false };
    // From 6.15, ext4 only says so when it found an error.
    let of_file_system = ["ro", "emergency_ro"].iter().any(|option| mount.has_super_option(option));
    // A service with ProtectSystem=strict sees all of the system read-only, and so its own root folder: that is only its view.
    let top = mounts::above(mounts, Path::new("/"));
    of_file_system || top.is_some_and(|top| !top.has_option("ro") && mount.has_option("ro"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_only_is_what_is_so_for_containerd_too() {
        let is = |top: &str, root: &str| {
            let list = format!(
                "22 1 8:1 / / {top} - ext4 /dev/sda1 rw,errors=remount-ro\n30 22 8:17 / /root {root}\n"
            );
            is_read_only_in(&mounts::parse(list.as_bytes()).unwrap(), Path::new("/root"))
        };
        assert!(!is("rw", "rw - ext4 /dev/sdb1 rw") && !is("ro", "ro,nosuid - ext4 /dev/sdb1 rw"));
        assert!(is("rw", "rw - ext4 /dev/sdb1 ro") && is("ro", "ro - ext4 /dev/sdb1 ro"));
        assert!(is("rw", "ro,nosuid shared:1 - ext4 /dev/sdb1 rw,discard"));
        assert!(is("rw", "rw - ext4 /dev/sdb1 rw,emergency_ro"));
        assert!(!is_read_only_in(&[], Path::new("/root")));
        let top = mounts::parse(b"22 1 8:1 / / ro - ext4 /dev/sda1 rw\n").unwrap();
        assert!(!is_read_only_in(&top, Path::new("/root")));
    }

    #[test]
    fn this_machine_has_a_root() {
        assert!(Device::of(Path::new("/proc")).is_some_and(|device| device.file_system == "proc"));
    }
}
