//! Random entries, from a seed: few names, so that they collide.

#![expect(clippy::indexing_slicing, reason = "indexes are drawn below the length")]

use super::entry::{Dialect, Entry};

/// An endless supply of entries. The same seed gives the same ones.
#[derive(Debug, Clone)]
pub struct Candidates(u64);

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

impl Candidates {
    /// The supply of a seed.
    pub fn new(seed: u64) -> Candidates {
        Candidates(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xd1b5_4a32_d192_ed03)
    }

    /// splitmix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % (limit.max(1) as u64)).unwrap_or(0)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn path(&mut self) -> String {
        let depth = self.pick(&[1, 1, 2, 2, 2, 3, 3, 4]);
        (0..depth).map(|_| self.pick(&NAMES)).collect::<Vec<_>>().join("/")
    }

    /// A path as a tar might write it.
    fn written(&mut self) -> String {
        let path = self.path();
        match self.below(12) {
            0 => format!("./{path}"),
            1 => format!("/{path}"),
            2 => format!("../{path}"),
            3 => path.replace('/', "//"),
            4 => format!("x/../{path}"),
            _ => path,
        }
    }

    fn target(&mut self) -> String {
        let path = self.path();
        match self.below(8) {
            0 => format!("/{path}"),
            1 => format!("../{path}"),
            2 => format!("../../{path}"),
            3 => "..".to_owned(),
            4 => format!("{path}/.."),
            5 => format!("./{path}/"),
            _ => path,
        }
    }

    /// The next entry. containerd may refuse it, depending on what came before.
    pub fn entry(&mut self) -> Entry {
        let name = self.written();
        let entry = match self.below(20) {
            0..=4 => {
                let length = self.pick(&[0, 1, 5, 511, 512, 513, 3000]);
                let byte = u8::try_from(self.below(256)).unwrap_or(0);
                Entry::file(name, vec![byte; length])
            }
            5..=9 => Entry::folder(format!("{name}/")),
            10..=12 => Entry::symlink(name, self.target()),
            13..=14 => Entry::hard_link(name, self.written()),
            15 => Entry::fifo(name),
            16 => Entry::char_device(name, 1, u32::try_from(self.below(300)).unwrap_or(0)),
            17 => Entry::opaque(&self.path()),
            _ => Entry::whiteout(&self.path()),
        };
        self.dress(entry)
    }

    fn dress(&mut self, mut entry: Entry) -> Entry {
        entry.mode = self.pick(&[0o644, 0o755, 0o700, 0o4755, 0o2755, 0o1777, 0o6711, 0]);
        entry.uid = self.pick(&[0, 0, 0, 1000, 70_000, -1]);
        entry.gid = self.pick(&[0, 0, 0, 50, 80_000, -1]);
        let seconds = i64::try_from(self.below(2_000_000_000)).unwrap_or(0);
        entry.mtime = (seconds, self.pick(&[0, 0, 1, 123_456_789, 999_999_999]));
        if self.below(30) == 0 {
            entry.mtime.0 = self.pick(&[-5, 5_000_000_000, 20_000_000_000]);
        }
        if self.below(5) == 0 {
            let key = self.pick(&["user.one", "user.two", "trusted.no", "security.capability"]);
            let value: &[u8] = match key {
                "security.capability" => b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
                _ => self.pick(&[&b"v"[..], b"", b"\0\xff"]),
            };
            let folder = entry.flag == b'5';
            if key != "security.capability" || (entry.flag == b'0' && !folder) {
                entry = entry.xattr(key, value);
            }
        }
        if entry.xattrs.is_empty() && entry.mtime.1 == 0 && self.below(4) == 0 {
            entry.dialect = Dialect::Gnu;
        }
        entry
    }
}
