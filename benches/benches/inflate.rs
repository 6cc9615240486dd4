//! What a layer's compressions cost to undo, alone.

use std::hint::black_box;
use std::io::{self, Write as _};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use verifier_core::layer::decompress::{Compression, Decompressor, Source};

const CHUNK: usize = 256 << 10;

fn inflate(criterion: &mut Criterion) -> io::Result<()> {
    let text = benches::text(1, 32 << 20);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&text)?;
    let blobs = [("gzip", gzip.finish()?), ("zstd", zstd::encode_all(text.as_slice(), 3)?)];
    let mut group = criterion.benchmark_group("inflate");
    group.sample_size(20).throughput(Throughput::Bytes(text.len() as u64));
    for (name, blob) in &blobs {
        let mut out = vec![0; CHUNK];
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                let source = Source::new(blob, Some);
                let Ok(mut decompressor) = Decompressor::new(source, Compression::Sniffed) else { return };
                let mut bytes = 0;
                while let Ok(count) = decompressor.fill(&mut out)
                    && count > 0
                {
                    bytes += count;
                }
                assert_eq!(black_box(bytes), text.len());
            });
        });
    }
    group.finish();
    Ok(())
}

fn run(criterion: &mut Criterion) {
    let done = inflate(criterion);
    assert!(done.is_ok(), "{done:?}");
}

criterion_group!(benches, run);
criterion_main!(benches);
