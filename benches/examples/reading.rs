//! Two files read and hashed side by side, on this core: which buffer, and which hint to the kernel, is best.
//!
//! `cargo run --release -p benches --example reading -- FOLDER [MIB]` writes two files of MIB (512) there, removes
//! them at the end, and prints lowest, **median** and highest of the rounds. Warm, from the page cache: GB per second of
//! CPU time, which other work on the machine hardly changes. Cold, after the cache was told to drop the files: GB per
//! second by the clock. Then warm with buffers that begin some bytes behind a page's beginning.
#![expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "measures; its input is its own"
)]

use std::fs::File;
use std::hint::black_box;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use benches::{spread, write_noise};
use rustix::fs::{Advice, OFlags, fadvise};
use rustix::time::{ClockId, clock_gettime};
use verifier_core::digest::{LANE_BYTES, Sha256};

const WARM_ROUNDS: usize = 21;
const COLD_ROUNDS: usize = 5;
const BUFFERS_KIB: [usize; 5] = [128, 256, 512, 1024, 2048];
const OFFSETS: [usize; 8] = [0, 1, 8, 16, 31, 32, 64, 2048];
const PAGE_BYTES: usize = 4096;

fn main() -> io::Result<()> {
    let mut args = std::env::args_os().skip(1);
    let folder = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let mib = args.next().and_then(|mib| mib.to_str()?.parse().ok()).unwrap_or(512);
    let paths = ["containerd-fsck-reading-1", "containerd-fsck-reading-2"].map(|name| folder.join(name));
    let answer = paths
        .iter()
        .try_for_each(|path| write_noise(path, mib))
        .and_then(|()| measure(&paths, mib))
        .and_then(|()| measure_offsets(&paths, mib));
    for path in &paths {
        let _ = std::fs::remove_file(path);
    }
    answer
}

fn measure(paths: &[PathBuf; 2], mib: usize) -> io::Result<()> {
    let gigabytes = ((2 * mib) << 20) as f64 / 1e9;
    println!("| buffer | hint | read warm | + hash warm | of hash alone | read cold | CPU s/GB cold |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for kib in BUFFERS_KIB {
        for hint in [Hint::None, Hint::Sequential, Hint::Direct] {
            let [mut read, mut both, mut share] = [vec![], vec![], vec![]];
            for _ in 0..if hint == Hint::Direct { 0 } else { WARM_ROUNDS } {
                let alone = hash_memory(kib << 10, gigabytes);
                read.push(gigabytes / pass(paths, kib << 10, 0, hint, false)?.1);
                both.push(gigabytes / pass(paths, kib << 10, 0, hint, true)?.1);
                share.push(both[both.len() - 1] / alone);
            }
            let [mut cold, mut cpu] = [vec![], vec![]];
            for _ in 0..COLD_ROUNDS {
                drop_cache(paths)?;
                let (elapsed, cpu_time) = pass(paths, kib << 10, 0, hint, false)?;
                cold.push(gigabytes / elapsed);
                cpu.push(cpu_time / gigabytes);
            }
            let columns = [read, both, share, cold, cpu].map(spread).join(" | ");
            println!("| {kib} KiB | {hint:?} | {columns} |");
        }
    }
    Ok(())
}

fn measure_offsets(paths: &[PathBuf; 2], mib: usize) -> io::Result<()> {
    let gigabytes = ((2 * mib) << 20) as f64 / 1e9;
    println!("\n| bytes behind a page's beginning | read warm | + hash warm |\n| --- | --- | --- |");
    for offset in OFFSETS {
        let [mut read, mut both] = [vec![], vec![]];
        for _ in 0..WARM_ROUNDS {
            read.push(gigabytes / pass(paths, LANE_BYTES, offset, Hint::None, false)?.1);
            both.push(gigabytes / pass(paths, LANE_BYTES, offset, Hint::None, true)?.1);
        }
        println!("| {offset} | {} | {} |", spread(read), spread(both));
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hint {
    None,
    Sequential,
    Direct,
}

/// Reads both files, a buffer of each in turn, to buffers so far behind a page's beginning; returns the seconds it took, by the
/// clock and of the CPU.
fn pass(
    paths: &[PathBuf; 2],
    buffer_bytes: usize,
    behind: usize,
    hint: Hint,
    hash: bool,
) -> io::Result<(f64, f64)> {
    let mut files = Vec::new();
    for path in paths {
        let mut options = File::options();
        if hint == Hint::Direct {
            options.custom_flags(OFlags::DIRECT.bits().cast_signed());
        }
        let file = options.read(true).open(path)?;
        if hint == Hint::Sequential {
            fadvise(&file, 0, None, Advice::Sequential)?;
        }
        files.push(file);
    }
    let mut memory = vec![0; 2 * buffer_bytes + 2 * PAGE_BYTES];
    let start = memory.as_ptr().align_offset(PAGE_BYTES) + behind;
    let (a, b) = memory[start..start + 2 * buffer_bytes].split_at_mut(buffer_bytes);
    let (mut one, mut other) = (Sha256::default(), Sha256::default());
    let (clock, cpu) = (Instant::now(), cpu_time());
    let mut offset = 0;
    loop {
        let count_a = files[0].read_at(a, offset)?;
        let count_b = files[1].read_at(b, offset)?;
        if count_a == 0 && count_b == 0 {
            break;
        }
        if hash {
            one.update_two(&a[..count_a], &mut other, &b[..count_b]);
        }
        offset += buffer_bytes as u64;
    }
    black_box((one.finish(), other.finish()));
    Ok((clock.elapsed().as_secs_f64(), (cpu_time() - cpu).as_secs_f64()))
}

/// The rate of the hash alone, over as much memory of the size of a buffer.
fn hash_memory(buffer_bytes: usize, gigabytes: f64) -> f64 {
    let (a, b) = (vec![1; buffer_bytes], vec![2; buffer_bytes]);
    let (mut one, mut other) = (Sha256::default(), Sha256::default());
    let turns = (gigabytes * 1e9) as usize / buffer_bytes / 2;
    let cpu = cpu_time();
    for _ in 0..turns {
        one.update_two(&a, &mut other, &b);
    }
    black_box((one.finish(), other.finish()));
    gigabytes / (cpu_time() - cpu).as_secs_f64()
}

fn drop_cache(paths: &[PathBuf; 2]) -> io::Result<()> {
    for path in paths {
        fadvise(File::open(path)?, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.try_into().unwrap_or(0))
}
