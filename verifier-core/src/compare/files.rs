//! Regular files of the tree, against the bytes that they should have.

use std::io;

use rustix::io::Errno;

use super::difference::as_path;
use crate::Interrupt;
use crate::io::{Buffer, File, Folder, NotRegular, errno};
use crate::layer::tree::{NodeId, Outcome};

/// Bytes of a file that are read at a time.
const CHUNK: usize = 256 * 1024;

/// Opens and reads files, one at a time, with a buffer that they share.
pub(super) struct Files<'a> {
    tree: &'a Folder,
    /// The file system of the tree: what is mounted over a file is not its.
    dev: u64,
    buffer: Buffer,
    /// The folder of the file before: the next is most likely in the same.
    folder: Option<(NodeId, Folder)>,
    interrupt: &'a Interrupt,
}

impl<'a> Files<'a> {
    pub(super) fn new(tree: &'a Folder, dev: u64, interrupt: &'a Interrupt) -> Files<'a> {
        Files { tree, dev, buffer: Buffer::default(), folder: None, interrupt }
    }

    /// Opens `name` in the folder `parent`, whose path is `folder`, if a file of `size_bytes` is there. Otherwise says what
    /// comparing its bytes comes to.
    pub(super) fn open(
        &mut self,
        (parent, folder): (NodeId, &[u8]),
        name: &[u8],
        size_bytes: u64,
    ) -> Result<File, Outcome> {
        match self.file((parent, folder), name) {
            Ok(file) if file.stat().size_bytes == size_bytes && file.stat().dev == self.dev => Ok(file),
            // The walk tells what is wrong with it.
            Ok(_) => Err(Outcome::None),
            Err(error) => Err(unreadable(&error).unwrap_or_default()),
        }
    }

    fn file(&mut self, (parent, folder): (NodeId, &[u8]), name: &[u8]) -> io::Result<File> {
        if parent == NodeId::ROOT {
            return self.tree.file(as_path(name));
        }
        let folder = match self.folder.take() {
            Some((at, folder)) if at == parent => folder,
            _ => self.tree.folder(as_path(folder))?,
        };
        let file = folder.file(as_path(name));
        self.folder = Some((parent, folder));
        file
    }

    /// Whether `file` has the bytes `expected` at `position`.
    pub(super) fn bytes(&mut self, file: &File, position: u64, expected: &[u8]) -> Result<(), Outcome> {
        let mut offset = position;
        for expected in expected.chunks(CHUNK) {
            let actual = self.read(file, expected.len(), offset)?;
            if actual != expected {
                let same = actual.iter().zip(expected).take_while(|(actual, expected)| actual == expected);
                return Err(Outcome::Differs { offset: offset + same.count() as u64 });
            }
            offset += expected.len() as u64;
        }
        Ok(())
    }

    /// Whether `file` has `count` zeros at `position`.
    pub(super) fn zeros(&mut self, file: &File, position: u64, count: u64) -> Result<(), Outcome> {
        let mut done = 0;
        while done < count && !self.interrupt.is_raised() {
            let step = usize::try_from(count - done).unwrap_or(CHUNK).min(CHUNK);
            let actual = self.read(file, step, position + done)?;
            let zeros = actual.iter().take_while(|byte| **byte == 0).count();
            if zeros < step {
                return Err(Outcome::Differs { offset: position + done + zeros as u64 });
            }
            done += step as u64;
        }
        Ok(())
    }

    fn read(&mut self, file: &File, len: usize, offset: u64) -> Result<&[u8], Outcome> {
        self.buffer.read(file, offset, len).map_err(|error| Outcome::Unreadable { errno: errno(&error) })
    }
}

/// What the walk cannot see for itself: errors that do not come from what stands at the path.
fn unreadable(error: &io::Error) -> Option<Outcome> {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        _ if NotRegular::of(error).is_some() => None,
        Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => None,
        _ => Some(Outcome::Unreadable { errno: errno(error) }),
    }
}
