//! File systems in a file, and the power cut: a copy of what had reached the block device.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
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

/// A file system image that is not mounted.
#[derive(Debug)]
pub struct FsImage {
    kind: FsKind,
    folder: TempDir,
}

impl FsImage {
    fn empty(kind: FsKind) -> FsImage {
        let folder = tempfile::Builder::new().prefix("fsck-bed-fs-").tempdir().expect("temporary folder");
        FsImage { kind, folder }
    }

    /// The image file.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    /// Mounts it; the journal replays now, as at the boot after a power cut.
    pub fn mount(self) -> LoopFs {
        let path = self.folder.path().join("mnt");
        std::fs::create_dir_all(&path).expect("mount point");
        let mut mount = Command::new("mount");
        mount.args(["-t", self.kind.name(), "-o", self.kind.mount_options()]).arg(self.file()).arg(&path);
        // Another process may take the free loop device first: mount(8) says so and may be asked again.
        let mut said = String::new();
        let mounted = poll(Duration::from_secs(5), || {
            let output = run(&mut mount, A_MINUTE);
            said = String::from_utf8_lossy(&output.stderr).into_owned();
            output.status.success().then_some(())
        });
        assert!(mounted.is_some(), "{mount:?}: {said}");
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

    /// A copy of the block device as it is now, nothing synced: what a power cut would leave.
    pub fn cut_image(&self) -> FsImage {
        let cut = FsImage::empty(self.kind());
        let mut copy = Command::new("cp");
        copy.arg("--sparse=always").arg(self.image_file()).arg(cut.file());
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

    /// Leaves it mounted when this process ends, for a human to look at. The mount point.
    pub fn keep(mut self) -> PathBuf {
        if let Some(image) = self.image.take() {
            let _kept = image.folder.keep();
        }
        self.path.clone()
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
