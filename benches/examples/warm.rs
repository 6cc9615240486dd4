//! What the hash can make of files in the page cache, on all processors at once: GB per second by the clock.
//!
//! `cargo run --release -p benches --example warm -- FOLDER [MIB]` writes two files of MIB (256) for each processor there, and
//! removes them at the end. In turn, lowest, **median** and highest of the rounds: the hash of a buffer again and again, the
//! hash of as much memory as the files have, the files read and not hashed, and the files read and hashed.
#![expect(clippy::indexing_slicing, reason = "measures; its input is its own")]

use std::fs::File;
use std::hint::black_box;
use std::io;
use std::path::PathBuf;
use std::sync::Barrier;
use std::time::Instant;

use benches::{spread, write_noise};
use verifier_core::digest::{LANE_BYTES, Sha256};
use verifier_core::io::Buffer;

const ROUNDS: usize = 11;

type Pair<T> = [T; 2];

fn main() -> io::Result<()> {
    let mut args = std::env::args_os().skip(1);
    let folder = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let mib = args.next().and_then(|mib| mib.to_str()?.parse().ok()).unwrap_or(256);
    let processors = std::thread::available_parallelism()?.get();
    let scratch = tempfile::tempdir_in(folder)?;
    let pairs: Vec<Pair<PathBuf>> = (0..processors)
        .map(|number| ["a", "b"].map(|name| scratch.path().join(format!("{number}-{name}"))))
        .collect();
    for path in pairs.iter().flatten() {
        write_noise(path, mib)?;
    }
    let memory: Vec<Pair<Vec<u8>>> =
        pairs.iter().map(|pair| pair.each_ref().map(|_| benches::noise(1, mib << 20))).collect();
    let gigabytes = ((2 * processors * mib) << 20) as f64 / 1e9;
    let mut rates: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        let seconds = [
            on_all(processors, |number| hash_memory(&memory[number], |_| 0..LANE_BYTES)),
            on_all(processors, |number| hash_memory(&memory[number], |at| at..at + LANE_BYTES)),
            on_all(processors, |number| read(&pairs[number], false)),
            on_all(processors, |number| read(&pairs[number], true)),
        ];
        for (rate, seconds) in rates.iter_mut().zip(seconds) {
            rate.push(gigabytes / seconds?);
        }
    }
    let names = ["hash of a buffer", "hash of memory", "read", "read + hash"];
    for (name, rates) in names.iter().zip(rates) {
        println!("| {name} | {} |", spread(rates));
    }
    Ok(())
}

/// The seconds that `work` takes on all processors at once.
fn on_all(processors: usize, work: impl Fn(usize) -> io::Result<()> + Sync) -> io::Result<f64> {
    let barrier = Barrier::new(processors + 1);
    std::thread::scope(|scope| {
        let begin = |number| {
            let (barrier, work) = (&barrier, &work);
            scope.spawn(move || {
                barrier.wait();
                work(number)
            })
        };
        let threads: Vec<_> = (0..processors).map(begin).collect();
        barrier.wait();
        let clock = Instant::now();
        for thread in threads {
            thread.join().map_err(|_| io::Error::other("a thread panicked"))??;
        }
        Ok(clock.elapsed().as_secs_f64())
    })
}

/// Hashes as many bytes as both have, those of `place` at each step.
fn hash_memory([a, b]: &Pair<Vec<u8>>, place: impl Fn(usize) -> std::ops::Range<usize>) -> io::Result<()> {
    let (mut one, mut other) = (Sha256::default(), Sha256::default());
    for at in (0..a.len()).step_by(LANE_BYTES) {
        one.update_two(&a[place(at)], &mut other, &b[place(at)]);
    }
    black_box((one.finish(), other.finish()));
    Ok(())
}

fn read(paths: &Pair<PathBuf>, hash: bool) -> io::Result<()> {
    let files = [File::open(&paths[0])?, File::open(&paths[1])?];
    let (mut a, mut b) = (Buffer::default(), Buffer::default());
    let (mut one, mut other) = (Sha256::default(), Sha256::default());
    let mut offset = 0;
    loop {
        let pair = [a.read(&files[0], offset, LANE_BYTES)?, b.read(&files[1], offset, LANE_BYTES)?];
        if pair.iter().all(|bytes| bytes.is_empty()) {
            break;
        }
        if hash {
            one.update_two(pair[0], &mut other, pair[1]);
        }
        offset += LANE_BYTES as u64;
    }
    black_box((one.finish(), other.finish()));
    Ok(())
}
