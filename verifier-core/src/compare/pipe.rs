//! A blob, decompressed by one thread, hashed and handed to the tar reader by another.

use std::io::{self, BufRead, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, Scope};

use super::hashes::Hashes;
use super::request::LayerBlob;
use crate::Interrupt;
use crate::digest::{DiffId, Digest};
use crate::io::Buffer;
use crate::layer::LayerFault;
use crate::layer::decompress::{Compression, Decompressor, Source, StreamError};

/// Bytes of tar that are handed over at a time.
const CHUNK: usize = 256 * 1024;

/// Buffers on their way, of each kind.
const BUFFERS: usize = 4;

enum Message {
    /// The blob's bytes are the tar's.
    Plain,
    /// Bytes of the blob that were used up.
    Blob(Buffer),
    /// Bytes of the tar.
    Tar(Vec<u8>),
    /// The tar is complete; so many bytes of the blob followed it.
    TarEnd(Option<LayerFault>),
    /// The blob was read to its end.
    BlobEnd(u64),
    Failed(io::Error),
}

/// What to do with the bytes besides reading them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Hash the blob and the tar.
    Hash,
    /// Only read them again.
    Reread,
}

/// Why the tar stopped.
#[derive(Debug)]
pub(super) enum Stop {
    Interrupted,
    Read(io::Error),
    Fault(LayerFault),
    TooLarge,
}

/// What reading a blob to its end came to.
pub(super) struct Digests {
    pub(super) blob: Option<Digest>,
    pub(super) blob_bytes: u64,
    pub(super) diff_id: Option<DiffId>,
    pub(super) tar_bytes: u64,
    pub(super) surplus_bytes: u64,
}

/// The tar's bytes.
pub(super) struct TarStream<'a> {
    messages: Receiver<Message>,
    spare_blob: Sender<Buffer>,
    spare_tar: Sender<Vec<u8>>,
    current: Arc<Vec<u8>>,
    used: usize,
    /// Pieces that went by, as long as somebody else has them.
    lent: Vec<Arc<Vec<u8>>>,
    hashes: Hashes,
    blob_bytes: u64,
    tar_bytes: u64,
    tar_limit: u64,
    surplus_bytes: Option<u64>,
    tar_ended: bool,
    stop: Option<Stop>,
    interrupt: &'a Interrupt,
    progress: &'a dyn Fn(u64),
}

