//! Blobs as entries of a tar.
//!
//! Layouts in a tar (`ctr images export`, `docker save` since 25) name them `blobs/<algorithm>/<encoded>`. What an older
//! `docker save` writes (`<id>/layer.tar`, `<id>.json`) has no digests for names: entries of a wanted size are hashed.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use rustix::io::Errno;

use crate::digest::{Digest, Hasher};
use crate::io::{File, Folder, Gate};
use crate::layer::decompress::{Compression, Decompressor, Source, StreamError};
use crate::layer::tar::{Data, EntryKind, Header, Reader, TarError};

#[derive(Debug)]
pub(super) struct Archive {
    file: File,
    /// The entries that were found, by their place in the archive.
    entries: BTreeMap<Digest, u64>,
}

impl Archive {
    pub(super) fn open(path: &Path) -> io::Result<Archive> {
        // A link is followed: the operator named it.
        let path = std::fs::canonicalize(path)?;
        let (folder, name) = (path.parent().ok_or(Errno::INVAL)?, path.file_name().ok_or(Errno::INVAL)?);
        let file = Folder::open_root(folder, Gate::default())?.file(name)?;
        Ok(Archive { file, entries: BTreeMap::new() })
    }

    pub(super) fn find(&mut self, wanted: &BTreeMap<Digest, Option<u64>>) -> io::Result<Vec<(Digest, u64)>> {
        let mut found = Vec::new();
        if wanted.is_empty() {
            return Ok(found);
        }
        let mut entries = BTreeMap::new();
        self.each(&mut |at, header, tar| {
            let size_bytes = u64::try_from(header.size_bytes).unwrap_or(0);
            let digest = match digest_in(&header.name).filter(|digest| wanted.contains_key(digest)) {
                Some(digest) => Some(digest),
                None if wanted.values().any(|size| *size == Some(size_bytes)) => {
                    Some(hash(tar)?).filter(|digest| wanted.contains_key(digest))
                }
                None => None,
            };
            if let Some(digest) = digest
                && !entries.contains_key(&digest)
            {
                entries.insert(digest.clone(), at);
                found.push((digest, size_bytes));
            }
            Ok(true)
        })?;
        self.entries.append(&mut entries);
        Ok(found)
    }

    pub(super) fn copy(
        &self,
        digest: &Digest,
        to: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let wanted = *self.entries.get(digest).ok_or(Errno::NOENT)?;
        self.each(&mut |at, _, tar| {
            if at < wanted {
                return Ok(true);
            }
            bytes(tar, to)?;
            Ok(false)
        })
    }

    /// Calls `each` with every regular file, until it says that it has had enough.
    fn each(&self, each: &mut Each<'_>) -> io::Result<()> {
        let source = Source::new(&self.file, Some);
        let stream = Decompressor::new(source, Compression::Sniffed)?;
        let mut tar = Reader::new(BufReader::with_capacity(128 * 1024, Stream(stream)));
        let mut header = Header::default();
        let mut at = 0;
        while tar.next(&mut header).map_err(as_io)? {
            if header.kind == EntryKind::File && !each(at, &header, &mut tar)? {
                break;
            }
            at += 1;
        }
        Ok(())
    }
}

type Entries<'a> = Reader<BufReader<Stream<'a>>>;
type Each<'e> = dyn FnMut(u64, &Header, &mut Entries<'_>) -> io::Result<bool> + 'e;

struct Stream<'a>(Decompressor<'a>);

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.fill(buffer).map_err(|error| match error {
            StreamError::Io(error) => error,
            StreamError::Fault(fault) => io::Error::new(io::ErrorKind::InvalidData, fault.to_string()),
        })
    }
}

/// The digest that a name of an OCI layout ends in.
fn digest_in(name: &[u8]) -> Option<Digest> {
    let name = std::str::from_utf8(name).ok()?;
    let (_, place) = name.strip_prefix("./").unwrap_or(name).split_once("blobs/")?;
    let (algorithm, encoded) = place.split_once('/')?;
    format!("{algorithm}:{encoded}").parse().ok()
}

fn hash(tar: &mut Reader<impl BufRead>) -> io::Result<Digest> {
    let mut hasher = Hasher::sha256();
    bytes(tar, &mut |bytes| {
        hasher.update(bytes);
        Ok(())
    })?;
    Ok(hasher.finish())
}

/// Hands on the bytes of the current entry.
fn bytes(tar: &mut Reader<impl BufRead>, to: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    loop {
        match tar.data().map_err(as_io)? {
            Data::End => return Ok(()),
            Data::Bytes(bytes) => to(bytes)?,
            Data::Zeros(mut left) => {
                let zeros = [0; 4096];
                while left > 0 {
                    let count = left.min(zeros.len() as u64);
                    to(zeros.get(..usize::try_from(count).unwrap_or(0)).unwrap_or_default())?;
                    left -= count;
                }
            }
        }
    }
}

fn as_io(error: TarError) -> io::Error {
    match error {
        TarError::Io(error) => error,
        fault @ TarError::Fault { .. } => io::Error::new(io::ErrorKind::InvalidData, fault.to_string()),
    }
}
