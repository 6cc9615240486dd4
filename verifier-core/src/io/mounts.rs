//! `/proc/PID/mountinfo` (proc_pid_mountinfo(5)), one line for each mount: the one parser of it.
//!
//! ```text
//! 45 27 0:39 /root/in/the/fs /mount/point rw,relatime shared:1 - overlay source rw,lowerdir=…,upperdir=…
//! id parent dev  root          point       options    any number   type   source super options
//! ```
//!
//! Paths are bytes. A space, tab, newline or backslash in a field is `\` and three octal digits; in a super option a comma is,
//! too. overlayfs shows `lowerdir` as it was given: paths between colons, `\:` and `\\` for those in a path. Since Linux 6.8 each
//! may have an option `lowerdir+` of its own, without those.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) id: u64,
    pub(crate) parent: u64,
    /// The file system's device: major and minor. Some (btrfs, overlayfs) show another one in `stat`.
    pub(crate) dev: (u32, u32),
    /// What of the file system is mounted.
    pub(crate) root: PathBuf,
    /// Where, as the process sees it.
    pub(crate) point: PathBuf,
    /// The type of the file system.
    pub(crate) fs: Vec<u8>,
    /// What is mounted: a block device, usually.
    pub(crate) source: Vec<u8>,
    /// Of this mount alone, between commas.
    options: Vec<u8>,
    /// Of the file system, between commas.
    super_options: Vec<u8>,
}

/// The folders that an overlay is made of, as they were given.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Overlay {
    pub(crate) lowers: Vec<PathBuf>,
    pub(crate) upper: Option<PathBuf>,
    pub(crate) work: Option<PathBuf>,
}

/// The mounts that this thread sees.
///
/// # Errors
/// `/proc` is not there, or what it shows is no table.
pub(crate) fn own() -> io::Result<Vec<Mount>> {
    parse(&std::fs::read("/proc/thread-self/mountinfo")?).ok_or_else(garbled)
}

/// The mount that an open file or folder was reached by.
///
/// # Errors
/// `/proc` is not there, or does not know it.
pub(crate) fn of(file: BorrowedFd<'_>) -> io::Result<Mount> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd()))?;
    let id = info.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok());
    own()?.into_iter().find(|mount| Some(mount.id) == id).ok_or_else(garbled)
}

/// The error for a table that is none.
pub(crate) fn garbled() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "/proc shows no mount table that can be read")
}

/// The mounts of a table; `None` if a line is none.
pub(crate) fn parse(table: &[u8]) -> Option<Vec<Mount>> {
    table.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(line).collect()
}

/// The innermost mount above `path`, the last one where several lie over each other.
pub(crate) fn above<'m>(mounts: &'m [Mount], path: &Path) -> Option<&'m Mount> {
    let above = mounts.iter().filter(|mount| path.starts_with(&mount.point));
    above.max_by_key(|mount| mount.point.components().count())
}

fn line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse().ok();
    let (id, parent) = (number()?, number()?);
    let dev = device(fields.next()?)?;
    let (root, point) = (path(fields.next()?), path(fields.next()?));
    let options = fields.next()?.to_vec();
    fields.find(|field| *field == b"-")?;
    let (fs, source) = (fields.next()?.to_vec(), unescape(fields.next()?));
    let super_options = fields.next().unwrap_or_default().to_vec();
    Some(Mount { id, parent, dev, root, point, fs, source, options, super_options })
}

/// `major:minor`, decimal.
fn device(field: &[u8]) -> Option<(u32, u32)> {
    let (major, minor) = std::str::from_utf8(field).ok()?.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

impl Mount {
    /// Whether this mount alone has the option.
    pub(crate) fn has_option(&self, wanted: &str) -> bool {
        self.options.split(|byte| *byte == b',').any(|option| option == wanted.as_bytes())
    }

    /// Whether the file system has the option.
    pub(crate) fn has_super_option(&self, wanted: &str) -> bool {
        self.super_options.split(|byte| *byte == b',').any(|option| option == wanted.as_bytes())
    }

    /// Whether it is an overlay.
    pub(crate) fn is_overlay(&self) -> bool {
        self.fs == b"overlay"
    }

    /// What it is made of, if it is an overlay.
    pub(crate) fn overlay(&self) -> Option<Overlay> {
        if !self.is_overlay() {
            return None;
        }
        let mut overlay = Overlay::default();
        for option in self.super_options.split(|byte| *byte == b',') {
            let Some(at) = option.iter().position(|byte| *byte == b'=') else { continue };
            let (name, value) = option.split_at_checked(at)?;
            let value = unescape(value.get(1..).unwrap_or_default());
            match unescape(name).as_slice() {
                b"lowerdir" => overlay.lowers.extend(split_lowers(&value)),
                b"lowerdir+" | b"datadir+" => overlay.lowers.push(as_path(value)),
                b"upperdir" => overlay.upper = Some(as_path(value)),
                b"workdir" => overlay.work = Some(as_path(value)),
                _ => {}
            }
        }
        Some(overlay)
    }
}

fn split_lowers(value: &[u8]) -> Vec<PathBuf> {
    let (mut lowers, mut current) = (Vec::new(), Vec::new());
    let mut bytes = value.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b':' => lowers.push(std::mem::take(&mut current)),
            b'\\' => current.extend(bytes.next()),
            other => current.push(other),
        }
    }
    lowers.push(current);
    lowers.into_iter().filter(|path| !path.is_empty()).map(as_path).collect()
}

