//! An open folder that nothing leads out of.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::gate::{Gate, Op};
use super::read_at::ReadAt;
use super::stat::{FileKind, Stat};

/// One name in a folder.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The name's bytes: any but `/` and NUL.
    pub name: &'a OsStr,
    /// The type, where the file system tells it in the listing ([`FileKind::Unknown`] where not).
    pub kind: FileKind,
    /// The inode's number.
    pub ino: u64,
}

/// An open folder. All paths given to it are relative, and are looked up beneath it: a symbolic link anywhere but
/// in the last component, `..` above it, or a magic link is an error (`ELOOP`, `EXDEV`), never followed.
pub struct Folder {
    fd: OwnedFd,
    /// Where it is, for messages and for the gate, relative to the folder that was opened by path.
    path: PathBuf,
    gate: Gate,
}

impl Folder {
    /// Opens the folder at `path`. Links on the way are followed here, once: this is the root that an operator names.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES` and whatever else `open(2)` reports.
    pub fn open_root(path: &Path, gate: Gate) -> io::Result<Folder> {
        gate.pass(Op::Open, Path::new(""))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Folder { fd, path: PathBuf::new(), gate })
    }

    /// Where this folder is, relative to the root it was reached from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open folder itself, for calls that need a descriptor (`fstatfs`, say).
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Whether its files are read in a way of their own ([`Gate::reading_with`]).
    #[must_use]
    pub fn is_paced(&self) -> bool {
        self.gate.reader().is_some()
    }

    /// Opens the folder `path` beneath this one.
    ///
    /// # Errors
    /// `ELOOP` when it is a link or one is on the way, `ENOTDIR` when it is no folder, `ENOENT`, `EACCES`, `EIO`.
    pub fn folder(&self, path: impl AsRef<Path>) -> io::Result<Folder> {
        let path = path.as_ref();
        let full = self.path.join(path);
        self.gate.pass(Op::Open, &full)?;
        let fd = match self.open_beneath(path, OFlags::RDONLY | OFlags::DIRECTORY) {
            // Of a link in the last place the kernel only says that it is no folder.
            Err(Errno::NOTDIR) if self.is_link(path) => Err(Errno::LOOP),
            other => other,
        }?;
        Ok(Folder { fd, path: full, gate: self.gate.clone() })
    }

    /// Opens the folder `name` of this one. For trees of any depth: messages go on to tell where the walk began.
    pub(crate) fn down(&self, name: &OsStr) -> io::Result<Folder> {
        self.gate.pass(Op::Open, &self.path)?;
        let fd = self.open_beneath(Path::new(name), OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok(Folder { fd, path: self.path.clone(), gate: self.gate.clone() })
    }

    /// Opens the folder that this one is in, if its device and inode are `id`: the one that [`Folder::down`] came from.
    pub(crate) fn up(&self, id: (u64, u64)) -> io::Result<Folder> {
        self.gate.pass(Op::Open, &self.path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, "..", flags, Mode::empty())?;
        let stat: Stat = rustix::fs::fstat(&fd)?.into();
        // It was moved meanwhile, and up may be out.
        if (stat.dev, stat.ino) != id {
            return Err(Errno::XDEV.into());
        }
        Ok(Folder { fd, path: self.path.clone(), gate: self.gate.clone() })
    }

    /// Opens the regular file `path` beneath this folder for reading.
    ///
    /// # Errors
    /// [`NotRegular`] (as the error's source) when something else has the name, and what `open(2)` reports.
    pub fn file(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref();
        let full = self.path.join(path);
        self.gate.pass(Op::Open, &full)?;
        // A fifo would block, a device might act: look before opening, and once more at what was opened.
        must_be_regular(&self.lstat(path)?)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let fd = match self.open_beneath(path, flags | OFlags::NOATIME) {
            // Only the owner and root may ask for O_NOATIME.
            Err(Errno::PERM) => self.open_beneath(path, flags),
            other => other,
        }?;
        let stat: Stat = rustix::fs::fstat(&fd)?.into();
        must_be_regular(&stat)?;
        let file = fd.into();
        if let Some(reader) = self.gate.reader() {
            reader.opened(&file);
        }
        Ok(File { file, stat, path: full, gate: self.gate.clone() })
    }

    /// What `lstat` tells of `path`; the empty path means this folder.
    ///
    /// # Errors
    /// `ENOENT`, `EACCES`, `EIO`, `ELOOP` (a link on the way).
    pub fn stat(&self, path: impl AsRef<Path>) -> io::Result<Stat> {
        let path = path.as_ref();
        self.gate.pass(Op::Stat, &self.path.join(path))?;
        self.lstat(path)
    }

    /// What `path` leads to, links followed wherever they lead, as containerd follows them. Nothing is opened: it is only
    /// told whether what is refused here is something there.
    ///
    /// # Errors
    /// `ENOENT` when it leads nowhere, `ELOOP` when to itself, `EACCES`, `EIO`.
    pub fn stat_through_links(&self, path: impl AsRef<Path>) -> io::Result<Stat> {
        let path = path.as_ref();
        self.gate.pass(Op::Stat, &self.path.join(path))?;
        Ok(rustix::fs::statat(&self.fd, path, AtFlags::empty())?.into())
    }

    /// Whether a folder is reached by `path`, if links are followed.
    pub(crate) fn leads_to_folder(&self, path: impl AsRef<Path>) -> bool {
        self.stat_through_links(path).is_ok_and(|stat| stat.kind == FileKind::Folder)
    }

    fn is_link(&self, path: &Path) -> bool {
        self.lstat(path).is_ok_and(|stat| stat.kind == FileKind::Symlink)
    }

    fn lstat(&self, path: &Path) -> io::Result<Stat> {
        if path.as_os_str().is_empty() {
            return Ok(rustix::fs::fstat(&self.fd)?.into());
        }
        if path.components().count() == 1 {
            return Ok(rustix::fs::statat(&self.fd, path, AtFlags::SYMLINK_NOFOLLOW)?.into());
        }
        let handle = self.open_beneath(path, OFlags::PATH)?;
        Ok(rustix::fs::fstat(&handle)?.into())
    }

    /// The target of the symbolic link `path`, byte for byte. The kernel may move the link's access time for it; unlike a
    /// file's or a folder's, no flag prevents that.
    ///
    /// # Errors
    /// `EINVAL` when it is no link, `ENOENT`, `EIO`.
    pub fn read_link(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        let path = path.as_ref();
        self.gate.pass(Op::Stat, &self.path.join(path))?;
        let handle = self.open_beneath(path, OFlags::PATH)?;
        Ok(rustix::fs::readlinkat(&handle, "", Vec::new())?.into_bytes())
    }

    /// Calls `each` with every name in this folder but `.` and `..`, in the file system's order.
    ///
    /// # Errors
    /// The first error of `readdir` or of `each`; names before it have been seen.
    pub fn list(&self, each: &mut dyn FnMut(Entry<'_>) -> io::Result<()>) -> io::Result<()> {
        self.gate.pass(Op::List, &self.path)?;
        // A descriptor of its own: the listing's position belongs to the open file, which several may share.
        let fd = self
            .open_beneath(Path::new("."), OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOATIME)
            .or_else(|error| match error {
                Errno::PERM => self.open_beneath(Path::new("."), OFlags::RDONLY | OFlags::DIRECTORY),
                other => Err(other),
            })?;
        let mut buffer = Vec::with_capacity(32 * 1024);
        let mut names = rustix::fs::RawDir::new(fd, buffer.spare_capacity_mut());
        while let Some(entry) = names.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                let kind = entry.file_type().into();
                each(Entry { name: OsStr::from_bytes(name), kind, ino: entry.ino() })?;
            }
        }
        Ok(())
    }

    /// The extended attributes of `path` (the empty path means this folder), a link's own and not its target's,
    /// sorted by name. A file system without attributes has none.
    ///
    /// # Errors
    /// `ENOENT`, `EACCES`, `EIO`; `ENOSYS` where `/proc` is not mounted.
    pub fn xattrs(&self, path: impl AsRef<Path>) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let path = path.as_ref();
        self.gate.pass(Op::Xattr, &self.path.join(path))?;
        let target = self.proc_path(path)?;
        let mut names = match list_xattr(&target.path) {
            Err(Errno::NOTSUP) => return Ok(Vec::new()),
            // Without /proc nothing is found whatever is there: that must not pass for something that went away.
            Err(Errno::NOENT) if !has_proc() => return Err(Errno::NOSYS.into()),
            other => other?,
        };
        names.retain(|name| !name.is_empty());
        names.sort_unstable();
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            match get_xattr(&target.path, &name) {
                Ok(value) => found.push((name, value)),
                // It went away, or the system lists what it does not show (trusted.* to other users).
                Err(Errno::NODATA | Errno::PERM | Errno::NOTSUP) => {}
                // The kernel shows a capability only if it is one. containerd makes empty ones, if a layer says so.
                Err(Errno::INVAL) if name == b"security.capability" => found.push((name, Vec::new())),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }

    /// `path` through `/proc/self/fd`: extended attributes cannot be asked of an `O_PATH` descriptor.
    fn proc_path(&self, path: &Path) -> io::Result<ProcPath> {
        let (parent, name) = match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) if !parent.as_os_str().is_empty() => {
                (Some(self.open_beneath(parent, OFlags::PATH | OFlags::DIRECTORY)?), name)
            }
            (_, Some(name)) => (None, name),
            (_, None) => (None, OsStr::new(".")),
        };
        let number = parent.as_ref().map_or(self.fd.as_raw_fd(), AsRawFd::as_raw_fd);
        Ok(ProcPath { path: Path::new("/proc/self/fd").join(number.to_string()).join(name), _parent: parent })
    }

    fn open_beneath(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        // With O_PATH a link in the last place is itself opened; otherwise it is refused.
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            match rustix::fs::openat2(&self.fd, path, flags, Mode::empty(), resolve) {
                // EAGAIN: the kernel saw a rename on the way and could not prove that we stayed beneath.
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(Errno::NOSYS) => return self.open_step_by_step(path, flags),
                other => return other,
            }
        }
    }

    /// What `openat2` does, for kernels before 5.6: one component at a time, no link followed, no way up.
    fn open_step_by_step(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut at: Option<OwnedFd> = None;
        let mut components = path.components().peekable();
        while let Some(component) = components.next() {
            let name = match component {
                Component::Normal(name) => name,
                Component::CurDir => OsStr::new("."),
                Component::RootDir | Component::ParentDir | Component::Prefix(_) => return Err(Errno::XDEV),
            };
            let here = at.as_ref().map_or(self.fd.as_fd(), AsFd::as_fd);
            let last = components.peek().is_none();
            at = Some(rustix::fs::openat(here, name, if last { flags } else { step }, Mode::empty())?);
        }
        at.ok_or(Errno::NOENT)
    }
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Folder").field("path", &self.path).finish_non_exhaustive()
    }
}

