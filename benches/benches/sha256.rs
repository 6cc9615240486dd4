//! SHA-256: one message as sha2 does it, two side by side, and many of mixed lengths.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sha2::Digest as _;
use verifier_core::digest::{Algorithm, Digest, Feed, Hashed, Hasher, LANE_BYTES, Message, Sha256, hash_all};

fn kernel(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sha256");
    for bytes in [1 << 10, 16 << 10, 256 << 10] {
        let (a, b) = (vec![1; bytes], vec![2; bytes]);
        group.throughput(Throughput::Bytes(2 * bytes as u64));
        group.bench_function(BenchmarkId::new("sha2", bytes), |bencher| {
            bencher.iter(|| (sha2::Sha256::digest(black_box(&a)), sha2::Sha256::digest(black_box(&b))));
        });
        group.bench_function(BenchmarkId::new("pair", bytes), |bencher| {
            bencher.iter(|| {
                let (mut one, mut other) = (Sha256::default(), Sha256::default());
                one.update_two(black_box(&a), &mut other, black_box(&b));
                (one.finish(), other.finish())
            });
        });
    }
    group.finish();
}

/// A worker's share: largest first, lengths falling by a quarter each.
fn many(criterion: &mut Criterion) {
    let lengths = std::iter::successors(Some(8 << 20), |bytes| Some(bytes / 4 * 3)).take(40);
    let messages: Vec<Vec<u8>> = lengths.map(|bytes| vec![3; bytes]).collect();
    let total: usize = messages.iter().map(Vec::len).sum();
    let mut group = criterion.benchmark_group("sha256-many");
    group.sample_size(20).throughput(Throughput::Bytes(total as u64));
    group.bench_function("sha2", |bencher| {
        bencher.iter(|| messages.iter().map(sha2::Sha256::digest).collect::<Vec<_>>());
    });
    group.bench_function("hash_all", |bencher| {
        bencher.iter(|| {
            let mut feed = Memory { messages: messages.iter(), digests: Vec::new() };
            hash_all(LANE_BYTES, &mut feed);
            feed.digests
        });
    });
    group.finish();
}

struct Memory<'a> {
    messages: std::slice::Iter<'a, Vec<u8>>,
    digests: Vec<Digest>,
}

impl<'a> Feed for Memory<'a> {
    type Job = ();
    type Source = &'a [u8];

    fn next(&mut self) -> Option<Message<(), &'a [u8]>> {
        let source = self.messages.next()?;
        Some(Message { job: (), source, hasher: Hasher::new(&Algorithm::Sha256)? })
    }

    fn done(&mut self, (): (), hashed: Hashed) {
        self.digests.extend(hashed.ok().flatten().map(|(digest, _)| digest));
    }

    fn progress(&mut self, _: u64) -> bool {
        true
    }
}

criterion_group!(benches, kernel, many);
criterion_main!(benches);
