//! Threads that compare small files while the archive is read on.
//!
//! ```text
//! the archive's reader ──batches──► comparers (as many as have something to do) ──what came of them──► the reader
//! ```
//!
//! A file's bytes come out of the page cache in less time than it takes to wake a thread, so files go from thread to thread
//! many at a time. Out of a disk they do not: then more threads come up, and the disk has several requests at once, in whose
//! order it sees to it itself.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, Scope};

use super::batch::Batch;
use super::files::Files;
use crate::Interrupt;
use crate::io::Folder;

/// Threads for each layer.
const THREADS_MAX: usize = 4;

/// Batches without a thread, to begin with: layers of a few files are many, and not worth one.
const ALONE: usize = 16;

/// Batches that may wait for a thread.
const WAITING_MAX: usize = 1;

/// The threads, and the batches on their way.
pub(super) struct Comparers<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    tree: &'env Folder,
    dev: u64,
    interrupt: &'env Interrupt,
    threads: usize,
    threads_max: usize,
    to: Sender<Batch>,
    queue: Arc<Mutex<Receiver<Batch>>>,
    done_to: Sender<Batch>,
    done: Receiver<Batch>,
    /// Batches so far.
    given: usize,
    /// Batches that were given to threads and have not come back.
    out: usize,
}

impl<'scope, 'env> Comparers<'scope, 'env> {
    /// None yet: each comes when there is something to do that the others are too busy for.
    pub(super) fn new(
        scope: &'scope Scope<'scope, 'env>,
        tree: &'env Folder,
        dev: u64,
        interrupt: &'env Interrupt,
    ) -> Comparers<'scope, 'env> {
        let (to, queue) = channel();
        let (done_to, done) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let (threads, threads_max, given, out) = (0, THREADS_MAX, 0, 0);
        Comparers { scope, tree, dev, interrupt, threads, threads_max, to, queue, done_to, done, given, out }
    }

    /// Whether any thread has come up.
    pub(super) fn is_any(&self) -> bool {
        self.threads > 0
    }

    /// Gives `batch` to a thread; gives it back if there is none.
    pub(super) fn give(&mut self, batch: Batch) -> Option<Batch> {
        self.given += 1;
        if self.given <= ALONE {
            return Some(batch);
        }
        let all_busy = self.out >= self.threads + WAITING_MAX.min(self.threads);
        if all_busy && self.threads < self.threads_max {
            self.begin();
        }
        if self.threads == 0 {
            return Some(batch);
        }
        self.out += 1;
        self.to.send(batch).err().map(|unsent| unsent.0)
    }

    /// A batch that has come back. Waits for one if the threads have enough to do.
    pub(super) fn take(&mut self) -> Option<Batch> {
        let enough = self.out >= self.threads_max + WAITING_MAX;
        if enough { self.wait() } else { self.done.try_recv().ok().inspect(|_| self.out -= 1) }
    }

    /// The next batch that comes back; none if all have.
    pub(super) fn wait(&mut self) -> Option<Batch> {
        if self.out == 0 {
            return None;
        }
        self.out -= 1;
        self.done.recv().ok()
    }

    fn begin(&mut self) {
        let mut files = Files::new(self.tree, self.dev, self.interrupt);
        let (interrupt, queue, done) = (self.interrupt, Arc::clone(&self.queue), self.done_to.clone());
        let work = move || {
            while let Some(batch) = next(&queue) {
                Lent { batch, done: &done }.batch.compare(&mut files, interrupt);
            }
        };
        match Builder::new().spawn_scoped(self.scope, work) {
            Ok(_) => self.threads += 1,
            // The system has no more: what there is must do.
            Err(_) => self.threads_max = self.threads,
        }
    }
}

/// A batch that goes back whatever becomes of its thread: somebody waits for it.
struct Lent<'a> {
    batch: Batch,
    done: &'a Sender<Batch>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        // Nobody waits any more when the archive turned out to be broken.
        let _ = self.done.send(std::mem::take(&mut self.batch));
    }
}

fn next(queue: &Mutex<Receiver<Batch>>) -> Option<Batch> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}
