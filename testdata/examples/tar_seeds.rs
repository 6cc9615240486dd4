//! Writes the seeds of the fuzz target `tar`: `cargo run -p testdata --example tar_seeds -- FOLDER`.
//! Each is a layer of the catalogue of rules, or one that containerd refuses, behind a byte that chooses how it is applied.

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).unwrap_or_default());
    let rules = testdata::layers::images().into_iter().flat_map(|image| image.layers);
    let refused = testdata::layers::refused().into_iter().map(|(_, tar)| tar);
    for (number, tar) in (0_u8..).zip(rules.chain(refused).filter(|tar| tar.len() < 16_000)) {
        std::fs::write(folder.join(format!("{number:02}")), [&[number % 8], tar.as_slice()].concat())?;
    }
    Ok(())
}
