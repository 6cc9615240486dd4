//! SHA-256 of two messages side by side against sha2's, on one core: rates in GB per second of CPU time, and their ratio.
//!
//! `taskset -c 0 cargo run --release -p benches --example pair`
#![expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "measures; its input is its own"
)]

use std::hint::black_box;

use rustix::time::{ClockId, clock_gettime};
use sha2::Digest as _;
use verifier_core::digest::Sha256;

const MESSAGE_BYTES: usize = 256 << 10;
const ROUNDS: usize = 101;
const TURNS: usize = 40;

fn main() {
    let [a, b] =
        [7u8, 11].map(|seed| (0..MESSAGE_BYTES).map(|at| (at as u8).wrapping_mul(seed)).collect::<Vec<_>>());
    let gigabytes = (2 * TURNS * MESSAGE_BYTES) as f64 / 1e9;
    let mut ratios = Vec::new();
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        let alone = seconds(|| (sha2::Sha256::digest(&a).into(), sha2::Sha256::digest(&b).into()));
        let paired = seconds(|| {
            let (mut one, mut other) = (Sha256::default(), Sha256::default());
            one.update_two(&a, &mut other, &b);
            (one.finish(), other.finish())
        });
        ratios.push(alone / paired);
        rates[0].push(gigabytes / alone);
        rates[1].push(gigabytes / paired);
    }
    let [alone, paired] = rates.map(spread);
    println!("GB/s  lowest, median, highest of {ROUNDS} rounds");
    println!("sha2  {alone}\npair  {paired}\nratio {}", spread(ratios));
}

fn seconds(mut hash: impl FnMut() -> ([u8; 32], [u8; 32])) -> f64 {
    let start = cpu_seconds();
    for _ in 0..TURNS {
        black_box(hash());
    }
    cpu_seconds() - start
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    format!("{:.2} {:.2} {:.2}", values[0], values[values.len() / 2], values[values.len() - 1])
}