impl<'a> TarStream<'a> {
    /// Begins to decompress `layer` in a thread of `scope`.
    pub(super) fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        layer: &'env LayerBlob<'env>,
        compression: Compression,
        (purpose, tar_limit): (Purpose, u64),
        interrupt: &'a Interrupt,
        progress: &'a dyn Fn(u64),
    ) -> TarStream<'a> {
        let (to, messages) = channel();
        let (spare_blob, blob_buffers) = channel();
        let (spare_tar, tar_buffers) = channel();
        for _ in 0..BUFFERS {
            // The other end is at hand.
            let _ = (spare_blob.send(Buffer::default()), spare_tar.send(Vec::new()));
        }
        let refused = to.clone();
        let work = move || produce(layer, compression, &to, &blob_buffers, &tar_buffers);
        if let Err(error) = Builder::new().spawn_scoped(scope, work) {
            // The layer was not looked at: a gap, and no word about its bytes.
            let _ = refused.send(Message::Failed(error));
        }
        let hash = purpose == Purpose::Hash;
        TarStream {
            messages,
            spare_blob,
            spare_tar,
            current: Arc::default(),
            used: 0,
            lent: Vec::new(),
            hashes: Hashes::new(hash.then_some(&layer.algorithm)),
            blob_bytes: 0,
            tar_bytes: 0,
            tar_limit,
            surplus_bytes: None,
            tar_ended: false,
            stop: None,
            interrupt,
            progress,
        }
    }

    /// Takes in the next message; false when the tar is at its end.
    fn next(&mut self) -> io::Result<bool> {
        match self.messages.recv() {
            Ok(Message::Plain) => self.hashes.set_plain(),
            Ok(Message::Blob(bytes)) => {
                self.blob_bytes += bytes.bytes().len() as u64;
                (self.progress)(bytes.bytes().len() as u64);
                if let Some(used) = self.hashes.blob(bytes) {
                    // When the other end is gone, it needs no buffers.
                    let _ = self.spare_blob.send(used);
                }
            }
            Ok(Message::Tar(bytes)) => {
                let full = std::mem::replace(&mut self.current, Arc::new(bytes));
                self.used = 0;
                let spare = self.spare(full);
                let _ = self.spare_tar.send(spare);
                self.tar_bytes += self.current.len() as u64;
                if let Some(used) = self.hashes.tar(&self.current) {
                    let _ = self.spare_blob.send(used);
                }
                if self.tar_bytes > self.tar_limit {
                    return Err(self.stop(Stop::TooLarge));
                }
            }
            Ok(Message::TarEnd(fault)) => {
                self.tar_ended = true;
                if let Some(fault) = fault {
                    self.hashes.forget_tar();
                    return Err(self.stop(Stop::Fault(fault)));
                }
            }
            Ok(Message::BlobEnd(surplus)) => self.surplus_bytes = Some(surplus),
            Ok(Message::Failed(error)) => return Err(self.stop(Stop::Read(error))),
            Err(_) => return Err(self.stop(Stop::Read(io::ErrorKind::BrokenPipe.into()))),
        }
        if self.interrupt.is_raised() {
            return Err(self.stop(Stop::Interrupted));
        }
        Ok(!self.tar_ended)
    }

    /// A buffer to be filled again, for a piece that went by: its own, unless somebody still has that.
    fn spare(&mut self, full: Arc<Vec<u8>>) -> Vec<u8> {
        self.lent.push(full);
        let free = self.lent.iter().position(|piece| Arc::strong_count(piece) == 1);
        free.and_then(|at| Arc::into_inner(self.lent.swap_remove(at))).unwrap_or_default()
    }

    /// The next `count` bytes, to be kept: no more than [`BufRead::fill_buf`] has just shown.
    pub(super) fn share(&self, count: usize) -> (Arc<Vec<u8>>, Range<usize>) {
        (Arc::clone(&self.current), self.used..self.used + count)
    }

    fn stop(&mut self, stop: Stop) -> io::Error {
        self.stop = Some(stop);
        io::Error::other("the layer's stream stopped")
    }

    /// Why a read failed, if one did.
    pub(super) fn take_stop(&mut self) -> Option<Stop> {
        self.stop.take()
    }

    /// Reads the blob to its end: what follows the archive's end is part of both digests. A fault of the compressed
    /// stream leaves the blob's.
    pub(super) fn finish(mut self) -> (Digests, Option<Stop>) {
        let mut fault = None;
        while self.surplus_bytes.is_none() {
            if self.next().is_err() {
                match self.stop.take() {
                    // The blob's bytes go on.
                    Some(Stop::Fault(found)) => fault = Some(Stop::Fault(found)),
                    other => return (self.digests(), other),
                }
            }
        }
        (self.digests(), fault)
    }

    /// Stops here.
    pub(super) fn abandon(self) -> (Digests, Option<Stop>) {
        (self.digests(), None)
    }

    fn digests(self) -> Digests {
        let read_all = self.surplus_bytes.is_some();
        let (blob, tar) = self.hashes.finish();
        Digests {
            blob: blob.filter(|_| read_all),
            blob_bytes: self.blob_bytes,
            diff_id: tar.filter(|_| self.tar_ended).map(DiffId),
            tar_bytes: self.tar_bytes,
            surplus_bytes: self.surplus_bytes.unwrap_or(0),
        }
    }
}

impl Read for TarStream<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(to)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for TarStream<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.used >= self.current.len() && !self.tar_ended {
            self.next()?;
        }
        Ok(self.current.get(self.used..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.used = self.current.len().min(self.used + count);
    }
}

/// The decompressing thread. It ends when nobody listens.
fn produce(
    layer: &LayerBlob<'_>,
    compression: Compression,
    to: &Sender<Message>,
    blob_buffers: &Receiver<Buffer>,
    tar_buffers: &Receiver<Vec<u8>>,
) {
    let source = Source::new(layer.blob, |used| {
        if !used.bytes().is_empty() {
            to.send(Message::Blob(used)).ok()?;
        }
        blob_buffers.recv().ok()
    });
    let send = |message| to.send(message).is_ok();
    match decompress(source, compression, tar_buffers, &send) {
        Ok(surplus) => send(Message::BlobEnd(surplus)),
        Err(error) => send(Message::Failed(error)),
    };
}

fn decompress(
    source: Source<'_>,
    compression: Compression,
    tar_buffers: &Receiver<Vec<u8>>,
    send: &dyn Fn(Message) -> bool,
) -> io::Result<u64> {
    let mut decompressor = Decompressor::new(source, compression)?;
    if decompressor.is_plain() {
        send(Message::Plain);
    }
    let fault = loop {
        let Ok(mut buffer) = tar_buffers.recv() else { return Err(io::ErrorKind::BrokenPipe.into()) };
        buffer.resize(CHUNK, 0);
        match decompressor.fill(&mut buffer) {
            Ok(0) => break None,
            Ok(count) => {
                buffer.truncate(count);
                if !send(Message::Tar(buffer)) {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
            }
            Err(StreamError::Fault(fault)) => break Some(fault),
            Err(StreamError::Io(error)) => return Err(error),
        }
    };
    send(Message::TarEnd(fault));
    decompressor.finish()
}
