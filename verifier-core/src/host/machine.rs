//! A machine: its root file system, wherever that is mounted.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// Links on the way to one path, before it counts as a loop (the kernel's own bound).
const LINKS: usize = 40;
/// No configuration file that is meant for us is larger.
const FILE_BYTES: u64 = 1 << 20;

/// The machine whose root file system is mounted at some folder.
#[derive(Debug)]
pub struct Machine {
    mount: PathBuf,
}

impl Machine {
    /// The machine at `mount`: `/` is this one.
    #[must_use]
    pub fn at(mount: &Path) -> Self {
        Machine { mount: std::path::absolute(mount).unwrap_or_else(|_| mount.into()) }
    }

    /// Where the machine's `path` is for us. No link is followed.
    pub(super) fn real(&self, path: &Path) -> PathBuf {
        self.mount.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The machine's own name of `path` with all links followed, as the machine itself would follow them.
    pub(super) fn canonical(&self, path: &Path) -> Option<PathBuf> {
        let mut links = 0;
        let mut done = PathBuf::from("/");
        let mut rest: VecDeque<OsString> = steps(path).collect();
        while let Some(step) = rest.pop_front() {
            if step == ".." {
                done.pop();
                continue;
            }
            let next = done.join(&step);
            match std::fs::read_link(self.real(&next)) {
                Ok(target) => {
                    links += 1;
                    if links > LINKS {
                        return None;
                    }
                    if target.is_absolute() {
                        done = "/".into();
                    }
                    for step in steps(&target).collect::<Vec<_>>().into_iter().rev() {
                        rest.push_front(step);
                    }
                }
                // What is no link, and what must not be looked at.
                Err(_) => done = next,
            }
        }
        Some(done)
    }

    /// The bytes of the machine's file `path`, if it is a regular file of a sensible size.
    pub(super) fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(path)?.take(FILE_BYTES).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// The machine's file `path`, if it is a regular one. A fifo of that name would wait for a writer.
    pub(super) fn open(&self, path: &Path) -> Option<std::fs::File> {
        let path = self.real(&self.canonical(path)?);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let is_file = || path.symlink_metadata().is_ok_and(|stat| stat.is_file());
        let file = is_file().then(|| rustix::fs::open(&path, flags, Mode::empty()).ok()).flatten()?;
        let file = std::fs::File::from(file);
        file.metadata().ok()?.is_file().then_some(file)
    }

    /// The names in the machine's folder `path`, sorted; none if it cannot be read.
    pub(super) fn list(&self, path: &Path) -> Vec<OsString> {
        let Some(path) = self.canonical(path) else { return Vec::new() };
        let Ok(entries) = std::fs::read_dir(self.real(&path)) else { return Vec::new() };
        let mut names: Vec<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        names
    }
}

fn steps(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsStr::new("..").to_owned()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_below_the_mount() {
        let mount = tempfile::tempdir().unwrap();
        let at = |path: &str| mount.path().join(path);
        std::fs::create_dir_all(at("data/containerd")).unwrap();
        std::fs::create_dir_all(at("var/lib")).unwrap();
        symlink("/data/containerd", at("var/lib/containerd")).unwrap();
        symlink("../../data", at("var/lib/up")).unwrap();
        symlink("../../../../../../data", at("var/lib/out")).unwrap();
        symlink("loop", at("var/lib/loop")).unwrap();
        let machine = Machine::at(mount.path());
        for (path, canonical) in [
            ("/var/lib/containerd", Some("/data/containerd")),
            ("/var/lib/up/containerd/.", Some("/data/containerd")),
            ("/var/lib/out/containerd", Some("/data/containerd")),
            ("/var/lib/loop/x", None),
            ("/no/such", Some("/no/such")),
        ] {
            assert_eq!(machine.canonical(Path::new(path)).as_deref(), canonical.map(Path::new), "{path}");
        }
        assert_eq!(machine.real(Path::new("/data")), at("data"));
    }

    #[test]
    fn only_regular_files_are_read() {
        let mount = tempfile::tempdir().unwrap();
        std::fs::write(mount.path().join("file"), "x").unwrap();
        let machine = Machine::at(mount.path());
        assert_eq!(machine.read(Path::new("/file")).as_deref(), Some(b"x".as_slice()));
        assert_eq!(machine.read(Path::new("/")), None);
        let made = std::process::Command::new("mkfifo").arg(mount.path().join("fifo")).status().unwrap();
        assert!(made.success());
        assert_eq!(machine.read(Path::new("/fifo")), None);
    }
}
