//! A layer, described in a few lines and packed as a blob.

use std::io::{self, Write as _};

use super::digest::{sha256, sha512};
use super::time::Time;

/// One entry of a layer, and of the tree that it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path from the layer's root.
    pub path: String,
    /// What it is.
    pub node: Node,
    /// Permission bits.
    pub mode: u32,
    /// Seconds since 1970.
    pub mtime: i64,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A regular file with these bytes.
    File(Vec<u8>),
    /// A folder.
    Folder,
    /// A symbolic link to this target.
    Symlink(String),
    /// Another name of the entry with this path.
    HardLink(String),
    /// The path of a lower layer goes.
    Whiteout,
}

fn entry(path: &str, node: Node, mode: u32) -> Entry {
    Entry { path: path.into(), node, mode, mtime: Time::BUILT.seconds - 86_400 }
}

/// A regular file, 0644.
pub fn file(path: &str, bytes: impl AsRef<[u8]>) -> Entry {
    entry(path, Node::File(bytes.as_ref().into()), 0o644)
}

/// A folder, 0755.
#[must_use]
pub fn folder(path: &str) -> Entry {
    entry(path, Node::Folder, 0o755)
}

/// A symbolic link.
#[must_use]
pub fn symlink(path: &str, target: &str) -> Entry {
    entry(path, Node::Symlink(target.into()), 0o777)
}

/// Another name for `target`, a path from the layer's root.
#[must_use]
pub fn hard_link(path: &str, target: &str) -> Entry {
    entry(path, Node::HardLink(target.into()), 0o644)
}

/// The path of a lower layer goes.
#[must_use]
pub fn whiteout(path: &str) -> Entry {
    entry(path, Node::Whiteout, 0o644)
}

impl Entry {
    /// With these permission bits.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Entry {
        self.mode = mode;
        self
    }
}

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// With gzip, as most are.
    #[default]
    Gzip,
    /// With Zstandard.
    Zstd,
    /// Not at all.
    None,
}

/// A layer, not yet packed.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    /// Its entries, in the archive's order.
    pub entries: Vec<Entry>,
    /// How it is compressed.
    pub compression: Compression,
    /// Named by sha512 rather than sha256.
    pub sha512: bool,
}

impl Layer {
    /// A gzip layer with these entries.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Layer {
        Layer { entries: entries.into_iter().collect(), ..Layer::default() }
    }

    /// The same, compressed that way.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Layer {
        self.compression = compression;
        self
    }

    /// The same, named by sha512.
    #[must_use]
    pub fn sha512(mut self) -> Layer {
        self.sha512 = true;
        self
    }

    /// Packs it.
    ///
    /// # Errors
    /// A path that tar cannot hold.
    pub fn pack(self) -> io::Result<PackedLayer> {
        let tar = tar(&self.entries)?;
        let bytes = compress(&tar, self.compression)?;
        let digest = if self.sha512 { sha512(&bytes) } else { sha256(&bytes) };
        Ok(PackedLayer {
            diff_id: sha256(&tar),
            digest,
            bytes,
            compression: self.compression,
            entries: self.entries,
        })
    }
}

/// A layer as a blob.
#[derive(Debug, Clone)]
pub struct PackedLayer {
    /// The blob's digest.
    pub digest: String,
    /// The tar's digest.
    pub diff_id: String,
    /// The blob.
    pub bytes: Vec<u8>,
    /// How it is compressed.
    pub compression: Compression,
    /// What it holds.
    pub entries: Vec<Entry>,
}

fn compress(tar: &[u8], compression: Compression) -> io::Result<Vec<u8>> {
    match compression {
        Compression::None => Ok(tar.into()),
        Compression::Zstd => zstd::encode_all(tar, 3),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(tar)?;
            encoder.finish()
        }
    }
}

/// The archive. Owner and group are those of who builds, because nobody else's can be given to the unpacked files.
fn tar(entries: &[Entry]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(entry.mode);
        header.set_uid(rustix::process::geteuid().as_raw().into());
        header.set_gid(rustix::process::getegid().as_raw().into());
        header.set_mtime(entry.mtime.max(0).unsigned_abs());
        header.set_size(0);
        let path = entry.path.as_str();
        match &entry.node {
            Node::File(bytes) => {
                header.set_size(bytes.len() as u64);
                header.set_entry_type(tar::EntryType::Regular);
                archive.append_data(&mut header, path, bytes.as_slice())?;
            }
            Node::Folder => {
                header.set_entry_type(tar::EntryType::Directory);
                archive.append_data(&mut header, format!("{path}/"), io::empty())?;
            }
            Node::Symlink(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                archive.append_link(&mut header, path, target)?;
            }
            Node::HardLink(target) => {
                header.set_entry_type(tar::EntryType::Link);
                archive.append_link(&mut header, path, target)?;
            }
            Node::Whiteout => {
                header.set_entry_type(tar::EntryType::Regular);
                let name = match path.rsplit_once('/') {
                    Some((parent, name)) => format!("{parent}/.wh.{name}"),
                    None => format!(".wh.{path}"),
                };
                archive.append_data(&mut header, name, io::empty())?;
            }
        }
    }
    archive.into_inner()
}
