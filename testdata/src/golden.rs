//! Small stores that real containerds made, packed into this crate.
//!
//! `testdata/golden/make` makes them, `testdata/README.md` says what is in them.

use std::io::{self, Error, ErrorKind};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use tar::{Archive, Entry};

const CLEAN: [(&str, &[u8]); 3] = [
    ("1.6", include_bytes!("../golden/1.6.tar.zst")),
    ("1.7", include_bytes!("../golden/1.7.tar.zst")),
    ("2.1", include_bytes!("../golden/2.1.tar.zst")),
];

/// The store of a containerd 2.1 that was killed while a client wrote content: one ingest with 3,000 bytes.
pub const INTERRUPTED: &str = "2.1-interrupted";

/// A store of containerd 2.3 with the snapshotter erofs: eight layers, four images, a container on snapshot 9.
pub const EROFS: &str = "2.3-erofs";

/// The same store, cut off from power right after the last pull: the image of each of the eight layers has its full length, and
/// not one byte was written out. No container yet.
pub const EROFS_CUT: &str = "2.3-erofs-cut";

/// The healthy stores by the generation of containerd that made them, oldest first.
pub fn names() -> [&'static str; 3] {
    CLEAN.map(|(name, _)| name)
}

/// The store of this name as it is packed: a tar with PAX headers, compressed with zstd.
pub fn archive(name: &str) -> Option<&'static [u8]> {
    let interrupted = (INTERRUPTED, include_bytes!("../golden/2.1-interrupted.tar.zst").as_slice());
    let erofs = (EROFS, include_bytes!("../golden/2.3-erofs.tar.zst").as_slice());
    let erofs_cut = (EROFS_CUT, include_bytes!("../golden/2.3-erofs-cut.tar.zst").as_slice());
    CLEAN
        .into_iter()
        .chain([interrupted, erofs, erofs_cut])
        .find(|(have, _)| *have == name)
        .map(|(_, bytes)| bytes)
}

/// Unpacks a store; `root` then is the containerd root. Made when it is missing, and meant to be empty.
///
/// Modes and times (nanoseconds) are what containerd left. So are owners when the caller is root; otherwise everything
/// belongs to the caller.
///
/// # Errors
/// No store has this name, or the file system refuses.
pub fn unpack(name: &str, root: &Path) -> io::Result<()> {
    let packed =
        archive(name).ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no golden store {name}")))?;
    std::fs::create_dir_all(root)?;
    let mut tar = Archive::new(zstd::Decoder::new(packed)?);
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
