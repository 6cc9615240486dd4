//! What the benches and the side-by-side runs measure with: the same bytes every time.

use std::fs::File;
use std::io::{self, Write as _};
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

/// A new file of `mib` MiB that nothing packs, on the disk when this returns.
///
/// # Errors
/// What the system says.
pub fn write_noise(path: &Path, mib: usize) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    for number in 1..=mib {
        file.write_all(&noise(number as u64, 1 << 20))?;
    }
    file.sync_all()
}

/// Lowest, **median** and highest, as a table has them.
#[must_use]
pub fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    match values.as_slice() {
        [] => "-".to_owned(),
        [one] => format!("{one:.2}"),
        [low, .., high] => {
            let median = values.get(values.len() / 2).unwrap_or(high);
            format!("{low:.2} **{median:.2}** {high:.2}")
        }
    }
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
        File::options().write(true).open(&path)?.set_modified(time)?;
        layer.add(&entry);
    }
    Ok(layer.finish())
}
