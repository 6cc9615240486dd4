//! continuity's `fs.RootPath` (fs/path.go): a path with its links resolved as if the tree were `/`.
//!
//! It is copied step for step, for it is not quite what `chroot` would do: `..` behind a link is partly lexical.

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
    /// A symbolic link, and its target.
    Link(Vec<u8>),
    /// Anything else.
    Other,
}

/// A tree of names, in memory or on disk.
pub trait Names {
    /// What stands at `path`, which is absolute (from the tree's root) and clean. Links on the way are followed as
    /// the kernel does it, but what lies outside of the tree is missing.
    fn lookup(&self, path: &[u8]) -> Lookup;
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
    let mut path = path.to_vec();
    loop {
        let before = links;
        path = walk(names, &path, &mut links)?;
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
fn walk(names: &dyn Names, path: &[u8], links: &mut usize) -> Result<Vec<u8>, Refusal> {
    let mut at = (path.first() == Some(&b'/')).then(|| b"/".to_vec());
    for component in components(path) {
        at = Some(match at {
            None => step(names, component, links)?.0,
            Some(folder) => match step(names, &join(&folder, component), links)? {
                (target, true) if target.first() != Some(&b'/') => join(&folder, &target),
                (path, _) => path,
            },
        });
    }
    Ok(at.unwrap_or_else(|| b"/".to_vec()))
}

/// The target of the link at `path`, and true; or `path`, absolute, and false.
fn step(names: &dyn Names, path: &[u8], links: &mut usize) -> Result<(Vec<u8>, bool), Refusal> {
    if *links > LINKS_MAX {
        return Err(Refusal::TooManyLinks);
    }
    let path = clean(&[b"/", path].concat());
    if path.len() > PATH_MAX {
        return Err(Refusal::Name);
    }
    if path == b"/" {
        return Ok((path, false));
    }
    match names.lookup(&path) {
        Lookup::Missing | Lookup::Other => Ok((path, false)),
        Lookup::NotFolder => Err(Refusal::ParentNotFolder),
        Lookup::Link(target) => {
            *links += 1;
            Ok((target, true))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// Links by their paths; everything else is missing.
    struct Links(HashMap<&'static str, &'static str>);

    impl Names for Links {
        fn lookup(&self, path: &[u8]) -> Lookup {
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