struct ProcPath {
    path: PathBuf,
    /// Keeps the number in `path` ours.
    _parent: Option<OwnedFd>,
}

fn has_proc() -> bool {
    rustix::fs::access("/proc/self/fd", rustix::fs::Access::EXISTS).is_ok()
}

fn list_xattr(path: &Path) -> Result<Vec<Vec<u8>>, Errno> {
    let bytes = grow(|buffer| rustix::fs::llistxattr(path, buffer))?;
    Ok(bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect())
}

fn get_xattr(path: &Path, name: &[u8]) -> Result<Vec<u8>, Errno> {
    grow(|buffer| rustix::fs::lgetxattr(path, OsStr::from_bytes(name), buffer))
}

/// Calls `get` with a buffer that grows until the answer fits; the kernel's limit for both lists and values is 64 KiB.
fn grow(get: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 1024];
    loop {
        match get(&mut buffer) {
            Ok(count) => {
                buffer.truncate(count);
                return Ok(buffer);
            }
            Err(Errno::RANGE) if buffer.len() < 64 * 1024 => buffer.resize(buffer.len() * 8, 0),
            Err(error) => return Err(error),
        }
    }
}

/// Something that is not a regular file has the name of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a {0}, not a regular file")]
pub struct NotRegular(pub FileKind);

