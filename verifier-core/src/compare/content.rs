//! Files' bytes on disk against those in the archive, as they stream by.

use std::thread::Scope;

use super::batch::{Batch, Bytes, Place, Seen, bare};
use super::comparers::Comparers;
use super::files::Files;
use super::metadata::{Wanted, compare_stat};
use super::pipe::TarStream;
use super::request::LayerComparison;
use crate::Interrupt;
use crate::io::{FileKind, Stat};
use crate::layer::tar::{Data, Reader, TarError};
use crate::layer::tree::{Inherits, Inode, InodeId, NodeId, Outcome, Tree};

/// Files up to this many bytes are compared together.
const SMALL_MAX: usize = 64 * 1024;

/// Compares files: small ones together, by other threads; others here, piece by piece as they come.
pub(super) struct Contents<'scope, 'env> {
    files: Files<'env>,
    /// None where the tree is read at a pace of its own: that wants one file after the other.
    comparers: Option<Comparers<'scope, 'env>>,
    batch: Batch,
    spare: Vec<Batch>,
    compare_owners: bool,
    interrupt: &'env Interrupt,
}

impl<'scope, 'env> Contents<'scope, 'env> {
    pub(super) fn new(
        scope: &'scope Scope<'scope, 'env>,
        request: &LayerComparison<'env>,
        dev: u64,
        interrupt: &'env Interrupt,
    ) -> Contents<'scope, 'env> {
        let tree = request.tree;
        let comparers = (!tree.is_paced()).then(|| Comparers::new(scope, tree, dev, interrupt));
        Contents {
            files: Files::new(tree, dev, interrupt),
            comparers,
            batch: Batch::default(),
            spare: Vec::new(),
            compare_owners: request.options.compare_owners,
            interrupt,
        }
    }

    /// Compares the data of the entry that `tar` is at with the file that `node` of `model` is on disk. What it comes to is
    /// with the inode by the time of [`Contents::finish`].
    ///
    /// # Errors
    /// What the archive reports. A file that cannot be read is an outcome.
    pub(super) fn compare(
        &mut self,
        model: &mut Tree,
        (node, inode): (NodeId, InodeId),
        tar: &mut Reader<TarStream<'_>>,
    ) -> Result<(), TarError> {
        let (size_bytes, source) = model.get(inode).map_or((0, (0, 0)), |it| (it.size_bytes(), it.source()));
        let place = Place { node, inode, source };
        match usize::try_from(size_bytes) {
            Ok(0) => {}
            Ok(size) if size <= SMALL_MAX && self.comparers.is_some() => {
                let bytes = keep(tar, size)?;
                if !self.batch.takes(&bytes) {
                    let full = std::mem::replace(&mut self.batch, self.spare.pop().unwrap_or_default());
                    self.give(full, model);
                }
                self.batch.add(model, place, size_bytes, bytes);
            }
            _ => {
                let seen = self.stream(model, place, size_bytes, tar)?;
                self.settle(model, place, seen);
            }
        }
        tar.finish_data()
    }

    /// Compares what is left; all of a layer that has few files, without any other thread.
    pub(super) fn finish(&mut self, model: &mut Tree) {
        let mut batch = std::mem::take(&mut self.batch);
        if self.comparers.as_ref().is_some_and(Comparers::is_any) {
            self.give(batch, model);
        } else {
            batch.compare(&mut self.files, self.interrupt);
            self.take_back(model, batch);
        }
        while let Some(done) = self.comparers.as_mut().and_then(Comparers::wait) {
            self.take_back(model, done);
        }
    }

    /// Has a batch compared, by another thread if there is one.
    fn give(&mut self, batch: Batch, model: &mut Tree) {
        let kept = match &mut self.comparers {
            Some(comparers) => comparers.give(batch),
            None => Some(batch),
        };
        if let Some(mut batch) = kept {
            batch.compare(&mut self.files, self.interrupt);
            self.take_back(model, batch);
        }
        while let Some(done) = self.comparers.as_mut().and_then(Comparers::take) {
            self.take_back(model, done);
        }
    }

    fn take_back(&mut self, model: &mut Tree, mut batch: Batch) {
        for (place, seen) in batch.seen() {
            self.settle(model, place, seen);
        }
        batch.clear();
        self.spare.push(batch);
    }

    /// Compares one file, piece by piece.
    fn stream(
        &mut self,
        model: &Tree,
        place: Place,
        size_bytes: u64,
        tar: &mut Reader<TarStream<'_>>,
    ) -> Result<Seen, TarError> {
        let parent = model.folder_of(place.node);
        let opened = self.files.open((parent, &model.path(parent)), model.name(place.node), size_bytes);
        let file = match opened {
            Ok(file) => file,
            Err(outcome) => return Ok(Seen { outcome, bare: None }),
        };
        let mut position = 0;
        loop {
            let compared = match tar.data()? {
                Data::End => break,
                Data::Bytes(bytes) => self.files.bytes(&file, position, bytes).map(|()| bytes.len() as u64),
                Data::Zeros(count) => self.files.zeros(&file, position, count).map(|()| count),
            };
            match compared {
                Ok(count) => position += count,
                Err(outcome) => return Ok(Seen { outcome, bare: None }),
            }
        }
        let expects_none = model.get(place.inode).is_some_and(|inode| model.attributes(inode).is_empty());
        Ok(Seen { outcome: Outcome::Same, bare: bare(&file, expects_none) })
    }

    /// Keeps what came of a file. Most have nothing odd about them: asking the open file for the rest is cheaper than asking
    /// for it by its path in the walk, and the walk is done sooner.
    fn settle(&self, model: &mut Tree, place: Place, seen: Seen) {
        let is_still = |inode: &&Inode| inode.kind() == FileKind::File && inode.source() == place.source;
        let Some(inode) = model.get(place.inode).filter(is_still) else { return };
        let settled = seen.bare.is_some_and(|stat| self.is_right(model, inode, &stat));
        model.set_outcome(place.inode, seen.outcome);
        if settled {
            model.settle(place.inode);
        }
    }

    /// Whether a file without attributes is what the entries up to now make of it.
    fn is_right(&self, model: &Tree, inode: &Inode, stat: &Stat) -> bool {
        let mut differs = !model.attributes(inode).is_empty();
        let wanted = Wanted::of(inode, Inherits::default());
        compare_stat(inode, &wanted, stat, self.compare_owners, &mut |_| differs = true);
        !differs
    }
}

/// The data of the entry that `tar` is at, `size` bytes. Most lie in one piece, and are not copied.
fn keep(tar: &mut Reader<TarStream<'_>>, size: usize) -> Result<Bytes, TarError> {
    let mut copied = Vec::new();
    loop {
        let room = size - copied.len();
        match tar.data()? {
            Data::End => return Ok(Bytes::Copied(copied)),
            Data::Bytes(piece) if copied.is_empty() && piece.len() == size => {
                let (piece, range) = tar.stream().share(size);
                return Ok(Bytes::Shared(piece, range));
            }
            Data::Bytes(piece) => copied.extend_from_slice(piece.get(..room).unwrap_or(piece)),
            Data::Zeros(count) => {
                copied.resize(copied.len() + room.min(usize::try_from(count).unwrap_or(room)), 0);
            }
        }
    }
}
