//! Damage at random.

use std::os::unix::fs::{FileExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};

use super::picture;

/// Numbers that look random (xorshift64*).
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Numbers {
        Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % limit.max(1)
    }
}

/// Does something to a name of the tree, and says what. What no comparison can see is not done.
pub(crate) fn mutate(tree: &Path, numbers: &mut Numbers) -> Option<String> {
    let picture = picture(tree);
    let names: Vec<&PathBuf> = picture.keys().filter(|path| !path.as_os_str().is_empty()).collect();
    let path = *names.get(numbers.below(names.len()))?;
    let facts = &picture[path];
    let full = tree.join(path);
    let is = |kind: u32| facts.kind == kind;
    let (is_file, is_folder, is_link) = (is(0o100_000), is(0o040_000), is(0o120_000));
    let what = match numbers.below(13) {
        0 => {
            remove(&full);
            "removed"
        }
        1 if is_file => {
            std::fs::File::options().write(true).open(&full).unwrap().set_len(0).unwrap();
            "emptied"
        }
        2 | 3 if is_file && std::fs::metadata(&full).unwrap().len() > 0 => {
            let file = std::fs::File::options().read(true).write(true).open(&full).unwrap();
            let at = numbers.below(usize::try_from(file.metadata().unwrap().len()).unwrap()) as u64;
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[!byte[0]], at).unwrap();
            "flipped"
        }
        4 if !is_link => {
            let mode = facts.mode ^ (1 << numbers.below(12));
            std::fs::set_permissions(&full, std::fs::Permissions::from_mode(mode)).unwrap();
            "mode"
        }
        5 => {
            lchown(&full, Some(5000), None).unwrap();
            "owner"
        }
        6 => {
            let time = Timespec { tv_sec: 1_234_567, tv_nsec: 0 };
            let times = Timestamps { last_access: time, last_modification: time };
            rustix::fs::utimensat(CWD, &full, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
            "time"
        }
        7 => {
            remove(&full);
            make(&full, numbers.below(5));
            "replaced"
        }
        8 if is_folder => {
            make(&full.join("added"), numbers.below(5));
            "added to"
        }
        9 if is_file || is_folder => {
            rustix::fs::lsetxattr(&full, "user.mutated", b"1", XattrFlags::empty()).unwrap();
            "attribute set"
        }
        10 if is_file => {
            let name = facts.xattrs.keys().find(|name| name.starts_with(b"user."))?;
            rustix::fs::removexattr(&full, std::str::from_utf8(name).unwrap()).unwrap();
            "attribute removed"
        }
        11 if is_file => {
            let other = names.iter().find(|other| picture[**other].kind == 0o100_000 && **other != path)?;
            remove(&full);
            std::fs::hard_link(tree.join(other), &full).unwrap();
            "linked to another"
        }
        12 => {
            let to = format!("renamed {}", numbers.below(1 << 30));
            std::fs::rename(&full, full.with_file_name(to)).unwrap();
            "renamed"
        }
        _ => return None,
    };
    Some(format!("{what} {}", path.display()))
}

fn remove(path: &Path) {
    match std::fs::symlink_metadata(path).unwrap().is_dir() {
        true => std::fs::remove_dir_all(path).unwrap(),
        false => std::fs::remove_file(path).unwrap(),
    }
}

fn make(path: &Path, kind: usize) {
    if std::fs::symlink_metadata(path).is_ok() {
        return;
    }
    match kind {
        0 => std::fs::write(path, "something else").unwrap(),
        1 => symlink("/", path).unwrap(),
        2 => rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap(),
        3 => rustix::fs::mknodat(CWD, path, FileType::Socket, Mode::RUSR, 0).unwrap(),
        _ => {
            std::fs::create_dir(path).unwrap();
            // 0755 would be as right as what the folder below has.
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o711)).unwrap();
            std::fs::write(path.join("in it"), "something").unwrap();
        }
    }
}
