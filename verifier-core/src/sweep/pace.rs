//! Reading without being felt: a limit on the rate, pauses while others wait for the disk, and a page cache left as it was.
//!
//! All reads of a store pass one [`Pace`], whatever thread they are from. The class of I/O and the nice value are the
//! caller's: a systemd unit's, `ionice`'s.

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, ReadWriteFlags};

use crate::Interrupt;
use crate::io::{Gate, Op, Reader};

/// How gently to read.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PaceOptions {
    /// Bytes in a second; 0: no limit.
    pub bytes_per_second: u64,
    /// Pause while other processes wait for I/O (`/proc/pressure/io`).
    pub yield_to_pressure: bool,
    /// Read what is in the page cache from the disk all the same.
    pub from_disk: bool,
}

/// One pace for all threads.
#[derive(Debug)]
pub struct Pace {
    options: PaceOptions,
    interrupt: Interrupt,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bucket: Bucket,
    /// When to look at the pressure again.
    look: Instant,
}

/// Read at once at most. Whether it was cached is asked for each piece.
const PIECE_BYTES: usize = 256 << 10;
/// What opening a file or listing a folder is taken to read, and what asking for an inode is.
const OPEN_BYTES: u64 = 4096;
const INODE_BYTES: u64 = 512;
/// How long to work before the pressure is looked at, and how long that takes. Nothing is read meanwhile: what is seen is
/// what others wait for, not what we do.
const WORK: Duration = Duration::from_secs(1);
const SAMPLE: Duration = Duration::from_millis(50);
/// Others wait when they do for more than one part in so many of the sample.
const WAITING_PARTS: u32 = 5;
/// Longest pause. Then some more is read, however much others wait: a sweep must come to its end.
const PAUSE: Duration = Duration::from_secs(20);

impl Pace {
    /// A pace that stops waiting when `interrupt` is raised.
    #[must_use]
    pub fn new(options: PaceOptions, interrupt: Interrupt) -> Arc<Pace> {
        let bucket = Bucket { free: Instant::now(), rate: options.bytes_per_second };
        let state = Mutex::new(State { bucket, look: Instant::now() + WORK });
        Arc::new(Pace { options, interrupt, state })
    }

    /// A gate through which everything is read at this pace.
    #[must_use]
    pub fn gate(self: &Arc<Self>) -> Gate {
        let pace = Arc::clone(self);
        let gate = Gate::new(move |op, _| {
            match op {
                Op::Open | Op::List => pace.pay(OPEN_BYTES),
                Op::Stat | Op::Xattr => pace.pay(INODE_BYTES),
                Op::Read => {}
            }
            Ok(())
        });
        gate.reading_with(Arc::clone(self) as Arc<dyn Reader>)
    }

    /// Waits until `bytes` more may be read. Whoever waits has the lock: the others wait behind.
    fn pay(&self, bytes: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.options.yield_to_pressure && Instant::now() >= state.look {
            self.yield_to_others();
            state.look = Instant::now() + WORK;
        }
        let until = state.bucket.take(bytes, Instant::now());
        self.sleep_until(until, state);
    }

    fn yield_to_others(&self) {
        let end = Instant::now() + PAUSE;
        let mut pause = SAMPLE;
        while !self.interrupt.is_raised() && Instant::now() < end && self.others_wait() {
            self.sleep(pause);
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Whether other processes wait for I/O at the moment; no, where the kernel does not tell.
    fn others_wait(&self) -> bool {
        let Some(before) = stalled() else { return false };
        let start = Instant::now();
        self.sleep(SAMPLE);
        let Some(after) = stalled() else { return false };
        after.saturating_sub(before) * WAITING_PARTS > start.elapsed()
    }

    fn sleep_until(&self, until: Instant, state: MutexGuard<'_, State>) {
        // Short waits are left to add up.
        if let Some(wait) = until.checked_duration_since(Instant::now()).filter(|wait| wait.as_millis() > 2) {
            self.sleep(wait);
        }
        drop(state);
    }

    fn sleep(&self, mut wait: Duration) {
        const SLICE: Duration = Duration::from_millis(50);
        while !wait.is_zero() && !self.interrupt.is_raised() {
            std::thread::sleep(wait.min(SLICE));
            wait = wait.saturating_sub(SLICE);
        }
    }
}

/// How long tasks have waited for I/O since the machine came up (`/proc/pressure/io`, `some … total=<microseconds>`).
fn stalled() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/pressure/io").ok()?;
    let some = text.lines().find(|line| line.starts_with("some "))?;
    let micros = some.split("total=").nth(1)?.trim().parse().ok()?;
    Some(Duration::from_micros(micros))
}

impl Reader for Pace {
    fn opened(&self, file: &File) {
        // No read-ahead: it would bring in what was not asked for, and nobody would know that it was not there before.
        let _ = fadvise(file, 0, None, Advice::Random);
    }

