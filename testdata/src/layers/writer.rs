//! Tar, byte by byte. Not the `tar` crate: most of what is written here it would refuse.

#![expect(clippy::indexing_slicing, reason = "a header's bytes, written at fixed places")]

use super::entry::{Dialect, Entry};

const BLOCK: usize = 512;

/// A layer's tar in the making.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    bytes: Vec<u8>,
}

impl Layer {
    /// An empty archive.
    pub fn new() -> Layer {
        Layer::default()
    }

    /// The archive of `entries`, with its end.
    pub fn of(entries: &[Entry]) -> Vec<u8> {
        let mut layer = Layer::new();
        for entry in entries {
            layer.add(entry);
        }
        layer.finish()
    }

    /// Adds an entry, with the extensions that its dialect needs for it.
    pub fn add(&mut self, entry: &Entry) -> &mut Layer {
        let mut records = entry.records.clone();
        match entry.dialect {
            Dialect::Pax => {
                if entry.name.len() > 100 {
                    records.push(("path".into(), entry.name.clone()));
                }
                if entry.link.len() > 100 {
                    records.push(("linkpath".into(), entry.link.clone()));
                }
                for (key, id) in [("uid", entry.uid), ("gid", entry.gid)] {
                    if !(0..=0o777_7777).contains(&id) {
                        records.push((key.into(), id.to_string().into_bytes()));
                    }
                }
                let (seconds, nanoseconds) = entry.mtime;
                if nanoseconds != 0 || !(0..=0o777_7777_7777).contains(&seconds) {
                    records.push(("mtime".into(), pax_time(seconds, nanoseconds).into_bytes()));
                }
            }
            Dialect::Gnu => {
                for (flag, text) in [(b'L', &entry.name), (b'K', &entry.link)] {
                    if text.len() > 100 {
                        self.special(flag, &[text.as_slice(), b"\0"].concat());
                    }
                }
            }
            Dialect::V7 => {}
        }
        let xattrs = entry.xattrs.iter().map(|(name, value)| (format!("SCHILY.xattr.{name}"), value.clone()));
        records.extend(xattrs);
        if !records.is_empty() {
            self.pax(&records);
        }
        self.header(entry);
        self.data(&entry.data)
    }

    /// Adds the header block alone.
    pub fn header(&mut self, entry: &Entry) -> &mut Layer {
        let mut block = [0; BLOCK];
        put(&mut block, 0, 100, &entry.name);
        put(&mut block, 157, 100, &entry.link);
        let base_256 = entry.dialect == Dialect::Gnu;
        put_number(&mut block, 100, 8, i64::from(entry.mode), base_256);
        put_number(&mut block, 108, 8, entry.uid, base_256);
        put_number(&mut block, 116, 8, entry.gid, base_256);
        let size = entry.size.unwrap_or(i64::try_from(entry.data.len()).unwrap_or(0));
        put_number(&mut block, 124, 12, size, base_256 || size < 0);
        put_number(&mut block, 136, 12, entry.mtime.0, base_256);
        block[156] = entry.flag;
        match entry.dialect {
            Dialect::Pax => put(&mut block, 257, 8, b"ustar\x0000"),
            Dialect::Gnu => put(&mut block, 257, 8, b"ustar  \0"),
            Dialect::V7 => {}
        }
        if entry.dialect != Dialect::V7 {
            put_number(&mut block, 329, 8, i64::from(entry.device.0), base_256);
            put_number(&mut block, 337, 8, i64::from(entry.device.1), base_256);
        }
        self.raw(&sealed(block))
    }

    /// Adds an `x` header with these records.
    pub fn pax(&mut self, records: &[(String, Vec<u8>)]) -> &mut Layer {
        self.special(b'x', &pax_records(records))
    }

    /// Adds a global header with these records, as an entry of that name.
    pub fn global(&mut self, name: &str, records: &[(String, Vec<u8>)]) -> &mut Layer {
        let entry = Entry::file(name, pax_records(records)).flag(b'g');
        self.header(&entry).data(&entry.data)
    }

    /// Adds a header of type `flag` (`x`, `L`, `K`) with this data.
    pub fn special(&mut self, flag: u8, data: &[u8]) -> &mut Layer {
        let dialect = if flag == b'x' { Dialect::Pax } else { Dialect::Gnu };
        let name = if flag == b'x' { "PaxHeaders/x" } else { "././@LongLink" };
        let entry = Entry::file(name, data).flag(flag).dialect(dialect);
        self.header(&entry).data(data)
    }

    /// Adds data, padded to a block.
    pub fn data(&mut self, data: &[u8]) -> &mut Layer {
        self.raw(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
        self
    }

    /// Adds bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Layer {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// What there is so far, without an end.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The archive, with its end.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 2 * BLOCK, 0);
        self.bytes
    }
}

fn pax_records(records: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut text = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + rest.to_string().len();
        if length.to_string().len() > rest.to_string().len() {
            length = rest + length.to_string().len();
        }
        text.extend(format!("{length} {key}=").into_bytes());
        text.extend_from_slice(value);
        text.push(b'\n');
    }
    text
}

fn pax_time(seconds: i64, nanoseconds: u32) -> String {
    if seconds < 0 && nanoseconds > 0 {
        return format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - nanoseconds);
    }
    format!("{seconds}.{nanoseconds:09}")
}

fn put(block: &mut [u8; BLOCK], at: usize, len: usize, bytes: &[u8]) {
    for (to, from) in block.iter_mut().skip(at).take(len).zip(bytes) {
        *to = *from;
    }
}

fn put_number(block: &mut [u8; BLOCK], at: usize, len: usize, value: i64, base_256: bool) {
    let octal = format!("{value:0width$o}", width = len - 1);
    if value >= 0 && octal.len() < len {
        put(block, at, len, octal.as_bytes());
    } else if base_256 {
        let mut bytes = [if value < 0 { 0xff } else { 0 }; 12];
        bytes[4..].copy_from_slice(&value.to_be_bytes());
        let tail = &mut bytes[12 - len..];
        tail[0] |= 0x80;
        put(block, at, len, tail);
    }
    // Otherwise a PAX record says it.
}

/// The block with its checksum.
fn sealed(mut block: [u8; BLOCK]) -> [u8; BLOCK] {
    put(&mut block, 148, 8, b"        ");
    let sum: u32 = block.iter().copied().map(u32::from).sum();
    put(&mut block, 148, 8, format!("{sum:06o}\0 ").as_bytes());
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_reader_reads_it() {
        let long = "d/".repeat(80) + "file";
        let bytes = Layer::of(&[
            Entry::file(&long, b"one").mtime(12, 500_000_000).xattr("user.a", b"v"),
            Entry::file(&long, b"two").dialect(Dialect::Gnu).owner(3_000_000, 1),
            Entry::symlink("s", "t"),
        ]);
        let mut archive = tar::Archive::new(bytes.as_slice());
        let found: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.path_bytes().into_owned(), entry.size(), entry.header().uid().unwrap())
            })
            .collect();
        let expected = [(long.clone(), 3, 0), (long, 3, 3_000_000), ("s".into(), 0, 0)];
        assert_eq!(found, expected.map(|(name, size, uid)| (name.into_bytes(), size, uid)));
    }
}
