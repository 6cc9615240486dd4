//! The one way this library writes to a disk.
//!
//! As with reading, nothing leads out: a [`Dir`] is a folder opened beneath the root, every change is made to one name in
//! it, and no call follows a link in that name. Before every change a [`StepGate`] is asked: tests use it to make the nth
//! step and all after it fail, as if the process had been killed there.

use std::ffi::OsStr;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, StatxFlags, Timespec, Timestamps, UTIME_OMIT, Uid,
    XattrFlags,
};
use rustix::io::Errno;

use super::journal::Inode;
use crate::io::{FileKind, Folder, Stat, Time};

/// A change that is about to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Making a file, folder, link, device or fifo.
    Create,
    /// Writing to a file that this run made.
    Write,
    /// Waiting until something is on the medium.
    Sync,
    /// Renaming, or exchanging two names.
    Rename,
    /// Giving an inode another name.
    Link,
    /// Removing a name.
    Remove,
    /// Changing an owner.
    Owner,
    /// Changing permissions.
    Mode,
    /// Setting or removing an extended attribute.
    Xattr,
    /// Setting times.
    Times,
    /// Writing to a database.
    Database,
}

type Hook = dyn Fn(Step, &Path) -> io::Result<()> + Send + Sync;

/// Asked before every step; what it answers as an error is what the caller sees, and the step is not made.
#[derive(Clone, Default)]
pub struct StepGate(Option<Arc<Hook>>);

impl StepGate {
    /// A gate that asks `hook` first. The path is relative to the root.
    pub fn new(hook: impl Fn(Step, &Path) -> io::Result<()> + Send + Sync + 'static) -> Self {
        StepGate(Some(Arc::new(hook)))
    }

    pub(in crate::repair) fn pass(&self, step: Step, path: &Path) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |hook| hook(step, path))
    }
}

impl std::fmt::Debug for StepGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "StepGate(hook)" } else { "StepGate(open)" })
    }
}

/// A root that may be changed.
#[derive(Debug, Clone, Copy)]
pub struct Disk<'a> {
    root: &'a Folder,
    gate: &'a StepGate,
}

impl<'a> Disk<'a> {
    /// The root `root`, every change of which passes `gate` first.
    #[must_use]
    pub fn new(root: &'a Folder, gate: &'a StepGate) -> Self {
        Disk { root, gate }
    }

    pub(in crate::repair) fn gate(&self) -> &'a StepGate {
        self.gate
    }

    /// The root, for reading.
    #[must_use]
    pub fn root(&self) -> &'a Folder {
        self.root
    }

    /// The folder `path`, relative to the root; the empty path means the root.
    ///
    /// # Errors
    /// What [`Folder::folder`] reports.
    pub fn dir(&self, path: &Path) -> io::Result<Dir<'a>> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        Ok(Dir { folder: self.root.folder(path)?, gate: self.gate })
    }

    /// The folder that `path` is in, and its name there.
    ///
    /// # Errors
    /// `EINVAL` for a path that ends in no name; what [`Folder::folder`] reports.
    pub fn parent<'p>(&self, path: &'p Path) -> io::Result<(Dir<'a>, &'p OsStr)> {
        let name = path.file_name().ok_or(Errno::INVAL)?;
        Ok((self.dir(path.parent().unwrap_or(Path::new("")))?, name))
    }

    /// As [`Disk::dir`], making what is missing of it, each folder with `mode`.
    ///
    /// # Errors
    /// What `mkdir(2)`, `fsync(2)` and [`Folder::folder`] report.
    pub fn make_dirs(&self, path: &Path, mode: u32) -> io::Result<Dir<'a>> {
        let mut at = self.dir(Path::new(""))?;
        for name in path {
            match at.make_dir(name, mode) {
                Ok(()) => at.sync()?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            at = at.dir(Path::new(name))?;
        }
        Ok(at)
    }
}

