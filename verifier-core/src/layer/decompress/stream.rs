//! The decompressor that fits a blob.

use std::io;

use super::gzip::Gzip;
use super::media_type::Compression;
use super::source::Source;
use super::zstd::Zstd;
use crate::layer::LayerFault;

/// Why there are no more tar bytes.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The blob cannot be read, or nobody wants its bytes any more (`BrokenPipe`).
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The blob is wrong.
    #[error(transparent)]
    Fault(#[from] LayerFault),
}

/// A blob's tar bytes, in whatever way it is compressed.
pub struct Decompressor<'a> {
    source: Source<'a>,
    format: Format,
}

enum Format {
    Plain,
    Gzip(Box<Gzip>),
    Zstd(Box<Zstd>),
}

impl<'a> Decompressor<'a> {
    /// Looks at the first bytes of `source` where `compression` says so.
    ///
    /// # Errors
    /// What reading reports.
    pub fn new(mut source: Source<'a>, compression: Compression) -> io::Result<Decompressor<'a>> {
        let format = match (compression, source.fill()?) {
            (Compression::Sniffed, [0x1f, 0x8b, 8, ..]) => Format::Gzip(Box::new(Gzip::new())),
            (
                Compression::Sniffed,
                [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, _, _, _, _, ..],
            ) => Format::Zstd(Box::new(Zstd::new()?)),
            _ => Format::Plain,
        };
        Ok(Decompressor { source, format })
    }

    /// Whether the blob's bytes are the tar's.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        matches!(self.format, Format::Plain)
    }

    /// Fills `out` with the next bytes of the tar, as far as there are; 0 at its end.
    ///
    /// # Errors
    /// [`StreamError`]. After a fault, only [`Decompressor::finish`] makes sense.
    pub fn fill(&mut self, out: &mut [u8]) -> Result<usize, StreamError> {
        match &mut self.format {
            Format::Gzip(gzip) => gzip.fill(&mut self.source, out),
            Format::Zstd(zstd) => zstd.fill(&mut self.source, out),
            Format::Plain => {
                let bytes = self.source.fill()?;
                let count = bytes.len().min(out.len());
                if let (Some(to), Some(from)) = (out.get_mut(..count), bytes.get(..count)) {
                    to.copy_from_slice(from);
                }
                self.source.consume(count);
                Ok(count)
            }
        }
    }

    /// Reads the blob to its end, so that all of it reaches the hasher. Returns how many bytes there were that no
    /// part of the tar came from.
    ///
    /// # Errors
    /// What reading reports.
    pub fn finish(mut self) -> io::Result<u64> {
        let used = self.source.position();
        self.source.drain()?;
        Ok(self.source.position() - used)
    }
}