impl NotRegular {
    /// The kind, if that is why `error` came about.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<FileKind> {
        error.get_ref()?.downcast_ref::<NotRegular>().map(|not_regular| not_regular.0)
    }
}

pub(super) fn must_be_regular(stat: &Stat) -> io::Result<()> {
    match stat.kind {
        FileKind::File => Ok(()),
        other => Err(io::Error::new(io::ErrorKind::InvalidInput, NotRegular(other))),
    }
}

/// A regular file, open for reading.
#[derive(Debug)]
pub struct File {
    file: std::fs::File,
    stat: Stat,
    path: PathBuf,
    gate: Gate,
}

impl File {
    /// What `fstat` told when it was opened.
    #[must_use]
    pub fn stat(&self) -> &Stat {
        &self.stat
    }

    /// Whether it has any extended attribute at all. A file system without attributes has none.
    ///
    /// # Errors
    /// `EIO` and whatever else `flistxattr(2)` reports.
    pub fn has_xattrs(&self) -> io::Result<bool> {
        self.gate.pass(Op::Xattr, &self.path)?;
        // No name fits into one byte.
        match rustix::fs::flistxattr(&self.file, &mut [0_u8; 1]) {
            Err(Errno::NOTSUP) => Ok(false),
            Err(Errno::RANGE) => Ok(true),
            other => Ok(other? > 0),
        }
    }

