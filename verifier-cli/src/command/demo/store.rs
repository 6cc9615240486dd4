//! The demo's store: what a containerd 2.1 left of two small images, packed into the program.
//!
//! A tar with PAX headers, compressed with zstd: the golden store 2.1 of the tests, byte for byte (a test compares them).

use std::io::{self, Error, ErrorKind};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use tar::{Archive, Entry};

const PACKED: &[u8] = include_bytes!("../../../demo-store/2.1.tar.zst");

/// Unpacks the store; `root` then is the containerd root.
///
/// Modes and times (nanoseconds) are what containerd left. So are owners when the caller is root; otherwise everything
/// belongs to the caller.
pub(super) fn unpack(root: &Path) -> io::Result<()> {
    let mut tar = Archive::new(zstd::Decoder::new(PACKED)?);
    tar.set_preserve_permissions(true);
    tar.set_preserve_mtime(false);
    tar.set_mask(0);
    tar.set_preserve_ownerships(rustix::process::geteuid().is_root());
    let mut times = Vec::new();
    for entry in tar.entries()? {
        let mut entry = entry?;
        let (path, time) = (root.join(entry.path()?), modified(&mut entry)?);
        if !entry.unpack_in(root)? {
            return Err(Error::new(ErrorKind::InvalidData, format!("{} leaves the root", path.display())));
        }
        times.push((path, time));
    }
    // Last, and the folders after what is in them: each file that is made changes the time of its folder.
    times.into_iter().rev().try_for_each(|(path, time)| set_modified(&path, time))
}

/// The header has whole seconds; the PAX record has the rest.
fn modified(entry: &mut Entry<'_, impl io::Read>) -> io::Result<Duration> {
    let seconds = Duration::from_secs(entry.header().mtime()?);
    let Some(records) = entry.pax_extensions()? else { return Ok(seconds) };
    let exact = records.flatten().find(|record| record.key() == Ok("mtime"));
    Ok(exact.and_then(|record| decimal_seconds(record.value().ok()?)).unwrap_or(seconds))
}

/// `1700000000.123456789`, exactly: a float would round the nanoseconds.
fn decimal_seconds(text: &str) -> Option<Duration> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    Some(Duration::new(seconds.parse().ok()?, format!("{fraction:0<9}").get(..9)?.parse().ok()?))
}

fn set_modified(path: &Path, time: Duration) -> io::Result<()> {
    let seconds = i64::try_from(time.as_secs()).map_err(Error::other)?;
    let time = Timespec { tv_sec: seconds, tv_nsec: time.subsec_nanos().into() };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who makes the golden stores anew copies this one too.
    #[test]
    fn it_is_the_golden_store() {
        assert!(
            Some(PACKED) == testdata::golden::archive("2.1"),
            "copy testdata/golden/2.1.tar.zst to demo-store/"
        );
    }
}
