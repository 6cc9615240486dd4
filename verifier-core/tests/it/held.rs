//! Who holds a store: told by the lock of its own file, not of one that has the same number elsewhere.

use std::io::BufReader;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use testdata::bed::{self, FsKind, LoopFs, succeed};
use testdata::builder::{META_DB, sample};
use verifier_core::io::LockState;
use verifier_core::scan::Mode;
use verifier_core::{Interrupt, Store, scan};

/// A lock that another process has until this is dropped.
struct Held(Child);

impl Held {
    fn on(file: &Path) -> Held {
        let mut child = Command::new("flock")
            .arg(file)
            .args(["--command", "echo held; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        std::io::BufRead::read_line(&mut BufReader::new(child.stdout.take().unwrap()), &mut said).unwrap();
        assert_eq!(said, "held\n");
        Held(child)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // The end of its input is the end of it.
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

fn looked(root: &Path) -> (Mode, LockState) {
    let inventory = scan(&Store::open(root).unwrap(), &Interrupt::default());
    (inventory.mode, inventory.lock)
}

const STOPPED: (Mode, LockState) = (Mode::Stopped, LockState::Free);

fn live(held: &Held) -> (Mode, LockState) {
    (Mode::Live, LockState::Held { pid: Some(held.0.id()) })
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn a_copy_of_the_disk_that_is_held_leaves_a_stopped_store_stopped() {
    bed::gate();
    let disk = LoopFs::new(FsKind::Ext4, 64 << 20);
    sample().unwrap().store.write(&disk.path().join("root")).unwrap();
    disk.sync();
    let copy = disk.cut();
    let (own, other) = (disk.path().join("root"), copy.path().join("root"));
    let inode = |root: &Path| std::os::unix::fs::MetadataExt::ino(&root.join(META_DB).metadata().unwrap());
    assert_eq!(inode(&own), inode(&other));
    assert_eq!((looked(&own), looked(&other)), (STOPPED, STOPPED));
    let held = Held::on(&other.join(META_DB));
    assert_eq!((looked(&own), looked(&other)), (STOPPED, live(&held)));
    drop(held);
    let held = Held::on(&own.join(META_DB));
    assert_eq!((looked(&own), looked(&other)), (live(&held), STOPPED));
}

#[test]
#[ignore = "needs root and ci/setup: file systems of its own"]
fn on_btrfs_the_lock_is_listed_with_another_device_than_the_file_has() {
    bed::gate();
    let disk = LoopFs::new(FsKind::Btrfs, 256 << 20);
    let at = |name: &str| disk.path().join(name);
    let btrfs = |args: &[&str]| {
        succeed(
            Command::new("btrfs").arg("subvolume").args(args).current_dir(disk.path()),
            Duration::from_secs(60),
        );
    };
    btrfs(&["create", "own"]);
    sample().unwrap().store.write(&at("own/root")).unwrap();
    // The same inode numbers on the same file system.
    btrfs(&["snapshot", "own", "copy"]);
    let (own, other) = (at("own/root"), at("copy/root"));
    assert_eq!((looked(&own), looked(&other)), (STOPPED, STOPPED));
    let held = Held::on(&own.join(META_DB));
    assert_eq!((looked(&own), looked(&other)), (live(&held), STOPPED));
}
