//! Hashing many messages, two in flight.
//!
//! ```text
//! feed ── next ──► lane 0: source ─ read ─► buffer ─┐
//!                                                   ├─ as many whole blocks of each ─► two hashers, side by side
//! feed ── next ──► lane 1: source ─ read ─► buffer ─┘
//!  ▲                  │
//!  └── done ──────────┘ at the end of its message, and the lane takes the next one
//! ```

use std::io;

use super::pair::{BLOCK_BYTES, Pairing};
use super::{Digest, Hasher};
use crate::io::{Buffer, ReadAt};

/// The buffers of [`hash_all`] that are fastest, in bytes: measured in benches/README.md, Reading.
pub const LANE_BYTES: usize = 1 << 20;

/// A message to hash.
pub struct Message<J, S> {
    /// What the caller knows it by.
    pub job: J,
    /// Where its bytes are.
    pub source: S,
    /// A hasher of the wanted algorithm that has taken in nothing yet.
    pub hasher: Hasher,
}

/// The digest of a message and its length in bytes as it was read, or `None` where hashing was stopped before its
/// end; the error where it could not be read.
pub type Hashed = io::Result<Option<(Digest, u64)>>;

/// Where one worker's messages come from, and their digests go.
pub trait Feed {
    /// What the caller knows a message by.
    type Job;
    /// Where a message's bytes are.
    type Source: ReadAt;

    /// The next message; `None` when there are none left, now. Called whenever a lane is free, so it must not wait:
    /// the other lane would wait too. Largest first keeps both lanes busy longest.
    fn next(&mut self) -> Option<Message<Self::Job, Self::Source>>;

    /// Called once for every message that `next` gave.
    fn done(&mut self, job: Self::Job, hashed: Hashed);

    /// Called after every step with the bytes that it hashed, of both lanes together (0 where a message only began or
    /// ended). Returns whether to go on.
    fn progress(&mut self, bytes: u64) -> bool;
}

/// Hashes every message of `feed`, in this thread. One that cannot be read fails alone.
///
/// Two SHA-256 in flight are hashed side by side. One of another algorithm takes its turn with the other lane.
/// Memory: two buffers of `lane_bytes`, which is rounded to whole blocks of 64 bytes, one at least.
pub fn hash_all<F: Feed>(lane_bytes: usize, feed: &mut F) {
    hash_all_by(Pairing::detect(), (lane_bytes / BLOCK_BYTES).max(1) * BLOCK_BYTES, feed);
}

fn hash_all_by<F: Feed>(pairing: Pairing, lane_bytes: usize, feed: &mut F) {
    let (mut a, mut b) = (Lane::new(), Lane::new());
    loop {
        let bytes = match (a.advance(feed, lane_bytes), b.advance(feed, lane_bytes)) {
            (State::Idle, State::Idle) => return,
            (State::Filled, State::Filled) => step_both(pairing, &mut a, &mut b),
            (State::Filled, State::Idle) => a.step_alone(),
            (State::Idle, State::Filled) => b.step_alone(),
            (State::Moved, _) | (_, State::Moved) => 0,
        };
        if !feed.progress(bytes as u64) {
            a.stop(feed);
            b.stop(feed);
            return;
        }
    }
}

/// What became of a lane.
enum State {
    /// It has bytes to hash.
    Filled,
    /// A message ended; more may follow.
    Moved,
    /// It has no message, nor is there another one.
    Idle,
}

struct Lane<J, S> {
    message: Option<Message<J, S>>,
    /// How much of the message was read into the buffer.
    read_bytes: u64,
    /// Whether that was all of it.
    at_end: bool,
    buffer: Buffer,
    /// What is in the buffer and not hashed yet. Whole blocks, but at the message's end.
    from: usize,
    to: usize,
}

impl<J, S: ReadAt> Lane<J, S> {
    fn new() -> Self {
        Lane { message: None, read_bytes: 0, at_end: false, buffer: Buffer::default(), from: 0, to: 0 }
    }

