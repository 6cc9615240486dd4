//! Small stores that real containerds made, packed into this crate.
//!
//! `testdata/golden/make` makes them, `testdata/README.md` says what is in them.

use std::io::{self, Error, ErrorKind};
use std::os::unix::fs::lchown;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags, chmodat, lsetxattr, makedev, mknodat,
    utimensat,
};
use tar::{Archive, Entry};

/// A name, and the bytes of its archive.
macro_rules! packed {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../golden/", $name, ".tar.zst")).as_slice())
    };
}

type Packed = (&'static str, &'static [u8]);

const CLEAN: [Packed; 5] =
    [packed!("1.6"), packed!("1.7"), packed!("2.1"), packed!("2.2-plain"), packed!("2.3-plain")];

const OTHERS: [Packed; 6] = [
    packed!("2.1-interrupted"),
    packed!("2.3"),
    packed!("2.3-parallel"),
    packed!("2.3-cri"),
    packed!("2.3-erofs"),
    packed!("2.3-erofs-cut"),
];

/// The store of a containerd 2.1 that was killed while a client wrote content: one ingest with 3,000 bytes.
pub const INTERRUPTED: &str = "2.1-interrupted";

/// Healthy, by containerd 2.3: layers with capabilities, setuid files, whiteouts, opaque folders, extended attributes, and
/// layers without an entry for their folders. Only root can unpack it.
pub const RICH: &str = "2.3";

/// The images of [`RICH`], unpacked by containerd 2.3 in parallel: folders without an entry in their layer have not what
/// the layers below give them. Only root can unpack it.
pub const PARALLEL: &str = "2.3-parallel";

/// Healthy, by containerd 2.3 with its CRI plugin: a pod with one container, stopped as a boot leaves it.
pub const CRI: &str = "2.3-cri";

/// By containerd 2.3 with the snapshotter erofs, sound.
pub const EROFS: &str = "2.3-erofs";

/// The images of [`EROFS`] after a power cut: each `layer.erofs` has its size, and no bytes.
pub const EROFS_CUT: &str = "2.3-erofs-cut";

/// The healthy stores that hold the same two images, by the generation of containerd that made them, oldest first.
pub fn names() -> [&'static str; 5] {
    CLEAN.map(|(name, _)| name)
}

/// All stores there are.
pub fn all_names() -> Vec<&'static str> {
    CLEAN.iter().chain(&OTHERS).map(|(name, _)| *name).collect()
}

/// Whether a store has devices and `trusted.*` attributes, which only root can make.
pub fn needs_root(name: &str) -> bool {
    [RICH, PARALLEL].contains(&name)
}

/// The store of this name as it is packed: a tar with PAX headers, compressed with zstd.
pub fn archive(name: &str) -> Option<&'static [u8]> {
    CLEAN.into_iter().chain(OTHERS).find(|(have, _)| *have == name).map(|(_, bytes)| bytes)
}

/// Unpacks a store; `root` then is the containerd root. Made when it is missing, and meant to be empty.
///
/// Modes and times (nanoseconds) are what containerd left. So are owners and extended attributes when the caller is root;
/// otherwise everything belongs to the caller, and has no attributes.
///
/// # Errors
/// No store has this name, it needs root, or the file system refuses.
pub fn unpack(name: &str, root: &Path) -> io::Result<()> {
    let packed =
        archive(name).ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no golden store {name}")))?;
    let is_root = rustix::process::geteuid().is_root();
    if needs_root(name) && !is_root {
        return Err(Error::new(
            ErrorKind::PermissionDenied,
            format!("only root can unpack golden store {name}"),
        ));
    }
    std::fs::create_dir_all(root)?;
    let mut tar = Archive::new(zstd::Decoder::new(packed)?);
    tar.set_preserve_permissions(true);
    tar.set_preserve_mtime(false);
    tar.set_mask(0);
    tar.set_preserve_ownerships(is_root);
    let mut times = Vec::new();
    for entry in tar.entries()? {
        let mut entry = entry?;
        let (path, time) = (root.join(entry.path()?), modified(&mut entry)?);
        let attributes = if is_root { attributes(&mut entry)? } else { Vec::new() };
        if entry.header().entry_type().is_character_special() {
            make_device(&entry, &path)?;
        } else if !entry.unpack_in(root)? {
            return Err(Error::new(ErrorKind::InvalidData, format!("{} leaves the root", path.display())));
        }
        for (key, value) in attributes {
            lsetxattr(&path, key, &value, XattrFlags::empty())?;
        }
        times.push((path, time));
    }
    // Last, and the folders after what is in them: each file that is made changes the time of its folder.
    times.into_iter().rev().try_for_each(|(path, time)| set_modified(&path, time))
}

/// An overlay's whiteout; tar would make it a file.
fn make_device(entry: &Entry<'_, impl io::Read>, path: &Path) -> io::Result<()> {
    let header = entry.header();
    let number =
        |part: Option<u32>| part.ok_or_else(|| Error::new(ErrorKind::InvalidData, "a device without number"));
    let device = makedev(number(header.device_major()?)?, number(header.device_minor()?)?);
    let mode = Mode::from_raw_mode(header.mode()?);
    mknodat(CWD, path, FileType::CharacterDevice, mode, device)?;
    let id = |id: u64| u32::try_from(id).map_err(Error::other);
    lchown(path, Some(id(header.uid()?)?), Some(id(header.gid()?)?))?;
    Ok(chmodat(CWD, path, mode, AtFlags::empty())?)
}

/// The extended attributes of an entry, which tar gives to files alone.
fn attributes(entry: &mut Entry<'_, impl io::Read>) -> io::Result<Vec<(String, Vec<u8>)>> {
    let Some(records) = entry.pax_extensions()? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for record in records {
        let record = record?;
        if let Some(key) = record.key().map_err(Error::other)?.strip_prefix("SCHILY.xattr.") {
            found.push((key.to_owned(), record.value_bytes().to_owned()));
        }
    }
    Ok(found)
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
