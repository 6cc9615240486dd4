//! Rehashing blobs: a few workers, each with two blobs in flight.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;

use super::work::worker_count;
use crate::Interrupt;
use crate::content::BlobFile;
use crate::digest::{Digest, Feed, Hashed, Hasher, LANE_BYTES, Message, hash_all};
use crate::event::{Event, Observer};
use crate::io::{File, Folder};

/// The most that the buffers of all workers take together, however many processors there are.
const LANES_BYTES_MAX: usize = 32 << 20;

/// What came of rehashing each blob; one that the run was stopped before is not in it.
pub(crate) type Rehashed<'a> = BTreeMap<&'a Digest, Rehash>;

/// What came of rehashing a blob. Almost all are right: that must not take the memory of a digest.
#[derive(Debug)]
pub(crate) enum Rehash {
    /// So many bytes, which hash to its name.
    Right { size_bytes: u64 },
    /// So many bytes, which hash to something else.
    Wrong { actual: Box<Digest>, size_bytes: u64 },
    /// The run was stopped before its end.
    Stopped,
    /// It could not be read.
    Failed(io::Error),
}

impl Rehash {
    /// The bytes of `digest` hash to `actual`.
    pub(crate) fn new(digest: &Digest, actual: Digest, size_bytes: u64) -> Self {
        if actual == *digest {
            Rehash::Right { size_bytes }
        } else {
            Rehash::Wrong { actual: Box::new(actual), size_bytes }
        }
    }
}

/// Rehashes `blobs` below `root`, in the order they are given in, on `threads` threads (0: one for each processor, 16 at most).
pub(crate) fn rehash<'a>(
    root: &Folder,
    blobs: &[&'a Digest],
    threads: usize,
    observer: &dyn Observer,
    interrupt: &Interrupt,
) -> Rehashed<'a> {
    let queue = Queue { root, blobs, next: AtomicUsize::new(0), done: Mutex::default(), observer, interrupt };
    // Two blobs make one worker's load.
    let workers = worker_count(threads).min(blobs.len().div_ceil(2));
    let lane_bytes = LANE_BYTES.min(LANES_BYTES_MAX / (2 * workers.max(1)));
    std::thread::scope(|scope| {
        for _ in 1..workers {
            // Where the system gives no more threads, those there are do it all: this one at least.
            let worker = || hash_all(lane_bytes, &mut Worker(&queue));
            if Builder::new().spawn_scoped(scope, worker).is_err() {
                break;
            }
        }
        hash_all(lane_bytes, &mut Worker(&queue));
    });
    queue.done.into_inner().unwrap_or_default()
}

struct Queue<'q, 'a> {
    root: &'q Folder,
    blobs: &'q [&'a Digest],
    next: AtomicUsize,
    done: Mutex<Rehashed<'a>>,
    observer: &'q dyn Observer,
    interrupt: &'q Interrupt,
}

struct Worker<'q, 'a>(&'q Queue<'q, 'a>);

impl<'a> Feed for Worker<'_, 'a> {
    type Job = &'a Digest;
    type Source = File;

    fn next(&mut self) -> Option<Message<&'a Digest, File>> {
        loop {
            if self.0.interrupt.is_raised() {
                return None;
            }
            let digest = *self.0.blobs.get(self.0.next.fetch_add(1, Ordering::Relaxed))?;
            match self.open(digest) {
                Ok(message) => return Some(message),
                Err(error) => self.done(digest, Err(error)),
            }
        }
    }

    fn done(&mut self, digest: &'a Digest, hashed: Hashed) {
        let rehash = match hashed {
            Ok(Some((actual, size_bytes))) => Rehash::new(digest, actual, size_bytes),
            Ok(None) => Rehash::Stopped,
            Err(error) => Rehash::Failed(error),
        };
        if let Ok(mut done) = self.0.done.lock() {
            done.insert(digest, rehash);
        }
    }

    fn progress(&mut self, bytes: u64) -> bool {
        self.0.observer.event(Event::Read { bytes });
        !self.0.interrupt.is_raised()
    }
}

impl<'a> Worker<'_, 'a> {
    fn open(&self, digest: &'a Digest) -> io::Result<Message<&'a Digest, File>> {
        let hasher = Hasher::new(digest.algorithm()).ok_or(io::ErrorKind::Unsupported)?;
        let source = self.0.root.file(BlobFile::path(digest))?;
        source.advise_sequential();
        Ok(Message { job: digest, source, hasher })
    }
}
