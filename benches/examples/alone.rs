//! `alone MIB`: the hash alone, of MIB in all, on all processors, two messages on each. Nothing is read: the same memory again and
//! again. `benches/side-by-side` runs the command beside it.

use std::hint::black_box;

use verifier_core::digest::{LANE_BYTES, Sha256};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mib: usize = std::env::args().nth(1).ok_or("alone MIB")?.parse()?;
    let processors = std::thread::available_parallelism()?.get();
    let steps = (mib << 20).div_ceil(2 * LANE_BYTES * processors);
    std::thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(|| hash(steps));
        }
    });
    Ok(())
}

fn hash(steps: usize) {
    let memory = [benches::noise(1, LANE_BYTES), benches::noise(2, LANE_BYTES)];
    let (mut one, mut other) = (Sha256::default(), Sha256::default());
    for _ in 0..steps {
        one.update_two(&memory[0], &mut other, &memory[1]);
    }
    black_box((one.finish(), other.finish()));
}