    /// Tells the kernel that the whole file will be read from front to back.
    pub fn advise_sequential(&self) {
        if self.gate.reader().is_some() {
            return;
        }
        // Advice only: a file system that does not know it reads as well without.
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::Sequential);
    }
}

impl ReadAt for File {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.gate.pass(Op::Read, &self.path)?;
        match self.gate.reader() {
            Some(reader) => reader.read(&self.file, buf, offset),
            None => std::os::unix::fs::FileExt::read_at(&self.file, buf, offset),
        }
    }

    fn len(&self) -> io::Result<u64> {
        self.gate.pass(Op::Stat, &self.path)?;
        Ok(self.file.metadata()?.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn sample() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("root/a/b")).unwrap();
        std::fs::write(dir.path().join("root/a/b/file"), b"inside").unwrap();
        std::fs::write(dir.path().join("outside"), b"outside").unwrap();
        symlink("../outside", dir.path().join("root/leaves")).unwrap();
        symlink("a", dir.path().join("root/link")).unwrap();
        let fifo = dir.path().join("root/fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
        let folder = Folder::open_root(&dir.path().join("root"), Gate::default()).unwrap();
        (dir, folder)
    }

    #[test]
    fn reads_what_is_beneath() {
        let (_dir, folder) = sample();
        let mut bytes = [0; 16];
        let count = folder.file("a/b/file").unwrap().read_at(&mut bytes, 2).unwrap();
        assert_eq!(&bytes[..count], b"side");
        assert_eq!(folder.folder("a").unwrap().file("b/file").unwrap().stat().size_bytes, 6);
        assert_eq!(folder.read_link("leaves").unwrap(), b"../outside");
        let mut names = Vec::new();
        let mut keep = |entry: Entry<'_>| {
            names.push(entry.name.to_owned());
            Ok(())
        };
        folder.list(&mut keep).unwrap();
        names.sort();
        assert_eq!(names, ["a", "fifo", "leaves", "link"]);
    }

    #[test]
    fn no_way_leads_out() {
        let (_dir, folder) = sample();
        for path in ["leaves", "link/b/file", "../outside", "a/../../outside", "/etc/passwd"] {
            assert!(folder.file(path).is_err(), "{path} was opened");
            let by_hand = folder.open_step_by_step(Path::new(path), OFlags::RDONLY | OFlags::NOFOLLOW);
            assert!(by_hand.is_err(), "{path} was opened step by step");
        }
        assert!(folder.open_step_by_step(Path::new("a/b/file"), OFlags::RDONLY | OFlags::NOFOLLOW).is_ok());
        assert!(folder.folder("link").is_err());
    }

    #[test]
    fn nothing_but_a_regular_file_is_opened() {
        let (_dir, folder) = sample();
        for (path, kind) in [("fifo", FileKind::Fifo), ("a", FileKind::Folder), ("link", FileKind::Symlink)] {
            assert_eq!(NotRegular::of(&folder.file(path).unwrap_err()), Some(kind));
        }
    }

    #[test]
    fn reading_leaves_the_access_time_alone() {
        let (dir, folder) = sample();
        let path = dir.path().join("root/a/b/file");
        let before = std::fs::metadata(&path).unwrap().accessed().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5));
        let mut bytes = [0; 6];
        folder.file("a/b/file").unwrap().read_at(&mut bytes, 0).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().accessed().unwrap(), before);
    }

    #[test]
    fn a_gate_makes_any_call_fail() {
        let (dir, _) = sample();
        let gate = Gate::new(|op, path| match (op, path.ends_with("file")) {
            (Op::Read, true) => Err(Errno::IO.into()),
            _ => Ok(()),
        });
        let folder = Folder::open_root(&dir.path().join("root"), gate).unwrap();
        let file = folder.folder("a").unwrap().file("b/file").unwrap();
        assert_eq!(file.read_at(&mut [0; 1], 0).unwrap_err().raw_os_error(), Some(Errno::IO.raw_os_error()));
    }
}