    /// Goes on to the next bytes where there are none to hash: from the message, or the next one.
    fn advance<F: Feed<Job = J, Source = S>>(&mut self, feed: &mut F, lane_bytes: usize) -> State {
        if self.from < self.to {
            return State::Filled;
        }
        let Some(message) = self.message.take().or_else(|| feed.next()) else {
            return State::Idle;
        };
        match self.fill(&message.source, lane_bytes) {
            Err(error) => feed.done(message.job, Err(error)),
            Ok(0) => feed.done(message.job, Ok(Some((message.hasher.finish(), self.read_bytes)))),
            Ok(_) => {
                self.message = Some(message);
                return State::Filled;
            }
        }
        self.read_bytes = 0;
        self.at_end = false;
        State::Moved
    }

    /// Reads the next bytes of the message, a whole buffer where there is so much. Nothing means it has ended.
    fn fill(&mut self, source: &S, lane_bytes: usize) -> io::Result<usize> {
        let len = if self.at_end { 0 } else { lane_bytes };
        let count = self.buffer.read(source, self.read_bytes, len)?.len();
        self.at_end = count < lane_bytes;
        self.read_bytes += count as u64;
        (self.from, self.to) = (0, count);
        Ok(count)
    }

    /// The hasher, and the next `count` bytes for it.
    fn take(&mut self, count: usize) -> Option<(&mut Hasher, &[u8])> {
        let bytes = self.buffer.bytes().get(self.from..self.to)?.get(..count)?;
        self.from += count;
        Some((&mut self.message.as_mut()?.hasher, bytes))
    }

    fn step_alone(&mut self) -> usize {
        let count = self.to - self.from;
        if let Some((hasher, bytes)) = self.take(count) {
            hasher.update(bytes);
        }
        count
    }

    fn stop<F: Feed<Job = J, Source = S>>(&mut self, feed: &mut F) {
        if let Some(message) = self.message.take() {
            feed.done(message.job, Ok(None));
        }
    }
}

