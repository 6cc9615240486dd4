//! Many jobs, a few threads, results in the jobs' order.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;

/// Runs `work` on each job, on at most `threads` threads (0: one for each processor, 16 at most), in the jobs' order of begin.
/// Plain threads and not a pool of futures or of stolen tasks: jobs are few and long, and each worker keeps buffers.
pub(super) fn run<J: Sync, R: Send>(jobs: &[J], threads: usize, work: impl Fn(&J) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(jobs.len()));
    let worker = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(index) else { break };
            let result = work(job);
            if let Ok(mut results) = results.lock() {
                results.push((index, result));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..worker_count(threads).min(jobs.len()) {
            // Where the system gives no more threads, those there are do it all: this one at least.
            if Builder::new().spawn_scoped(scope, worker).is_err() {
                break;
            }
        }
        worker();
    });
    let mut results = results.into_inner().unwrap_or_default();
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Workers that nobody asked for by number. More read no faster than disks do, and each layer in work takes a few MiB: a node of 100
/// images takes 50 MiB with 16, 70 with 32 (benches/README.md, Scale).
const WORKERS_MAX: usize = 16;

/// How many workers `threads` asks for: 0 means one for each processor, 16 at most.
pub(super) fn worker_count(threads: usize) -> usize {
    match threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX),
        some => some,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_are_in_the_jobs_order() {
        let jobs: Vec<usize> = (0..100).collect();
        for threads in [0, 1, 3, 200] {
            assert_eq!(
                super::run(&jobs, threads, |job| job * 2),
                (0..100).map(|job| job * 2).collect::<Vec<_>>()
            );
        }
        assert!(super::run(&[], 2, |job: &usize| *job).is_empty());
    }
}
