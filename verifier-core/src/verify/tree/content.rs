//! A file's bytes on disk against those in the archive, as they stream by.

use std::io;

use rustix::io::Errno;

use super::difference::as_path;
use super::lowers::Lower;
use super::metadata::compare_stat;
use super::request::LayerComparison;
use crate::event::Interrupt;
use crate::io::{File, Folder, NotRegular, errno, read_full_at};
use crate::layer::tar::{Data, Reader, TarError};
use crate::layer::tree::{NodeId, Outcome, Tree};

/// Bytes of a file that are read at a time.
const CHUNK: usize = 256 * 1024;

/// Compares files, one at a time, with a buffer that they share.
pub(super) struct Contents<'a> {
    tree: &'a Folder,
    /// The file system of the tree: what is mounted over a file is not its.
    dev: u64,
    buffer: Vec<u8>,
    /// The folder of the file before: the next is most likely in the same.
    folder: Option<(NodeId, Folder)>,
    compare_owners: bool,
    interrupt: &'a Interrupt,
}

impl<'a> Contents<'a> {
    pub(super) fn new(request: &LayerComparison<'a>, dev: u64, interrupt: &'a Interrupt) -> Contents<'a> {
        let (tree, compare_owners) = (request.tree, request.options.compare_owners);
        Contents { tree, dev, buffer: vec![0; CHUNK], folder: None, compare_owners, interrupt }
    }

    /// Compares the data of the entry that `tar` is at with the file that `node` of `model` is on disk.
    ///
    /// # Errors
    /// What the archive reports. A file that cannot be read is an outcome.
    pub(super) fn compare<R: io::BufRead>(
        &mut self,
        model: &mut Tree,
        node: NodeId,
        size_bytes: u64,
        tar: &mut Reader<R>,
    ) -> Result<Outcome, TarError> {
        let file = match self.open(model, node) {
            Ok(file) if file.stat().size_bytes == size_bytes && file.stat().dev == self.dev => file,
            // The walk tells what is wrong with it.
            Ok(_) => return Ok(Outcome::None),
            Err(error) => return Ok(unreadable(&error).unwrap_or_default()),
        };
        let mut position = 0;
        loop {
            let compared = match tar.data()? {
                Data::End => {
                    self.settle(model, node, &file);
                    return Ok(Outcome::Same);
                }
                Data::Bytes(bytes) => self.bytes(&file, position, bytes).map(|()| bytes.len() as u64),
                Data::Zeros(count) => self.zeros(&file, position, count).map(|()| count),
            };
            match compared {
                Ok(count) => position += count,
                Err(outcome) => return Ok(outcome),
            }
        }
    }

    /// Most files have nothing odd about them: asking the open file for the rest is cheaper than asking for it by its
    /// path in the walk, and the walk is done sooner.
    fn settle(&self, model: &mut Tree, node: NodeId, file: &File) {
        let Some((id, inode)) = model.inode(node) else { return };
        let stat = file.stat();
        let mut differs = stat.nlink != 1 || !model.attributes(inode).is_empty();
        compare_stat(inode, stat, &Lower::None, self.compare_owners, &mut |_| differs = true);
        if !differs && matches!(file.has_xattrs(), Ok(false)) {
            model.settle(id);
        }
    }

    fn open(&mut self, model: &Tree, node: NodeId) -> io::Result<File> {
        let parent = model.folder_of(node);
        if parent == NodeId::ROOT {
            return self.tree.file(as_path(model.name(node)));
        }
        let folder = match self.folder.take() {
            Some((at, folder)) if at == parent => folder,
            _ => self.tree.folder(as_path(&model.path(parent)))?,
        };
        let file = folder.file(as_path(model.name(node)));
        self.folder = Some((parent, folder));
        file
    }

    fn bytes(&mut self, file: &File, position: u64, expected: &[u8]) -> Result<(), Outcome> {
        let mut offset = position;
        for expected in expected.chunks(CHUNK) {
            let actual = read(file, &mut self.buffer, expected.len(), offset)?;
            if actual != expected {
                let same = actual.iter().zip(expected).take_while(|(actual, expected)| actual == expected);
                return Err(Outcome::Differs { offset: offset + same.count() as u64 });
            }
            offset += expected.len() as u64;
        }
        Ok(())
    }

    fn zeros(&mut self, file: &File, position: u64, count: u64) -> Result<(), Outcome> {
        let mut done = 0;
        while done < count && !self.interrupt.is_raised() {
            let step = usize::try_from(count - done).unwrap_or(CHUNK).min(CHUNK);
            let actual = read(file, &mut self.buffer, step, position + done)?;
            let zeros = actual.iter().take_while(|byte| **byte == 0).count();
            if zeros < step {
                return Err(Outcome::Differs { offset: position + done + zeros as u64 });
            }
            done += step as u64;
        }
        Ok(())
    }
}

fn read<'b>(file: &File, buffer: &'b mut [u8], len: usize, offset: u64) -> Result<&'b [u8], Outcome> {
    let room = buffer.get_mut(..len).unwrap_or_default();
    let count =
        read_full_at(file, room, offset).map_err(|error| Outcome::Unreadable { errno: errno(&error) })?;
    Ok(room.get(..count).unwrap_or_default())
}

/// What the walk cannot see for itself: errors that do not come from what stands at the path.
fn unreadable(error: &io::Error) -> Option<Outcome> {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        _ if NotRegular::of(error).is_some() => None,
        Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => None,
        _ => Some(Outcome::Unreadable { errno: errno(error) }),
    }
}
