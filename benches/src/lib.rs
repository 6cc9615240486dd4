//! What the benches and the side-by-side runs measure with: the same bytes every time.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use testdata::layers::{Entry, Layer};

/// Text that packs about as well as a distribution's files: words of a small vocabulary.
#[must_use]
pub fn text(seed: usize, bytes: usize) -> Vec<u8> {
    let mut state = seed as u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 40
    };
    let mut text = Vec::with_capacity(bytes + 16);
    while text.len() < bytes {
        text.extend_from_slice(format!("{:x} ", next() % 5000).as_bytes());
    }
    text.truncate(bytes);
    text
}

/// Bytes that nothing packs. `seed` is not 0.
#[must_use]
pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise.truncate(bytes);
    noise
}

/// A tar of `files` files of up to 98 kB each, and in the folder `tree` what it makes when it is unpacked.
///
/// # Errors
/// What the system says.
pub fn layer(tree: &Path, files: usize) -> io::Result<Vec<u8>> {
    let (uid, gid) = (rustix::process::geteuid().as_raw().into(), rustix::process::getegid().as_raw().into());
    let mut layer = Layer::new();
    for number in 0..files {
        let name = format!("folder-{}/file-{number}", number / 50);
        let entry = Entry::file(&name, text(number, number % 50 * 2000)).owner(uid, gid);
        let path = tree.join(&name);
        std::fs::create_dir_all(path.parent().unwrap_or(tree))?;
        std::fs::write(&path, &entry.data)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(entry.mode))?;
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(entry.mtime.0.unsigned_abs());
        std::fs::File::options().write(true).open(&path)?.set_modified(time)?;
        layer.add(&entry);
    }
    Ok(layer.finish())
}
