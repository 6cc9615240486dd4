//! A layer against its tree, by how it is compressed; and the model alone: entries parsed and applied.

use std::hint::black_box;
use std::io::{self, Write as _};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use testdata::layers::{Entry, Layer};
use verifier_core::Interrupt;
use verifier_core::compare::{CompareOptions, LayerBlob, LayerComparison, compare_layer};
use verifier_core::digest::Algorithm;
use verifier_core::io::{Folder, Gate};
use verifier_core::layer::Flavour;
use verifier_core::layer::tar::{Header, Reader};
use verifier_core::layer::tree::{Rules, Tree};

const FILES: usize = 2000;

fn compare(criterion: &mut Criterion) -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    let tar = benches::layer(dir.path(), FILES)?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&tar)?;
    let blobs = [
        ("gzip", "application/vnd.oci.image.layer.v1.tar+gzip", gzip.finish()?),
        ("zstd", "application/vnd.oci.image.layer.v1.tar+zstd", zstd::encode_all(tar.as_slice(), 3)?),
        ("plain", "application/vnd.oci.image.layer.v1.tar", tar.clone()),
    ];
    let tree = Folder::open_root(dir.path(), Gate::default())?;
    let mut group = criterion.benchmark_group("layer");
    group.sample_size(20).throughput(Throughput::Bytes(tar.len() as u64));
    for (name, media_type, blob) in &blobs {
        group.bench_function(BenchmarkId::new("compare", name), |bencher| {
            bencher.iter(|| {
                let layers = [LayerBlob { blob, media_type, algorithm: Algorithm::Sha256 }];
                let (flavour, options) = (Flavour::OverlayFirst, CompareOptions::default().ignore_owners());
                let request = LayerComparison { layers: &layers, tree: &tree, flavour, lowers: &[], options };
                let report = compare_layer(&request, &Interrupt::default(), &|_| {});
                assert!(report.is_ok_and(|report| report.is_same()), "the tree is what the layer makes");
            });
        });
    }
    group.finish();
    Ok(())
}

fn model(criterion: &mut Criterion) {
    let mut layer = Layer::new();
    for number in 0..20_000 {
        layer.add(&Entry::file(format!("usr/share/package-{}/file-{number}", number / 50), b""));
    }
    let tar = layer.finish();
    let mut group = criterion.benchmark_group("model");
    group.throughput(Throughput::Elements(20_000));
    group.bench_function("apply", |bencher| {
        bencher.iter(|| {
            let mut tree = Tree::new(Rules { overlay: true, user_namespace: false }, 1 << 20, 1 << 26);
            let (mut reader, mut header) = (Reader::new(black_box(tar.as_slice())), Header::default());
            while matches!(reader.next(&mut header), Ok(true)) {
                assert!(tree.apply(&header).is_ok(), "a plain tree");
            }
            tree
        });
    });
    group.finish();
}

fn all(criterion: &mut Criterion) {
    let compared = compare(criterion);
    assert!(compared.is_ok(), "{compared:?}");
    model(criterion);
}

criterion_group!(benches, all);
criterion_main!(benches);
