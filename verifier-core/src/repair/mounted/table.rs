//! `/proc/PID/mountinfo` (proc(5)), one line for each mount:
//!
//! ```text
//! 45 27 0:39 /root/in/the/fs /mount/point rw,relatime shared:1 - overlay source rw,lowerdir=…,upperdir=…
//! id parent dev  root          point       options    any number   type   source super options
//! ```
//!
//! A space, tab, newline or backslash in a path is `\` and three octal digits; in a super option a comma is, too.
//! overlayfs shows `lowerdir` as it was given: paths between colons, `\:` and `\\` for those in a path. Since Linux 6.8 each may
//! have an option `lowerdir+` of its own, without those.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) id: u64,
    pub(super) parent: u64,
    /// The file system: `major:minor`.
    pub(super) dev: Vec<u8>,
    /// What of the file system is mounted.
    pub(super) root: PathBuf,
    /// Where, as the process sees it.
    pub(super) point: PathBuf,
    pub(super) fs: Vec<u8>,
    options: Vec<u8>,
}

/// The folders that an overlay is made of, as they were given.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Overlay {
    pub(super) lowers: Vec<PathBuf>,
    pub(super) upper: Option<PathBuf>,
    pub(super) work: Option<PathBuf>,
}

/// The mounts of a table; `None` if a line is none.
pub(super) fn parse(table: &[u8]) -> Option<Vec<Mount>> {
    table.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(line).collect()
}

fn line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse().ok();
    let (id, parent) = (number()?, number()?);
    let dev = fields.next()?.to_vec();
    let (root, point) = (path(fields.next()?), path(fields.next()?));
    fields.find(|field| *field == b"-")?;
    let fs = fields.next()?.to_vec();
    let _source = fields.next()?;
    let options = fields.next().unwrap_or_default().to_vec();
    Some(Mount { id, parent, dev, root, point, fs, options })
}

impl Mount {
    /// What it is made of, if it is an overlay.
    pub(super) fn overlay(&self) -> Option<Overlay> {
        if self.fs != b"overlay" {
            return None;
        }
        let mut overlay = Overlay::default();
        for option in self.options.split(|byte| *byte == b',') {
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
fn unescape(field: &[u8]) -> Vec<u8> {
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
    fn what_is_no_table() {
        for line in ["x", "1 2", "1 2 0:1 / / rw", "1 2 0:1 / / rw -", "one 2 0:1 / / rw - ext4 x rw"] {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
        assert_eq!(parse(b""), Some(Vec::new()));
    }
}
