//! The fault this project exists for, made honestly: a real pull, and the block device as it stood.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::process::wait_for;
use super::{Bed, Containerd, FsKind, Generation, LoopFs, Registry};

const SIZE_BYTES: u64 = 3 << 30;

/// The moment of the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutAt {
    /// This long after `ctr images pull` said that it was done.
    Pulled(Duration),
    /// In the middle of a pull: as soon as the first layer is a blob, while it is being unpacked.
    Unpacking,
}

/// The store after the cut, mounted; nothing runs on it.
#[derive(Debug)]
pub struct PowerCut {
    /// The file system as it came back.
    pub fs: LoopFs,
    /// containerd's root on it.
    pub root: PathBuf,
    /// The name of the image that was pulled.
    pub image: String,
}

/// Pulls the image of an OCI layout onto a fresh file system, cuts the power, and mounts what is left.
pub fn power_cut(bed: &Bed, kind: FsKind, generation: Generation, layout: &Path, at: CutAt) -> PowerCut {
    let registry = Registry::start(bed);
    registry.push(layout, "image:cut");
    let image = registry.reference("image:cut");
    let live = LoopFs::new(kind, SIZE_BYTES);
    let containerd = Containerd::start(bed, generation, &live.path().join("root"));
    // On a node the store has been there for long: the empty one is on disk before the pull begins.
    live.sync();
    let cut = match at {
        CutAt::Pulled(delay) => {
            containerd.pull(&image);
            std::thread::sleep(delay);
            live.cut_image()
        }
        CutAt::Unpacking => {
            let mut pull = containerd.ctr_command(&["images", "pull", "--plain-http", &image]);
            let mut pull = pull.stdout(std::process::Stdio::null()).spawn().expect("ctr");
            let unpacked = |count| (file_count(containerd.root()) >= count).then_some(());
            wait_for("a layer being unpacked", Duration::from_secs(120), || unpacked(200));
            let cut = live.cut_image();
            wait_for("the pull", Duration::from_secs(120), || pull.try_wait().expect("wait"));
            cut
        }
    };
    drop(containerd);
    drop(live);
    let fs = cut.mount();
    let root = fs.path().join("root");
    PowerCut { fs, root, image }
}

/// How many names the overlayfs snapshotter has unpacked, counted no further than needed.
fn file_count(root: &Path) -> usize {
    let mut folders = vec![root.join("io.containerd.snapshotter.v1.overlayfs/snapshots")];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            count += 1;
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
    count
}