impl Disk<'_> {
    /// Removes `name` from `folder`: an empty folder, or what is none.
    pub(super) fn remove_in(&self, folder: &Folder, name: &OsStr, is_folder: bool) -> io::Result<()> {
        self.gate.pass(Step::Remove, &folder.path().join(name))?;
        let flags = if is_folder { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        Ok(rustix::fs::unlinkat(folder.fd(), name, flags)?)
    }
}

/// An open folder in which names can be made, changed and moved.
#[derive(Debug)]
pub struct Dir<'a> {
    folder: Folder,
    gate: &'a StepGate,
}

impl<'a> Dir<'a> {
    /// The same folder, for reading.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// A folder beneath this one.
    ///
    /// # Errors
    /// What [`Folder::folder`] reports.
    pub fn dir(&self, path: &Path) -> io::Result<Dir<'a>> {
        Ok(Dir { folder: self.folder.folder(path)?, gate: self.gate })
    }

    /// Makes an empty file, readable by its owner only.
    ///
    /// # Errors
    /// `EEXIST`, `ENOSPC`, `EROFS` and what else `open(2)` reports.
    pub fn create_file(&self, name: &OsStr) -> io::Result<NewFile<'a>> {
        let path = self.before(Step::Create, name)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(self.folder.fd(), name, flags, Mode::RUSR | Mode::WUSR)?;
        Ok(NewFile { file: fd.into(), path, gate: self.gate })
    }

    /// Opens a regular file of this folder to append to it.
    ///
    /// # Errors
    /// What `open(2)` reports.
    pub fn append_to(&self, name: &OsStr) -> io::Result<NewFile<'a>> {
        let path = self.before(Step::Write, name)?;
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(self.folder.fd(), name, flags, Mode::empty())?;
        Ok(NewFile { file: fd.into(), path, gate: self.gate })
    }

    /// Opens a regular file for reading and writing where it is: a database, the lock of which is the file's. `None` when
    /// there is none of that name.
    ///
    /// # Errors
    /// What `open(2)` reports.
    pub fn open_in_place(&self, name: &OsStr) -> io::Result<Option<std::fs::File>> {
        let is_file = |stat: &Stat| stat.kind == FileKind::File;
        if !self.stat(name)?.is_some_and(|stat| is_file(&stat)) {
            return Ok(None);
        }
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(self.folder.fd(), name, flags, Mode::empty())?;
        Ok(is_file(&rustix::fs::fstat(&fd)?.into()).then(|| fd.into()))
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// What `mkdir(2)` reports.
    pub fn make_dir(&self, name: &OsStr, mode: u32) -> io::Result<()> {
        self.before(Step::Create, name)?;
        Ok(rustix::fs::mkdirat(self.folder.fd(), name, Mode::from_raw_mode(mode))?)
    }

    /// Makes a symbolic link to `target`.
    ///
    /// # Errors
    /// What `symlink(2)` reports.
    pub fn symlink(&self, target: &[u8], name: &OsStr) -> io::Result<()> {
        self.before(Step::Create, name)?;
        Ok(rustix::fs::symlinkat(OsStr::from_bytes(target), self.folder.fd(), name)?)
    }

    /// Makes a device, fifo or socket; `rdev` is a device's number as the kernel packs it.
    ///
    /// # Errors
    /// What `mknod(2)` reports.
    pub fn make_node(&self, name: &OsStr, kind: FileType, mode: u32, rdev: u64) -> io::Result<()> {
        self.before(Step::Create, name)?;
        Ok(rustix::fs::mknodat(self.folder.fd(), name, kind, Mode::from_raw_mode(mode), rdev)?)
    }

    /// Gives `name` another name, in `to`.
    ///
    /// # Errors
    /// What `link(2)` reports.
    pub fn link(&self, name: &OsStr, to: &Dir<'_>, to_name: &OsStr) -> io::Result<()> {
        to.before(Step::Link, to_name)?;
        Ok(rustix::fs::linkat(self.folder.fd(), name, to.folder.fd(), to_name, AtFlags::empty())?)
    }

    /// Renames `name` to `to_name` in `to`. Never replaces anything.
    ///
    /// # Errors
    /// `EEXIST`, `EXDEV`, and what else `renameat2(2)` reports.
    pub fn rename(&self, name: &OsStr, to: &Dir<'_>, to_name: &OsStr) -> io::Result<()> {
        self.renameat(name, to, to_name, RenameFlags::NOREPLACE)
    }

    /// Exchanges the two names, in one step.
    ///
    /// # Errors
    /// `ENOENT` when one is missing, `EXDEV`, and what else `renameat2(2)` reports.
    pub fn exchange(&self, name: &OsStr, to: &Dir<'_>, to_name: &OsStr) -> io::Result<()> {
        self.renameat(name, to, to_name, RenameFlags::EXCHANGE)
    }

    fn renameat(&self, name: &OsStr, to: &Dir<'_>, to_name: &OsStr, flags: RenameFlags) -> io::Result<()> {
        self.before(Step::Rename, name)?;
        Ok(rustix::fs::renameat_with(self.folder.fd(), name, to.folder.fd(), to_name, flags)?)
    }

    /// Removes a name that is not a folder's.
    ///
    /// # Errors
    /// What `unlink(2)` reports.
    pub fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        self.before(Step::Remove, name)?;
        Ok(rustix::fs::unlinkat(self.folder.fd(), name, AtFlags::empty())?)
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// What `rmdir(2)` reports.
    pub fn remove_dir(&self, name: &OsStr) -> io::Result<()> {
        self.before(Step::Remove, name)?;
        Ok(rustix::fs::unlinkat(self.folder.fd(), name, AtFlags::REMOVEDIR)?)
    }

    /// Changes owner and group.
    ///
    /// # Errors
    /// What `fchownat(2)` reports.
    pub fn set_owner(&self, name: &OsStr, (uid, gid): (u32, u32)) -> io::Result<()> {
        self.before(Step::Owner, name)?;
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        Ok(rustix::fs::chownat(self.folder.fd(), name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Changes permissions, set-id and sticky bits: 0 to 0o7777. A symbolic link has none.
    ///
    /// # Errors
    /// `ELOOP` for a symbolic link; what `chmod(2)` reports.
    pub fn set_mode(&self, name: &OsStr, mode: u32) -> io::Result<()> {
        self.before(Step::Mode, name)?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(self.folder.fd(), name, flags, Mode::empty())?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode);
        if kind == FileType::Symlink {
            return Err(Errno::LOOP.into());
        }
        // An O_PATH descriptor cannot be asked itself before Linux 6.6; through /proc it leads to this very inode.
        let path = Path::new("/proc/self/fd").join(fd.as_raw_fd().to_string());
        Ok(rustix::fs::chmod(&path, Mode::from_raw_mode(mode))?)
    }

    /// Sets an extended attribute.
    ///
    /// # Errors
    /// What `lsetxattr(2)` reports.
    pub fn set_xattr(&self, name: &OsStr, attribute: &[u8], value: &[u8]) -> io::Result<()> {
        self.before(Step::Xattr, name)?;
        let path = self.proc_path(name);
        Ok(rustix::fs::lsetxattr(&path, OsStr::from_bytes(attribute), value, XattrFlags::empty())?)
    }

    /// Removes an extended attribute.
    ///
    /// # Errors
    /// `ENODATA` when there is none, and what else `lremovexattr(2)` reports.
    pub fn remove_xattr(&self, name: &OsStr, attribute: &[u8]) -> io::Result<()> {
        self.before(Step::Xattr, name)?;
        Ok(rustix::fs::lremovexattr(self.proc_path(name), OsStr::from_bytes(attribute))?)
    }

    /// Sets when the bytes last changed.
    ///
    /// # Errors
    /// What `utimensat(2)` reports.
    pub fn set_mtime(&self, name: &OsStr, mtime: Time) -> io::Result<()> {
        self.before(Step::Times, name)?;
        let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        let mtime = Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanoseconds.into() };
        let times = Timestamps { last_access: omit, last_modification: mtime };
        Ok(rustix::fs::utimensat(self.folder.fd(), name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// What `lstat` tells of `name`; `None` when there is nothing of that name.
    ///
    /// # Errors
    /// What [`Folder::stat`] reports but `ENOENT`.
    pub fn stat(&self, name: &OsStr) -> io::Result<Option<Stat>> {
        match self.folder.stat(Path::new(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// Which inode has that name; `None` when there is nothing of that name.
    ///
    /// # Errors
    /// What `statx(2)` reports but `ENOENT`.
    pub(in crate::repair) fn inode(&self, name: &OsStr) -> io::Result<Option<Inode>> {
        let mask = StatxFlags::INO | StatxFlags::BTIME;
        match rustix::fs::statx(self.folder.fd(), name, AtFlags::SYMLINK_NOFOLLOW, mask) {
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
            Ok(stat) => {
                let told = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
                let born = Time { seconds: stat.stx_btime.tv_sec, nanoseconds: stat.stx_btime.tv_nsec };
                Ok(Some(Inode::new(stat.stx_ino, told.then_some(born))))
            }
        }
    }

    /// Waits until this folder's names are on the medium.
    ///
    /// # Errors
    /// What `fsync(2)` reports.
    pub fn sync(&self) -> io::Result<()> {
        self.gate.pass(Step::Sync, self.folder.path())?;
        Ok(rustix::fs::fsync(self.folder.fd())?)
    }

    /// Waits until everything of this folder's file system is on the medium.
    ///
    /// # Errors
    /// What `syncfs(2)` reports.
    pub fn sync_file_system(&self) -> io::Result<()> {
        self.gate.pass(Step::Sync, self.folder.path())?;
        Ok(rustix::fs::syncfs(self.folder.fd())?)
    }

    fn before(&self, step: Step, name: &OsStr) -> io::Result<PathBuf> {
        let path = self.folder.path().join(name);
        // One name, and no way up: what is beneath is reached by opening it.
        let is_name = !name.is_empty() && name != "." && name != ".." && !name.as_bytes().contains(&b'/');
        if !is_name {
            return Err(Errno::INVAL.into());
        }
        self.gate.pass(step, &path)?;
        Ok(path)
    }

    /// Extended attributes are asked for by path; the folder's descriptor stands for everything before the name.
    fn proc_path(&self, name: &OsStr) -> PathBuf {
        Path::new("/proc/self/fd").join(self.folder.fd().as_fd().as_raw_fd().to_string()).join(name)
    }
}

/// A file that this run made.
#[derive(Debug)]
pub struct NewFile<'a> {
    file: std::fs::File,
    path: PathBuf,
    gate: &'a StepGate,
}

impl NewFile<'_> {
    /// Writes all of `bytes` at the end.
    ///
    /// # Errors
    /// `ENOSPC`, `EIO` and what else `write(2)` reports; a part may have been written.
    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.gate.pass(Step::Write, &self.path)?;
        self.file.write_all(bytes)
    }

    /// Sets the length: what is beyond the written bytes reads as zeros and takes no space.
    ///
    /// # Errors
    /// What `ftruncate(2)` reports.
    pub fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.gate.pass(Step::Write, &self.path)?;
        self.file.set_len(bytes)
    }

    /// Forgets what is beyond the first `bytes`, and goes on writing there.
    pub(super) fn cut_to(&mut self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)?;
        self.file.seek(io::SeekFrom::Start(bytes)).map(|_| ())
    }

    /// Waits until its bytes are on the medium.
    ///
    /// # Errors
    /// What `fsync(2)` reports.
    pub fn sync(&self) -> io::Result<()> {
        self.gate.pass(Step::Sync, &self.path)?;
        self.file.sync_all()
    }

    /// The open file, for what asks for a descriptor.
    #[must_use]
    pub fn as_file(&self) -> &std::fs::File {
        &self.file
    }
}