    fn read(&self, file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let length = buf.len().min(PIECE_BYTES);
        let Some(piece) = buf.get_mut(..length) else { return Ok(0) };
        let count = self.read_piece(file, piece, offset)?;
        self.pay(count as u64);
        Ok(count)
    }
}

impl Pace {
    /// Reads what is cached, then the rest from the disk, and drops that from the cache again.
    fn read_piece(&self, file: &File, piece: &mut [u8], offset: u64) -> io::Result<usize> {
        let cached = match cached(file, piece, offset) {
            Ok(count) => count,
            Err(Errno::AGAIN) => 0,
            // This file system cannot tell: what is brought in stays.
            Err(_) => return std::os::unix::fs::FileExt::read_at(file, piece, offset),
        };
        if self.options.from_disk && cached > 0 {
            // It stays in the cache afterwards, as it was.
            drop_cached(file, offset, cached);
            let piece = piece.get_mut(..cached).ok_or(io::ErrorKind::InvalidInput)?;
            return std::os::unix::fs::FileExt::read_at(file, piece, offset);
        }
        let at = offset.saturating_add(cached as u64);
        let rest = match piece.get_mut(cached..) {
            Some(rest) if !rest.is_empty() => rest,
            _ => return Ok(cached),
        };
        let read = match std::os::unix::fs::FileExt::read_at(file, rest, at) {
            Ok(read) => read,
            // The next call meets it again.
            Err(_) if cached > 0 => return Ok(cached),
            Err(error) => return Err(error),
        };
        drop_cached(file, at, read);
        Ok(cached + read)
    }
}

/// Reads as far as it goes without the disk.
fn cached(file: &File, piece: &mut [u8], offset: u64) -> Result<usize, Errno> {
    rustix::io::preadv2(file, &mut [io::IoSliceMut::new(piece)], offset, ReadWriteFlags::NOWAIT)
}

fn drop_cached(file: &File, offset: u64, length: usize) {
    if let Some(length) = std::num::NonZeroU64::new(length as u64) {
        let _ = fadvise(file, offset, Some(length), Advice::DontNeed);
    }
}

/// A token bucket of no depth: what was read is paid for in time before the next read.
#[derive(Debug)]
struct Bucket {
    /// When all that was read so far is paid for.
    free: Instant,
    /// Bytes in a second; 0: no limit.
    rate: u64,
}

impl Bucket {
    /// Takes `bytes`, and tells when to go on.
    fn take(&mut self, bytes: u64, now: Instant) -> Instant {
        // A rate of 0 is no limit.
        let nanoseconds = (u128::from(bytes) * 1_000_000_000).checked_div(u128::from(self.rate));
        let cost = Duration::from_nanos(u64::try_from(nanoseconds.unwrap_or(0)).unwrap_or(u64::MAX));
        // Time in which nothing was read is lost, and makes no burst later.
        self.free = self.free.max(now).checked_add(cost).unwrap_or(now);
        self.free
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_rate_is_kept_and_idle_time_is_not_saved_up() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut bucket = Bucket { free: start, rate: 1000 };
        assert_eq!(bucket.take(500, start), start + second / 2);
        assert_eq!(bucket.take(500, start), start + second);
        assert_eq!(bucket.take(1000, start + second * 10), start + second * 11);
        let mut bucket = Bucket { free: start, rate: 0 };
        assert_eq!(bucket.take(u64::MAX, start), start);
    }

    /// Whether each page of the file is in the cache, by `fincore`'s count of pages.
    fn pages_cached(path: &std::path::Path) -> u64 {
        let output = std::process::Command::new("fincore")
            .args(["-n", "-r", "-o", "PAGES"])
            .arg(path)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }

    fn read_all(pace: &Arc<Pace>, path: &std::path::Path) -> Vec<u8> {
        let file = File::open(path).unwrap();
        pace.opened(&file);
        let (mut bytes, mut buffer) = (Vec::new(), vec![0; 1 << 20]);
        loop {
            match pace.read(&file, &mut buffer, bytes.len() as u64).unwrap() {
                0 => return bytes,
                count => bytes.extend_from_slice(&buffer[..count]),
            }
        }
    }

    #[test]
    fn the_cache_is_left_as_it_was() {
        let mut temporary = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..4_000_123_u32).map(|at| (at % 251) as u8).collect();
        temporary.write_all(&bytes).unwrap();
        temporary.as_file().sync_all().unwrap();
        let (file, path) = (File::open(temporary.path()).unwrap(), temporary.path());
        drop_cached(&file, 0, bytes.len() + 4096);
        if pages_cached(path) > 0 {
            eprintln!("skipped: this file system has no disk to drop its pages to");
            return;
        }
        let pace =
            |from_disk| Pace::new(PaceOptions { from_disk, ..Default::default() }, Interrupt::default());
        for from_disk in [false, true] {
            assert_eq!(read_all(&pace(from_disk), path), bytes);
            assert_eq!(pages_cached(path), 0, "what was brought in is gone");
        }
        // A megabyte from somewhere in the middle is what the workload uses.
        let mut hot = vec![0; 1 << 20];
        fadvise(&file, 0, None, Advice::Random).unwrap();
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut hot, 1 << 20).unwrap();
        let before = pages_cached(path);
        assert!(before >= 256, "{before}");
        for from_disk in [false, true] {
            assert_eq!(read_all(&pace(from_disk), path), bytes);
            assert_eq!(pages_cached(path), before, "what was there is there, from_disk {from_disk}");
        }
    }

    #[test]
    fn an_interrupt_ends_every_wait() {
        let interrupt = Interrupt::default();
        interrupt.raise();
        let options = PaceOptions { bytes_per_second: 1, yield_to_pressure: true, from_disk: false };
        let pace = Pace::new(options, interrupt);
        pace.pay(1 << 40);
        pace.pay(1 << 40);
    }

    #[test]
    fn this_kernel_tells_its_pressure() {
        if std::path::Path::new("/proc/pressure/io").exists() {
            assert!(stalled().unwrap() <= stalled().unwrap());
        }
    }
}
