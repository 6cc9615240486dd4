//! What parents that a layer does not mention have from the layers below (`mkparent`, pkg/archive/tar.go).

use std::io;

use rustix::io::Errno;

use super::difference::as_path;
use crate::io::{FileKind, Folder, Stat};
use crate::layer::tree::{Attribute, Lookup, Names, Trail, is_comparable, root_path};

/// A folder's attributes in a lower layer.
pub(crate) struct Inherited {
    pub(crate) stat: Stat,
    /// Those that are copied and compared, by name.
    pub(crate) attributes: Vec<Attribute>,
}

/// What the lower layers know of a folder.
pub(crate) enum Lower {
    /// The nearest that has the name has a folder.
    Folder(Box<Inherited>),
    /// None has it, or the nearest has something else there.
    None,
    /// It could not be found out.
    Unknown,
}

/// The trees of the layers below, one after the other: there may be more of them than a process may have files open.
pub trait LowerTrees {
    /// Opens them in turn, the nearest first.
    fn nearest_first(&self) -> Box<dyn Iterator<Item = io::Result<Folder>> + '_>;
}

impl LowerTrees for &[Folder] {
    fn nearest_first(&self) -> Box<dyn Iterator<Item = io::Result<Folder>> + '_> {
        Box::new(self.iter().map(|folder| folder.folder(".")))
    }
}

impl<const N: usize> LowerTrees for [Folder; N] {
    fn nearest_first(&self) -> Box<dyn Iterator<Item = io::Result<Folder>> + '_> {
        Box::new(self.iter().map(|folder| folder.folder(".")))
    }
}

/// Asks `lowers` for the folder at `path`.
pub(crate) fn inherited(lowers: &dyn LowerTrees, path: &[u8]) -> Lower {
    for lower in lowers.nearest_first() {
        let Ok(lower) = lower else { return Lower::Unknown };
        let Ok(resolved) = root_path(&OnDisk(&lower), path) else { return Lower::Unknown };
        let resolved = as_path(resolved.strip_prefix(b"/").unwrap_or(&resolved));
        match lower.stat(resolved) {
            Ok(stat) if stat.kind == FileKind::Folder => {
                let Ok(mut attributes) = lower.xattrs(resolved) else { return Lower::Unknown };
                attributes.retain(|(name, _)| is_comparable(name));
                return Lower::Folder(Box::new(Inherited { stat, attributes }));
            }
            Ok(_) => return Lower::None,
            Err(error) if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => {}
            Err(_) => return Lower::Unknown,
        }
    }
    Lower::None
}

/// A lower layer's tree, for resolving links in it.
struct OnDisk<'a>(&'a Folder);

impl Names for OnDisk<'_> {
    fn lookup(&self, path: &[u8], _trail: &mut Trail) -> Lookup {
        let path = as_path(path.strip_prefix(b"/").unwrap_or(path));
        match self.0.stat(path) {
            Ok(stat) if stat.kind == FileKind::Symlink => {
                self.0.read_link(path).map_or(Lookup::Missing, Lookup::Link)
            }
            Ok(_) => Lookup::Other,
            Err(error) if error.raw_os_error() == Some(Errno::NOTDIR.raw_os_error()) => Lookup::NotFolder,
            // A link on the way: the next pass finds it resolved.
            Err(_) => Lookup::Missing,
        }
    }
}
