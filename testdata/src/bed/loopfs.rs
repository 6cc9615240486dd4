//! File systems in a file, and the power cut: a copy of what had reached the block device.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tempfile::TempDir;

use super::process::{poll, run, succeed, unmount, unmount_below};

const A_MINUTE: Duration = Duration::from_secs(60);

/// The file systems that containerd is run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FsKind {
    /// ext4.
    Ext4,
    /// xfs; 300 MiB at least.
    Xfs,
    /// btrfs; about 110 MiB at least.
    Btrfs,
}

impl FsKind {
    /// All of them.
    pub const ALL: [FsKind; 3] = [FsKind::Ext4, FsKind::Xfs, FsKind::Btrfs];

    /// The name that `mount -t` knows.
    pub fn name(self) -> &'static str {
        match self {
            FsKind::Ext4 => "ext4",
            FsKind::Xfs => "xfs",
            FsKind::Btrfs => "btrfs",
        }
    }

    /// The file system of this name.
    pub fn from_name(name: &str) -> Option<FsKind> {
        FsKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn make(self, image: &Path) {
        let mut command = Command::new(format!("mkfs.{}", self.name()));
        command.arg("-q");
        if self == FsKind::Ext4 {
            // No kernel thread that goes on writing after the mount.
            command.args(["-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"]);
        }
        succeed(command.arg(image), A_MINUTE);
    }

    /// Loop-mounts an image of this kind.
    fn mount(self, image: &Path, on: &Path) {
        let mut mount = Command::new("mount");
        mount.args(["-t", self.name(), "-o", self.mount_options()]).arg(image).arg(on);
        // Another process may take the free loop device first: mount(8) says so and may be asked again.
        let mut said = String::new();
        let mounted = poll(Duration::from_secs(5), || {
            let output = run(&mut mount, A_MINUTE);
            said = String::from_utf8_lossy(&output.stderr).into_owned();
            output.status.success().then_some(())
        });
        assert!(mounted.is_some(), "{mount:?}: {said}");
    }

    fn mount_options(self) -> &'static str {
        match self {
            // A cut has the UUID of the file system it was cut from.
            FsKind::Xfs => "loop,nouuid",
            FsKind::Ext4 | FsKind::Btrfs => "loop",
        }
    }
}

impl fmt::Display for FsKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the images lie on: an xfs of its own, which copies a file as of one moment while a loop device writes to it. A plain copy
/// takes a second, and has the start of the disk as it was and the end as it became.
#[derive(Debug)]
struct Shelf {
    folder: TempDir,
}

/// One for all images of this process, for as long as there is one.
static SHELF: Mutex<Weak<Shelf>> = Mutex::new(Weak::new());
/// Of a sparse file: more than any test writes.
const SHELF_BYTES: u64 = 256 << 30;

impl Shelf {
    fn shared() -> Arc<Shelf> {
        let mut shared = SHELF.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let shelf = Arc::new(Shelf::new());
            *shared = Arc::downgrade(&shelf);
            shelf
        })
    }

    fn new() -> Shelf {
        let folder = tempfile::Builder::new().prefix("fsck-bed-fs-").tempdir().expect("temporary folder");
        let shelf = Shelf { folder };
        let file = shelf.folder.path().join("shelf");
        File::create(&file).and_then(|file| file.set_len(SHELF_BYTES)).expect("sparse file");
        FsKind::Xfs.make(&file);
        std::fs::create_dir(shelf.path()).expect("mount point");
        FsKind::Xfs.mount(&file, &shelf.path());
        shelf
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("images")
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        unmount(&self.path());
    }
}

/// A file system image that is not mounted.
#[derive(Debug)]
pub struct FsImage {
    kind: FsKind,
    folder: TempDir,
    /// Goes last.
    shelf: Arc<Shelf>,
}

impl FsImage {
    fn empty(kind: FsKind) -> FsImage {
        let shelf = Shelf::shared();
        let folder =
            tempfile::Builder::new().prefix("fs-").tempdir_in(shelf.path()).expect("folder of an image");
        FsImage { kind, folder, shelf }
    }

    /// The image file.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    /// Mounts it; the journal replays now, as at the boot after a power cut.
    pub fn mount(self) -> LoopFs {
        let path = self.folder.path().join("mnt");
        std::fs::create_dir_all(&path).expect("mount point");
        self.kind.mount(&self.file(), &path);
        LoopFs { image: Some(self), path }
    }
}

/// A file system of its own, loop-mounted in a temporary folder. Dropped: unmounted, its loop device freed, deleted.
#[derive(Debug)]
pub struct LoopFs {
    image: Option<FsImage>,
    path: PathBuf,
}

impl LoopFs {
    /// A new, empty file system of `size_bytes` in a sparse file.
    pub fn new(kind: FsKind, size_bytes: u64) -> LoopFs {
        let image = FsImage::empty(kind);
        File::create(image.file()).and_then(|file| file.set_len(size_bytes)).expect("sparse image file");
        kind.make(&image.file());
        image.mount()
    }

    /// The mount point.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The kind of file system.
    pub fn kind(&self) -> FsKind {
        self.image().kind
    }

    /// The file below the loop device, for tests that take the disk away under a mount.
    pub fn image_file(&self) -> PathBuf {
        self.image().file()
    }

    /// Everything of this file system on the block device, as `sync -f` does.
    pub fn sync(&self) {
        succeed(Command::new("sync").arg("-f").arg(&self.path), A_MINUTE);
    }

    /// A copy of the block device as it is at one moment, nothing synced: what a power cut would leave.
    pub fn cut_image(&self) -> FsImage {
        let cut = FsImage::empty(self.kind());
        let mut copy = Command::new("cp");
        copy.arg("--reflink=always").arg(self.image_file()).arg(cut.file());
        succeed(&mut copy, 3 * A_MINUTE);
        cut
    }

    /// [`LoopFs::cut_image`], mounted beside this one.
    pub fn cut(&self) -> LoopFs {
        self.cut_image().mount()
    }

    /// Unmounts and mounts again: nothing of it stays in the page cache.
    pub fn remount(mut self) -> LoopFs {
        unmount(&self.path);
        self.image.take().expect("an image until dropped").mount()
    }

    /// Leaves it mounted when this process ends, for a human to look at. `umount -R` of what this gives, and it can be deleted.
    pub fn keep(mut self) -> PathBuf {
        let image = self.image.take().expect("an image until dropped");
        let shelf = image.shelf.path();
        std::mem::forget(image);
        shelf
    }

    fn image(&self) -> &FsImage {
        self.image.as_ref().expect("an image until dropped")
    }
}

impl Drop for LoopFs {
    fn drop(&mut self) {
        if self.image.is_some() {
            unmount_below(&self.path);
            // mount(8) made the loop device with `autoclear`: it is freed by the last unmount, a lazy one too.
            unmount(&self.path);
        }
    }
}
