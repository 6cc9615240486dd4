//! Docker's own store beside a containerd root: images whose unpacked layers no containerd knows of.
//!
//! ```text
//! <data root>/                                   /var/lib/docker; with user namespaces, <uid>.<gid>/ below it
//!   containerd/daemon/                           the root of a containerd that dockerd starts, whatever store it uses
//!   image/<driver>/imagedb/content/sha256/<id>   an image's config
//!   image/<driver>/layerdb/sha256/<ChainID>/     an unpacked layer; its files are in <driver>/
//! ```
//!
//! Every Docker before 29 has its images there, and every one that was upgraded from such. Its containerd root then is sound, and
//! empty: a check of it says nothing about what Docker runs. (Read in moby 29.7; measured on 26.1.)

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::io::{FileKind, Folder, Gate};

/// Drivers, and users with a store of their own, of which so many are looked at.
const NAMES: usize = 64;

/// Images and layers are counted up to here.
const COUNT_LIMIT: u64 = 1_000_000;

/// A store of Docker's, of the kind that it calls a graph driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphStore {
    /// The data root.
    pub folder: PathBuf,
    /// The driver: `overlay2`, most often.
    pub driver: String,
    /// How many images it has.
    pub images: u64,
    /// How many unpacked layers.
    pub layers: u64,
}

impl GraphStore {
    /// The stores of the Docker that uses the containerd root `root`, or may: the one around it, or the one beside it.
    #[must_use]
    pub fn beside(root: &Path) -> Vec<GraphStore> {
        let root = root.canonicalize().unwrap_or_else(|_| root.into());
        let data_root = match (root.parent(), root.file_name()) {
            (Some(parent), Some(name)) if name == "daemon" && parent.ends_with("containerd") => {
                parent.parent().map(Path::to_path_buf)
            }
            (Some(parent), Some(name)) if name == "containerd" => Some(parent.join("docker")),
            _ => None,
        };
        data_root.map(|path| GraphStore::below(&path)).unwrap_or_default()
    }

    /// The stores below a data root of Docker's; none where there is nothing, or nothing that may be read.
    #[must_use]
    pub fn below(data_root: &Path) -> Vec<GraphStore> {
        let mut stores = Vec::new();
        let Ok(folder) = Folder::open_root(data_root, Gate::default()) else { return stores };
        let users = names(&folder, is_user).into_iter().map(PathBuf::from);
        for user in std::iter::once(PathBuf::new()).chain(users) {
            let Ok(drivers) = folder.folder(user.join("image")) else { continue };
            for driver in names(&drivers, |_| true) {
                let count = |path: &str| count(&drivers, &Path::new(&driver).join(path));
                let (images, layers) = (count("imagedb/content/sha256"), count("layerdb/sha256"));
                if images + layers > 0 {
                    let folder = data_root.join(&user);
                    stores.push(GraphStore { folder, driver, images, layers });
                }
            }
        }
        stores
    }
}

/// `<uid>.<gid>`, of a Docker with user namespaces.
fn is_user(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.split_once('.').is_some_and(|(uid, gid)| is_number(uid) && is_number(gid))
}

/// The first folders in `folder` that `is_wanted`, sorted.
fn names(folder: &Folder, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let mut names = Vec::new();
    // What cannot be listed has nothing that could be read.
    let _ = folder.list(&mut |entry| {
        let name = entry.name.to_str().filter(|name| is_wanted(name) && names.len() < NAMES);
        let is_folder = |name: &&str| folder.stat(name).is_ok_and(|stat| stat.kind == FileKind::Folder);
        names.extend(name.filter(is_folder).map(str::to_owned));
        Ok(())
    });
    names.sort_unstable();
    names
}

/// How many names in a folder are digests.
fn count(folder: &Folder, path: &Path) -> u64 {
    let mut count = 0;
    let is_digest =
        |name: &OsStr| name.to_str().is_some_and(|name| name.len() == 64 && hex::decode(name).is_ok());
    let counted = folder.folder(path).and_then(|folder| {
        folder.list(&mut |entry| {
            count += u64::from(is_digest(entry.name));
            if count < COUNT_LIMIT { Ok(()) } else { Err(io::ErrorKind::Interrupted.into()) }
        })
    });
    let _ = counted;
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::create_dir_all;

    fn docker(data_root: &Path) {
        let image = data_root.join("image/overlay2");
        create_dir_all(image.join("imagedb/content/sha256")).unwrap();
        std::fs::write(image.join("imagedb/content/sha256").join("a".repeat(64)), "{}").unwrap();
        for layer in ["b", "c"] {
            create_dir_all(image.join("layerdb/sha256").join(layer.repeat(64))).unwrap();
        }
        create_dir_all(image.join("layerdb/sha256").join("tmp")).unwrap();
        create_dir_all(data_root.join("containerd/daemon")).unwrap();
        create_dir_all(data_root.join("image/vfs/layerdb/sha256")).unwrap();
    }

    #[test]
    fn the_one_around_a_root_and_the_one_beside_it() {
        let place = tempfile::tempdir().unwrap();
        let base = place.path().canonicalize().unwrap();
        docker(&base.join("docker"));
        create_dir_all(base.join("containerd")).unwrap();
        create_dir_all(base.join("other/daemon")).unwrap();
        let store =
            GraphStore { folder: base.join("docker"), driver: "overlay2".into(), images: 1, layers: 2 };
        for root in ["docker/containerd/daemon", "containerd"] {
            assert_eq!(GraphStore::beside(&base.join(root)), std::slice::from_ref(&store), "{root}");
        }
        for root in ["other/daemon", "docker", "nowhere"] {
            assert_eq!(GraphStore::beside(&base.join(root)), [], "{root}");
        }
    }

    #[test]
    fn no_link_is_followed_and_users_have_their_own() {
        let place = tempfile::tempdir().unwrap();
        docker(&place.path().join("elsewhere"));
        docker(&place.path().join("docker/100000.100000"));
        std::os::unix::fs::symlink("../elsewhere/image", place.path().join("docker/image")).unwrap();
        let found = GraphStore::below(&place.path().join("docker"));
        let folders: Vec<&Path> = found.iter().map(|store| store.folder.as_path()).collect();
        assert_eq!(folders, [place.path().join("docker/100000.100000")]);
    }
}
