//! Compares a layer with the tree it was unpacked into: `layer BLOB TREE [MEDIA_TYPE]`. Prints what came of it, and the
//! clock's and the CPU's seconds and the most memory it took. `benches/side-by-side-layer` runs it beside other tools.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use verifier_core::Interrupt;
use verifier_core::compare::{CompareOptions, LayerBlob, LayerComparison, compare_layer};
use verifier_core::digest::Algorithm;
use verifier_core::io::{Folder, Gate};
use verifier_core::layer::Flavour;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [blob, tree, rest @ ..] = args.as_slice() else { return Err("layer BLOB TREE [MEDIA_TYPE]".into()) };
    let media_type = rest.first().map_or("application/vnd.oci.image.layer.v1.tar+gzip", String::as_str);
    let started = Instant::now();
    let (folder, name) = (Path::new(blob).parent(), Path::new(blob).file_name().ok_or("no file")?);
    let blob = Folder::open_root(folder.unwrap_or(Path::new("/")), Gate::default())?.file(name)?;
    let tree = Folder::open_root(Path::new(tree), Gate::default())?;
    let request = LayerComparison {
        layers: &[LayerBlob { blob: &blob, media_type, algorithm: Algorithm::Sha256 }],
        tree: &tree,
        flavour: Flavour::OverlayFirst,
        lowers: &[],
        options: CompareOptions::default(),
    };
    let report = compare_layer(&request, &Interrupt::default(), &|_| {})?;
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{} entries, {} bytes of tar, {} paths differ, {seconds:.3} s, {}",
        report.entries,
        report.tar_bytes,
        report.paths,
        std::fs::read_to_string("/proc/self/status")?
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .unwrap_or_default()
            .replace('\t', " ")
    );
    for difference in report.differences.iter().take(10) {
        println!("{} {}", difference.path.display(), difference.kind.name());
    }
    Ok(if report.is_same() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
