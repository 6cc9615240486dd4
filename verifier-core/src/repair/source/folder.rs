//! Blobs as files: `blobs/<algorithm>/<encoded>`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::io::{Folder, Gate, ReadAt as _};
use crate::layout::CONTENT;

#[derive(Debug)]
pub(super) struct BlobFolder(Folder);

const CHUNK: usize = 256 * 1024;

impl BlobFolder {
    /// The folder with `blobs/` of the layout or containerd root at `path`.
    pub(super) fn open(path: &Path) -> io::Result<Option<BlobFolder>> {
        let root = Folder::open_root(path, Gate::default())?;
        for place in ["", CONTENT] {
            match root.folder(Path::new(place).join("blobs")) {
                Ok(blobs) => return Ok(Some(BlobFolder(blobs))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn place(digest: &Digest) -> PathBuf {
        Path::new(digest.algorithm().as_str()).join(digest.encoded())
    }

    pub(super) fn find(&self, wanted: &BTreeMap<Digest, Option<u64>>) -> Vec<(Digest, u64)> {
        let mut found = Vec::new();
        for digest in wanted.keys() {
            if let Ok(file) = self.0.file(Self::place(digest)) {
                found.push((digest.clone(), file.stat().size_bytes));
            }
        }
        found
    }

    pub(super) fn copy(
        &self,
        digest: &Digest,
        to: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let file = self.0.file(Self::place(digest))?;
        let mut buffer = vec![0; CHUNK];
        let mut offset = 0;
        loop {
            let count = file.read_at(&mut buffer, offset)?;
            match buffer.get(..count) {
                None | Some([]) => return Ok(()),
                Some(bytes) => to(bytes)?,
            }
            offset += count as u64;
        }
    }
}