/// Hashes as much of both lanes as the one with less has. The other keeps whole blocks.
fn step_both<J, S: ReadAt>(pairing: Pairing, a: &mut Lane<J, S>, b: &mut Lane<J, S>) -> usize {
    let (shorter, longer) = if a.to - a.from <= b.to - b.from { (a, b) } else { (b, a) };
    let count = shorter.to - shorter.from;
    let whole = count - count % BLOCK_BYTES;
    if let (Some((hasher, bytes)), Some((other, other_bytes))) = (shorter.take(count), longer.take(whole)) {
        Hasher::update_by(pairing, [hasher, other], [bytes, other_bytes]);
    }
    count + whole
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use proptest::prelude::*;
    use sha2::Digest as _;

    use super::*;
    use crate::digest::Algorithm;

    /// Bytes that come at most `at_once` at a time, every second read interrupted, and not at all from `broken_at` on.
    #[derive(Debug)]
    struct Disk {
        algorithm: Algorithm,
        bytes: Vec<u8>,
        at_once: usize,
        broken_at: Option<u64>,
        interrupt: AtomicBool,
    }

    impl ReadAt for &Disk {
        fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
            if self.interrupt.fetch_not(Ordering::Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if self.broken_at.is_some_and(|broken_at| offset >= broken_at) {
                return Err(io::Error::other("broken"));
            }
            let most = buf.len().min(self.at_once);
            self.bytes.read_at(&mut buf[..most], offset)
        }

        fn len(&self) -> io::Result<u64> {
            unreachable!("a length read before the bytes proves nothing")
        }
    }

    impl Disk {
        /// What sha2 says, where every byte can be read, and that there are no more.
        fn expected(&self) -> Option<(String, u64)> {
            let encoded = match self.algorithm {
                Algorithm::Sha384 => hex::encode(sha2::Sha384::digest(&self.bytes)),
                Algorithm::Sha512 => hex::encode(sha2::Sha512::digest(&self.bytes)),
                _ => hex::encode(sha2::Sha256::digest(&self.bytes)),
            };
            self.broken_at.is_none().then_some((encoded, self.bytes.len() as u64))
        }
    }

    /// Gives `disks` in turn, and stops at a step.
    struct Recorder<'a> {
        disks: &'a [Disk],
        given: usize,
        hashed: Vec<Option<Hashed>>,
        steps_left: usize,
        progress_bytes: u64,
    }

    impl<'a> Feed for Recorder<'a> {
        type Job = usize;
        type Source = &'a Disk;

        fn next(&mut self) -> Option<Message<usize, &'a Disk>> {
            let (job, source) = (self.given, self.disks.get(self.given)?);
            self.given += 1;
            Some(Message { job, source, hasher: Hasher::new(&source.algorithm).unwrap() })
        }

        fn done(&mut self, job: usize, hashed: Hashed) {
            assert!(self.hashed[job].replace(hashed).is_none(), "job {job} was done twice");
        }

        fn progress(&mut self, bytes: u64) -> bool {
            self.progress_bytes += bytes;
            self.steps_left = self.steps_left.saturating_sub(1);
            self.steps_left > 0
        }
    }

    fn run(pairing: Pairing, lane_bytes: usize, steps: usize, disks: &[Disk]) -> Recorder<'_> {
        let hashed = disks.iter().map(|_| None).collect();
        let mut feed = Recorder { disks, given: 0, hashed, steps_left: steps, progress_bytes: 0 };
        hash_all_by(pairing, lane_bytes, &mut feed);
        feed
    }

    fn disk() -> impl Strategy<Value = Disk> {
        let algorithm = prop_oneof![
            8 => Just(Algorithm::Sha256),
            1 => Just(Algorithm::Sha384),
            1 => Just(Algorithm::Sha512),
        ];
        let bytes = prop_oneof![
            3 => prop::collection::vec(any::<u8>(), 0..200),
            1 => prop::collection::vec(any::<u8>(), 0..5000),
            // About the ends of blocks and of lanes.
            1 => (0..40usize, 0..3usize, any::<u8>()).prop_map(|(k, d, byte)| vec![byte; (k * 64 + d).saturating_sub(1)]),
        ];
        let broken_at = prop::option::weighted(0.2, 0..5000u64);
        (algorithm, bytes, 1..300usize, broken_at, any::<bool>()).prop_map(
            |(algorithm, bytes, at_once, broken_at, interrupt)| Disk {
                algorithm,
                broken_at: broken_at.filter(|at| *at <= bytes.len() as u64),
                bytes,
                at_once,
                interrupt: interrupt.into(),
            },
        )
    }

    fn lane_bytes() -> impl Strategy<Value = usize> {
        (1..20usize).prop_map(|blocks| blocks * BLOCK_BYTES)
    }

    proptest! {
        #[test]
        fn every_message_gets_its_own_digest(
            disks in prop::collection::vec(disk(), 0..12),
            lane_bytes in lane_bytes(),
        ) {
            for pairing in Pairing::all() {
                let feed = run(pairing, lane_bytes, usize::MAX, &disks);
                let mut bytes_hashed = 0;
                for (disk, hashed) in disks.iter().zip(feed.hashed) {
                    let hashed = hashed.expect("every job is done");
                    match disk.expected() {
                        None => prop_assert_eq!(hashed.unwrap_err().kind(), io::ErrorKind::Other),
                        Some((encoded, bytes)) => {
                            let (digest, read_bytes) = hashed.unwrap().unwrap();
                            prop_assert_eq!(digest.algorithm(), &disk.algorithm);
                            prop_assert_eq!((digest.encoded(), read_bytes), (encoded.clone(), bytes));
                            bytes_hashed += bytes;
                        }
                    }
                }
                let broken = disks.iter().filter(|disk| disk.broken_at.is_some());
                let partly: u64 = broken.map(|disk| disk.bytes.len() as u64).sum();
                prop_assert!((bytes_hashed..=bytes_hashed + partly).contains(&feed.progress_bytes));
            }
        }

        #[test]
        fn stopped_at_any_step_every_message_is_given_back(
            disks in prop::collection::vec(disk(), 0..12),
            lane_bytes in lane_bytes(),
            steps in 1..40usize,
        ) {
            let feed = run(Pairing::detect(), lane_bytes, steps, &disks);
            let stopped = feed.hashed.iter().flatten().filter(|hashed| matches!(hashed, Ok(None))).count();
            prop_assert!(stopped <= 2);
            for (at, (disk, hashed)) in disks.iter().zip(&feed.hashed).enumerate() {
                prop_assert_eq!(hashed.is_some(), at < feed.given);
                if let Some(Ok(Some((digest, _)))) = hashed {
                    prop_assert_eq!(digest.encoded(), disk.expected().unwrap().0);
                }
            }
        }
    }
}
