//! Small files of a layer, bytes and all, to be compared together.

use std::ops::Range;
use std::sync::Arc;

use super::files::Files;
use crate::Interrupt;
use crate::io::{File, Stat};
use crate::layer::tree::{InodeId, NodeId, Outcome, Tree};

/// Files that a batch may have, and bytes that are its own.
const FILES_MAX: usize = 64;
const COPIED_MAX: usize = 64 * 1024;

/// Files that follow each other in the archive, from one piece of it.
#[derive(Default)]
pub(super) struct Batch {
    /// Names of files and paths of folders.
    names: Vec<u8>,
    files: Vec<Expected>,
    seen: Vec<Seen>,
    /// The piece of the archive that most of the files' bytes are in.
    piece: Option<Arc<Vec<u8>>>,
    /// How many bytes were copied.
    copied: usize,
}

/// A file as the layer makes it.
struct Expected {
    place: Place,
    parent: NodeId,
    folder: Range<usize>,
    name: Range<usize>,
    bytes: Bytes,
    size_bytes: u64,
    /// The layer gives it no attributes.
    expects_none: bool,
}

/// The bytes that a file should have.
pub(super) enum Bytes {
    /// They are in one piece of the archive, which is kept meanwhile.
    Shared(Arc<Vec<u8>>, Range<usize>),
    /// They are in several.
    Copied(Vec<u8>),
}

/// Whose bytes were compared. By the time that this is known, an entry may have replaced it, and the number may be another's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) node: NodeId,
    pub(super) inode: InodeId,
    /// The layer and the entry that its bytes are in.
    pub(super) source: (u16, u32),
}

/// What came of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) outcome: Outcome,
    /// If its bytes are the same, and it has one name and no attributes: all else there is to know.
    pub(super) bare: Option<Stat>,
}

impl Batch {
    /// Whether a file of these bytes may be added: each batch keeps one piece of the archive from being used again, not many.
    pub(super) fn takes(&self, bytes: &Bytes) -> bool {
        let fits = match bytes {
            Bytes::Shared(piece, _) => self.piece.as_ref().is_none_or(|kept| Arc::ptr_eq(kept, piece)),
            Bytes::Copied(bytes) => self.copied == 0 || self.copied + bytes.len() <= COPIED_MAX,
        };
        fits && self.files.len() < FILES_MAX
    }

    /// Adds the file at `place`.
    pub(super) fn add(&mut self, model: &Tree, place: Place, size_bytes: u64, bytes: Bytes) {
        match &bytes {
            Bytes::Shared(piece, _) => self.piece = Some(Arc::clone(piece)),
            Bytes::Copied(bytes) => self.copied += bytes.len(),
        }
        let parent = model.folder_of(place.node);
        let folder = match self.files.last() {
            Some(last) if last.parent == parent => last.folder.clone(),
            _ => self.keep(&model.path(parent)),
        };
        let name = self.keep(model.name(place.node));
        let expects_none = model.get(place.inode).is_some_and(|inode| model.attributes(inode).is_empty());
        self.files.push(Expected { place, parent, folder, name, bytes, size_bytes, expects_none });
    }

    fn keep(&mut self, name: &[u8]) -> Range<usize> {
        let start = self.names.len();
        self.names.extend_from_slice(name);
        start..self.names.len()
    }

    /// Compares all of them with those on disk. What was not come to when the run is interrupted has no outcome.
    pub(super) fn compare(&mut self, files: &mut Files<'_>, interrupt: &Interrupt) {
        for expected in &self.files {
            if interrupt.is_raised() {
                return;
            }
            let seen = expected.compare(&self.names, files);
            self.seen.push(seen.unwrap_or_else(|outcome| Seen { outcome, bare: None }));
        }
    }

    /// What came of them.
    pub(super) fn seen(&self) -> impl Iterator<Item = (Place, Seen)> + '_ {
        self.files.iter().map(|expected| expected.place).zip(self.seen.iter().copied())
    }

    /// Ready for others.
    pub(super) fn clear(&mut self) {
        self.names.clear();
        self.files.clear();
        self.seen.clear();
        (self.piece, self.copied) = (None, 0);
    }
}

impl Expected {
    fn compare(&self, names: &[u8], files: &mut Files<'_>) -> Result<Seen, Outcome> {
        let name = |range: &Range<usize>| names.get(range.clone()).unwrap_or_default();
        let file = files.open((self.parent, name(&self.folder)), name(&self.name), self.size_bytes)?;
        let bytes = match &self.bytes {
            Bytes::Shared(piece, range) => piece.get(range.clone()).unwrap_or_default(),
            Bytes::Copied(bytes) => bytes,
        };
        files.bytes(&file, 0, bytes)?;
        Ok(Seen { outcome: Outcome::Same, bare: bare(&file, self.expects_none) })
    }
}

/// What `file` is, if it has one name and no attributes; that is asked only where none are expected.
pub(super) fn bare(file: &File, expects_none: bool) -> Option<Stat> {
    let is_bare = expects_none && file.stat().nlink == 1 && matches!(file.has_xattrs(), Ok(false));
    is_bare.then(|| *file.stat())
}
