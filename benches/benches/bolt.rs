//! The walk over a meta.db into records: every page checked, every value decoded.

use std::hint::black_box;
use std::io;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use testdata::builder::{META_DB, Scale};
use verifier_core::bolt::Database;
use verifier_core::metadata::MetadataVisitor;

const BLOBS: usize = 5_000;

fn walk(criterion: &mut Criterion) -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    Scale::Blobs.build(BLOBS)?.write(dir.path())?;
    let bytes = std::fs::read(dir.path().join(META_DB))?;
    let mut group = criterion.benchmark_group("bolt");
    group.throughput(Throughput::Elements(BLOBS as u64));
    group.bench_function("walk, blobs' records", |bencher| {
        bencher.iter(|| {
            let mut visitor = MetadataVisitor::default();
            let walk = Database::open(&bytes).map(|database| database.walk(&mut visitor));
            assert!(walk.is_ok_and(|walk| walk.faults.is_empty()));
            black_box(visitor.finish())
        });
    });
    group.finish();
    Ok(())
}

fn run(criterion: &mut Criterion) {
    let done = walk(criterion);
    assert!(done.is_ok(), "{done:?}");
}

criterion_group!(benches, run);
criterion_main!(benches);
