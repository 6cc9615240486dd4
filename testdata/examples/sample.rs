//! Writes the sample store to the folder that is named: `cargo run -p testdata --features full --example sample -- DIR`.

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).ok_or(std::io::ErrorKind::InvalidInput)?;
    testdata::builder::sample()?.store.write(folder.as_ref())
}
