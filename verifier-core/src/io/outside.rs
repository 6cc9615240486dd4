//! Files outside a root: state, metrics, units. The one way they are written, and read back.
//!
//! Others may own the folder (a collector's, say), so nothing there is trusted. A file is made anew beside its place, under a
//! name that nothing has, and renamed into it; all by the folder's descriptor. What is no regular file is neither opened nor
//! replaced: a link would lead elsewhere, a fifo would wait for ever, a device might act.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::folder::must_be_regular;
use super::stat::Stat;

/// Names that are tried for what is made beside a file. A killed run leaves one at most, with its process in the name.
const TRIES: u32 = 100;

/// Writes `bytes` in the place of the file `path`: all of it or nothing, also through a power cut.
///
/// # Errors
/// [`NotRegular`](super::NotRegular) (as the error's source) where something else has the name, and what the system says; what
/// had the name before is untouched then.
pub fn write_file(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let beside = Beside::begin(path, mode)?;
    beside.file().write_all(bytes)?;
    beside.place()
}

/// The bytes of the file `path`, or `None` where there is none.
///
/// # Errors
/// [`NotRegular`](super::NotRegular) for what is no file, `InvalidData` for more than `limit_bytes`, and what the system says.
pub fn read_file(path: &Path, limit_bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match open_file(path, OFlags::RDONLY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut bytes = Vec::new();
    file.take(limit_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= limit_bytes => Ok(Some(bytes)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Opens the regular file `path`, with `flags` that may make it (readable by its owner only).
pub(crate) fn open_file(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::lstat(path) {
        Ok(found) => must_be_regular(&found.into())?,
        Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let fd = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?;
    // Once more, at what was opened: the name may have changed hands.
    must_be_regular(&rustix::fs::fstat(&fd)?.into())?;
    Ok(fd.into())
}

/// A file that is made beside the one it is to replace. Dropped before it is placed, it goes.
#[derive(Debug)]
pub(crate) struct Beside {
    folder: OwnedFd,
    name: OsString,
    temporary: OsString,
    file: File,
    is_placed: bool,
}

impl Beside {
    /// Makes an empty file beside `path`, with the permissions `mode`.
    pub(crate) fn begin(path: &Path, mode: u32) -> io::Result<Beside> {
        let name = path.file_name().ok_or(Errno::INVAL)?.to_owned();
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(parent, flags, Mode::empty())?;
        refuse_special(&folder, &name)?;
        let (temporary, file) = create(&folder, &name)?;
        let beside = Beside { folder, name, temporary, file, is_placed: false };
        rustix::fs::fchmod(&beside.file, Mode::from_raw_mode(mode))?;
        Ok(beside)
    }

    /// The file, open for writing and reading.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Gives it another name than it was begun for, in the same folder.
    pub(crate) fn place_as(mut self, path: &Path) -> io::Result<()> {
        path.file_name().ok_or(Errno::INVAL)?.clone_into(&mut self.name);
        self.place()
    }

    /// Gives it its name, once it is on the medium.
    pub(crate) fn place(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        refuse_special(&self.folder, &self.name)?;
        rustix::fs::renameat(&self.folder, &self.temporary, &self.folder, &self.name)?;
        self.is_placed = true;
        Ok(rustix::fs::fsync(&self.folder)?)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.is_placed {
            let _ = rustix::fs::unlinkat(&self.folder, &self.temporary, AtFlags::empty());
        }
    }
}

fn refuse_special(folder: &impl AsFd, name: &OsStr) -> io::Result<()> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => must_be_regular(&Stat::from(found)),
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn create(folder: &OwnedFd, name: &OsStr) -> io::Result<(OsString, File)> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let process = std::process::id();
    for again in 0..TRIES {
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{process}-{again}.new"));
        match rustix::fs::openat(folder, &temporary, flags, Mode::RUSR | Mode::WUSR) {
            Ok(fd) => return Ok((temporary, fd.into())),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Errno::EXIST.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{FileKind, NotRegular};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    fn names(folder: &Path) -> Vec<OsString> {
        let mut names: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        assert_eq!(read_file(&path, 9).unwrap(), None);
        for (mode, bytes) in [(0o600, &b"one"[..]), (0o644, b"two")] {
            write_file(&path, mode, bytes).unwrap();
            assert_eq!(read_file(&path, 3).unwrap().as_deref(), Some(bytes));
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, mode);
        }
        assert!(read_file(&path, 2).is_err(), "more than asked for");
        assert_eq!(names(folder.path()), ["x"]);
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("victim"), "mine").unwrap();
        symlink(at("victim"), at("link")).unwrap();
        symlink("/dev/null", at("device")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        let before = names(folder.path());
        for (name, kind) in [
            ("link", FileKind::Symlink),
            ("device", FileKind::Symlink),
            ("fifo", FileKind::Fifo),
            ("folder", FileKind::Folder),
        ] {
            for error in
                [write_file(&at(name), 0o644, b"x").unwrap_err(), read_file(&at(name), 9).unwrap_err()]
            {
                assert_eq!(NotRegular::of(&error), Some(kind), "{name}: {error}");
            }
        }
        assert_eq!(std::fs::read(at("victim")).unwrap(), b"mine");
        assert_eq!(names(folder.path()), before);
    }

    /// The name that is made beside is known to who owns the folder: a link there must not be written through.
    #[test]
    fn a_link_in_the_place_beside_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("victim"), "mine").unwrap();
        let inode = at("victim").metadata().unwrap().ino();
        symlink(at("victim"), at(&format!(".x.{}-0.new", std::process::id()))).unwrap();
        symlink(at("victim"), at(".x.new")).unwrap();
        write_file(&at("x"), 0o644, b"ours").unwrap();
        assert_eq!(std::fs::read(at("victim")).unwrap(), b"mine");
        assert_ne!(at("x").metadata().unwrap().ino(), inode);
        assert_eq!(std::fs::read(at("x")).unwrap(), b"ours");
    }
}
