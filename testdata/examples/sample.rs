//! Writes the sample store to a folder, damaged if a damage is named:
//! `cargo run -p testdata --example sample -- DIR [DAMAGE]`.

use std::io::{Error, ErrorKind, Result};
use std::path::PathBuf;

use testdata::{builder, damage};

fn main() -> Result<()> {
    let mut args = std::env::args_os().skip(1);
    let folder = args.next().map(PathBuf::from).ok_or(ErrorKind::InvalidInput)?;
    let Some(name) = args.next() else { return builder::sample()?.store.write(&folder) };
    let damage = damage::all().find(|damage| *damage.name == *name);
    let damage = damage.ok_or_else(|| Error::other("no such damage"))?;
    damage.apply(&folder).map(drop)
}
