//! A second pass over a layer: the bytes of certain of its files.

use std::collections::BTreeSet;
use std::io;
use std::thread;

use super::pipe::{Purpose, Stop, TarStream};
use super::request::LayerBlob;
use crate::Interrupt;
use crate::digest::{DiffId, Digest};
use crate::layer::decompress::Compression;
use crate::layer::tar::{Data, Header, Reader, TarError};

/// What a layer's bytes hash to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayerDigests {
    /// The blob's; `None` if this library cannot compute the algorithm.
    pub(crate) blob: Option<Digest>,
    /// The tar's.
    pub(crate) diff_id: Option<DiffId>,
}

/// A part of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// The next bytes.
    Bytes(&'a [u8]),
    /// So many zeros.
    Zeros(u64),
    /// The file is complete.
    End,
}

/// Why the bytes did not come out.
#[derive(Debug)]
pub(crate) enum ExtractError {
    /// The run was asked to stop.
    Interrupted,
    /// The blob cannot be read.
    Read(io::Error),
    /// The blob is not what it was when it was compared.
    Changed,
    /// Whoever takes the bytes failed.
    Taker(io::Error),
}

/// Hands the data of the `entries` (numbered from 0) of a layer to `take`, in the archive's order, and hashes all of the
/// blob once more. What was taken is good only if the digests are.
pub(crate) fn extract(
    layer: &LayerBlob<'_>,
    entries: &BTreeSet<u32>,
    interrupt: &Interrupt,
    progress: &dyn Fn(u64),
    take: &mut dyn FnMut(u32, Piece<'_>) -> io::Result<()>,
) -> Result<LayerDigests, ExtractError> {
    let compression = Compression::of(layer.media_type).ok_or(ExtractError::Changed)?;
    thread::scope(|scope| {
        let stream =
            TarStream::start(scope, layer, compression, (Purpose::Hash, u64::MAX), interrupt, progress);
        let mut tar = Reader::new(stream);
        let outcome = hand_over(&mut tar, entries, take);
        let mut stream = tar.into_inner();
        let stop = stream.take_stop();
        if stop.is_none()
            && let Err(ExtractError::Taker(error)) = outcome
        {
            stream.abandon();
            return Err(ExtractError::Taker(error));
        }
        let (digests, later) = if stop.is_none() { stream.finish() } else { stream.abandon() };
        match stop.or(later) {
            Some(Stop::Interrupted) => Err(ExtractError::Interrupted),
            Some(Stop::Read(error)) => Err(ExtractError::Read(error)),
            Some(Stop::Fault(_) | Stop::TooLarge) => Err(ExtractError::Changed),
            None => outcome.map(|()| LayerDigests { blob: digests.blob, diff_id: digests.diff_id }),
        }
    })
}

fn hand_over(
    tar: &mut Reader<TarStream<'_>>,
    entries: &BTreeSet<u32>,
    take: &mut dyn FnMut(u32, Piece<'_>) -> io::Result<()>,
) -> Result<(), ExtractError> {
    let mut header = Header::default();
    let last = entries.last().copied();
    let mut entry = 0;
    while last.is_some_and(|last| entry <= last) && tar.next(&mut header).map_err(of_tar)? {
        let mut wanted = entries.contains(&entry);
        while wanted {
            let piece = match tar.data().map_err(of_tar)? {
                Data::Bytes(bytes) => Piece::Bytes(bytes),
                Data::Zeros(count) => Piece::Zeros(count),
                Data::End => {
                    wanted = false;
                    Piece::End
                }
            };
            take(entry, piece).map_err(ExtractError::Taker)?;
        }
        entry += 1;
    }
    Ok(())
}

fn of_tar(error: TarError) -> ExtractError {
    match error {
        TarError::Io(error) => ExtractError::Read(error),
        TarError::Fault { .. } => ExtractError::Changed,
    }
}
