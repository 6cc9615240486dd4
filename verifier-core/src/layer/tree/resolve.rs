//! continuity's `fs.RootPath` (fs/path.go): a path with its links resolved as if the tree were `/`.
//!
//! It is copied step for step, for it is not quite what `chroot` would do: `..` behind a link is partly lexical.

use super::arena::NodeId;
use super::path::{PATH_MAX, clean, components, join};
use crate::layer::Refusal;

/// How many links continuity follows on one path.
const LINKS_MAX: usize = 255;

/// What `lstat` says of a path.
#[derive(Debug, PartialEq, Eq)]
pub enum Lookup {
    /// There is nothing.
    Missing,
    /// Something on the way is neither a folder nor a link.
    NotFolder,
    /// More links on the way than the kernel follows.
    Loop,
    /// A symbolic link, and its target.
    Link(Vec<u8>),
    /// Anything else.
    Other,
}

/// Where the lookup before ended, for trees that find their way faster from there.
#[derive(Debug, Default)]
pub struct Trail {
    pub(super) path: Vec<u8>,
    pub(super) folder: Option<NodeId>,
}

/// A tree of names, in memory or on disk.
pub trait Names {
    /// What stands at `path`, which is absolute (from the tree's root) and clean. Links on the way are followed as
    /// the kernel does it, but what lies outside of the tree is missing.
    fn lookup(&self, path: &[u8], trail: &mut Trail) -> Lookup;
}

/// Resolves all links of `path`, the last component's included. What does not exist is taken as it is written. The
/// answer is absolute and clean.
///
/// # Errors
/// What containerd's apply fails on: too many links, a path too long, a file where a folder should be.
pub fn root_path(names: &dyn Names, path: &[u8]) -> Result<Vec<u8>, Refusal> {
    if path.is_empty() {
        return Ok(b"/".to_vec());
    }
    let mut links = 0;
    let mut trail = Trail::default();
    let mut path = path.to_vec();
    loop {
        let before = links;
        path = walk(names, &path, &mut links, &mut trail)?;
        if before == links {
            let absolute = join(b"/", &path);
            if absolute == path {
                return Ok(absolute);
            }
            path = absolute;
        }
    }
}

/// One pass: each link on the way is replaced by its target once.
fn walk(names: &dyn Names, path: &[u8], links: &mut usize, trail: &mut Trail) -> Result<Vec<u8>, Refusal> {
    let mut at = (path.first() == Some(&b'/')).then(|| b"/".to_vec());
    // Whether `at` is absolute and clean: it is, but for what a link has just put there.
    let mut is_clean = true;
    for component in components(path) {
        if *links > LINKS_MAX {
            return Err(Refusal::TooManyLinks);
        }
        let full = match &at {
            None => clean(&[b"/", component].concat()),
            Some(folder) if is_clean && !matches!(component, b"." | b"..") => {
                let slash: &[u8] = if folder.len() > 1 { b"/" } else { b"" };
                [folder, slash, component].concat()
            }
            Some(folder) => clean(&[b"/", folder.as_slice(), b"/", component].concat()),
        };
        if full.len() > PATH_MAX {
            return Err(Refusal::Name);
        }
        let found = if full == b"/" { Lookup::Other } else { names.lookup(&full, trail) };
        is_clean = !matches!(found, Lookup::Link(_));
        *links += usize::from(!is_clean);
        at = Some(match (found, at) {
            (Lookup::NotFolder, _) => return Err(Refusal::ParentNotFolder),
            (Lookup::Loop, _) => return Err(Refusal::TooManyLinks),
            (Lookup::Missing | Lookup::Other, _) => full,
            (Lookup::Link(target), Some(folder)) if target.first() != Some(&b'/') => join(&folder, &target),
            (Lookup::Link(target), _) => target,
        });
    }
    Ok(at.unwrap_or_else(|| b"/".to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// Links by their paths; everything else is missing.
    struct Links(HashMap<&'static str, &'static str>);

    impl Names for Links {
        fn lookup(&self, path: &[u8], _trail: &mut Trail) -> Lookup {
            let target = self.0.get(std::str::from_utf8(path).unwrap());
            target.map_or(Lookup::Missing, |target| Lookup::Link(target.as_bytes().to_vec()))
        }
    }

    #[test]
    fn links_are_resolved_inside_the_root() {
        let names = Links(HashMap::from([
            ("/abs", "/usr/lib"),
            ("/rel", "usr/bin"),
            ("/up", "../../.."),
            ("/usr/chain", "../abs"),
            ("/loop", "loop"),
            ("/usr/dots", "a/../b"),
        ]));
        for (path, expected) in [
            ("", "/"),
            ("/", "/"),
            ("../../x/", "/x"),
            ("a/b/", "/a/b"),
            ("abs/x/", "/usr/lib/x"),
            ("rel", "/usr/bin"),
            ("up/up/etc", "/etc"),
            ("usr/chain/x", "/usr/lib/x"),
            ("usr/dots/c", "/usr/b/c"),
            ("..", "/"),
        ] {
            let resolved = root_path(&names, path.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(resolved).unwrap(), expected, "{path:?}");
        }
        assert_eq!(root_path(&names, b"loop/x"), Err(Refusal::TooManyLinks));
        assert_eq!(root_path(&names, &b"x/".repeat(3000)), Err(Refusal::Name));
    }
}
