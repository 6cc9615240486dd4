//! Rehashing blobs: a few workers, each with two blobs in flight.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::work::worker_count;
use crate::content::BlobFile;
use crate::digest::{Digest, Feed, Hashed, Hasher, Message, hash_all};
use crate::event::{Event, Interrupt, Observer};
use crate::io::{File, Folder};

/// What came of rehashing each blob; one that the run was stopped before is not in it.
pub(crate) type Rehashed = BTreeMap<Digest, Hashed>;

/// Rehashes `blobs` below `root`, in the order they are given in, on `threads` threads (0: one for each processor).
pub(crate) fn rehash(
    root: &Folder,
    blobs: &[(Digest, u64)],
    threads: usize,
    observer: &dyn Observer,
    interrupt: &Interrupt,
) -> Rehashed {
    let queue = Queue { root, blobs, next: AtomicUsize::new(0), done: Mutex::default(), observer, interrupt };
    // Two blobs make one worker's load.
    let workers = worker_count(threads).min(blobs.len().div_ceil(2));
    std::thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(|| hash_all(&mut Worker(&queue)));
        }
        hash_all(&mut Worker(&queue));
    });
    queue.done.into_inner().unwrap_or_default()
}

struct Queue<'a> {
    root: &'a Folder,
    blobs: &'a [(Digest, u64)],
    next: AtomicUsize,
    done: Mutex<Rehashed>,
    observer: &'a dyn Observer,
    interrupt: &'a Interrupt,
}

struct Worker<'a>(&'a Queue<'a>);

impl<'a> Feed for Worker<'a> {
    type Job = &'a Digest;
    type Source = File;

    fn next(&mut self) -> Option<Message<&'a Digest, File>> {
        loop {
            if self.0.interrupt.is_raised() {
                return None;
            }
            let (digest, _) = self.0.blobs.get(self.0.next.fetch_add(1, Ordering::Relaxed))?;
            match self.open(digest) {
                Ok(message) => return Some(message),
                Err(error) => self.done(digest, Err(error)),
            }
        }
    }

    fn done(&mut self, digest: &'a Digest, hashed: Hashed) {
        // Almost all are right: then the name that is there already will do.
        let hashed = match hashed {
            Ok(Some((actual, bytes))) if actual == *digest => Ok(Some((digest.clone(), bytes))),
            other => other,
        };
        if let Ok(mut done) = self.0.done.lock() {
            done.insert(digest.clone(), hashed);
        }
    }

    fn progress(&mut self, bytes: u64) -> bool {
        self.0.observer.event(Event::Read { bytes });
        !self.0.interrupt.is_raised()
    }
}

impl<'a> Worker<'a> {
    fn open(&self, digest: &'a Digest) -> io::Result<Message<&'a Digest, File>> {
        let hasher = Hasher::new(digest.algorithm()).ok_or(io::ErrorKind::Unsupported)?;
        let source = self.0.root.file(BlobFile::path(digest))?;
        source.advise_sequential();
        Ok(Message { job: digest, source, hasher })
    }
}