fn path(field: &[u8]) -> PathBuf {
    as_path(unescape(field))
}

fn as_path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

/// `\` and three octal digits stand for a byte.
pub(crate) fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, behind)) = rest.split_first() {
        let code = match (first, behind) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..]) => {
                Some((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'))
            }
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { behind.get(3..).unwrap_or_default() } else { behind };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(paths: &[&str]) -> Vec<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn a_containers_root() {
        let table = b"27 1 254:0 / / rw - ext4 /dev/vda rw\n\
            45 27 0:39 / /run/c1/root\\040fs rw,relatime shared:7 - overlay overlay rw,lowerdir=/s/2/fs:/s/1/fs,upperdir=/s/3/fs,workdir=/s/3/work,uuid=on\n";
        let mounts = parse(table).unwrap();
        assert_eq!((mounts[0].id, mounts[0].overlay()), (27, None));
        assert_eq!((mounts[1].parent, mounts[1].point.clone()), (27, PathBuf::from("/run/c1/root fs")));
        let overlay = mounts[1].overlay().unwrap();
        assert_eq!(overlay.lowers, paths(&["/s/2/fs", "/s/1/fs"]));
        assert_eq!((overlay.upper, overlay.work), (Some("/s/3/fs".into()), Some("/s/3/work".into())));
    }

    #[test]
    fn odd_names() {
        let overlay = |options: &str| {
            let line = format!("1 1 0:1 / /m rw - overlay overlay {options}");
            parse(line.as_bytes()).unwrap()[0].overlay().unwrap().lowers
        };
        // The kernel writes a backslash as \134 and a comma as \054.
        assert_eq!(overlay("ro,lowerdir=41/fs:40/fs"), paths(&["41/fs", "40/fs"]));
        assert_eq!(
            overlay("ro,lowerdir=/a\\134:b:/c\\134\\134d:/e\\054f"),
            paths(&["/a:b", "/c\\d", "/e,f"])
        );
        assert_eq!(overlay("ro,lowerdir+=/a:b,lowerdir+=/c,datadir+=/d"), paths(&["/a:b", "/c", "/d"]));
        assert_eq!(overlay("ro,lowerdir=/a::/data"), paths(&["/a", "/data"]));
        assert_eq!(overlay("ro"), paths(&[]));
        assert_eq!(unescape(b"\\04"), b"\\04");
        assert_eq!(unescape(b"\\777\\101"), b"\\777A");
    }

    #[test]
    fn the_innermost_and_last_mount_counts() {
        let table = b"22 1 8:1 / / rw,nosuid - ext4 /dev/sda1 rw,errors=remount-ro\n\
            30 22 8:17 / /var/lib ro,relatime shared:1 - xfs /dev/sdb1 rw\n\
            31 22 8:33 / /var/lib rw - btrfs /dev/disk/a\\040b rw\n\
            32 22 0:5 / /mnt/a\\040\xff rw - tmpfs none rw\n";
        let mounts = parse(table).unwrap();
        let source = |path: &[u8]| {
            let path = as_path(path.to_vec());
            String::from_utf8(above(&mounts, &path).unwrap().source.clone()).unwrap()
        };
        assert_eq!(source(b"/var/lib/containerd"), "/dev/disk/a b");
        assert_eq!(source(b"/var/library"), "/dev/sda1");
        assert_eq!(source(b"/mnt/a \xff/c"), "none");
        assert_eq!(above(&mounts, Path::new("relative")), None);
        let [top, first, ..] = mounts.as_slice() else { panic!("{mounts:?}") };
        assert_eq!((top.dev, first.dev), ((8, 1), (8, 17)));
        assert!(
            top.has_option("nosuid") && !top.has_option("no") && top.has_super_option("errors=remount-ro")
        );
        assert!(first.has_option("ro") && !first.has_super_option("ro"));
    }

    #[test]
    fn what_is_no_table() {
        for line in [
            "x",
            "1 2",
            "1 2 0:1 / / rw",
            "1 2 0:1 / / rw -",
            "one 2 0:1 / / rw - ext4 x rw",
            "1 2 0 / / rw - ext4 x rw",
        ] {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
        assert_eq!(parse(b""), Some(Vec::new()));
    }
}
