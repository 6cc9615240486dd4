//! A layer of the erofs snapshotter: an image of a read-only file system, of which the beginning is looked at.
//!
//! ```text
//! snapshots/<id>/layer.erofs            plugins/snapshots/erofs of containerd 2.1 to 2.3
//! bytes, little-endian, from 1024 on (fs/erofs/erofs_fs.h of Linux 6.18):
//!    0  u32  magic 0xe0f5e1e2
//!    4  u32  CRC-32C (seed all ones, not inverted at the end) of the superblock from 1024 to the end of its block, with this
//!            field zero; only if bit 0 of the next field is set
//!    8  u32  compatible features
//!   12  u8   log2 of the block size
//!   36  u32  blocks of the file system
//! ```
//!
//! A power cut leaves the file at its full length with nothing written: zeros, and no blocks (measured on ext4). So the length
//! alone says nothing.

use std::io;
use std::path::{Path, PathBuf};

use crate::finding::{ErofsFault, Usage};
use crate::io::{Folder, NotRegular, ReadAt, Stat, read_full_at};
use crate::time::Timestamp;

/// The snapshotter's name.
pub(crate) const EROFS: &str = "erofs";

const OFFSET: usize = 1024;
const MAGIC: u32 = 0xe0f5_e1e2;
const HAS_CHECKSUM: u32 = 1;
/// The superblock without its extensions.
const LEAST: usize = OFFSET + 128;
/// The block size of an image whose own word for it is none.
const USUAL_BITS: u8 = 12;

/// Where the folder of snapshot `id` is, below the snapshotter's.
pub(crate) fn erofs_folder(id: u64) -> PathBuf {
    Path::new("snapshots").join(id.to_string())
}

/// What is known of a committed layer's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErofsLayer {
    /// What is wrong with it by itself.
    pub fault: Option<ErofsFault>,
    /// What `stat` told of it, if it is a file.
    pub stat: Option<Stat>,
}

impl ErofsLayer {
    /// Looks at the layer in `folder`, which is the snapshot's own.
    ///
    /// # Errors
    /// What the system says, but for there being no such file.
    pub(crate) fn look(root: &Folder, folder: &Path) -> io::Result<ErofsLayer> {
        let file = match root.file(folder.join("layer.erofs")) {
            Ok(file) => file,
            Err(error) => return ErofsLayer::unopened(error),
        };
        let stat = *file.stat();
        Ok(ErofsLayer { fault: superblock_fault(&file, stat.size_bytes)?, stat: Some(stat) })
    }

    fn unopened(error: io::Error) -> io::Result<ErofsLayer> {
        let absent = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind());
        let fault = match NotRegular::of(&error) {
            Some(found) => ErofsFault::NotRegular { found },
            None if absent => ErofsFault::Missing,
            None => return Err(error),
        };
        Ok(ErofsLayer { fault: Some(fault), stat: None })
    }

    /// What is wrong with it, by itself or beside what was recorded when it was committed.
    #[must_use]
    pub fn fault(&self, recorded: Option<Usage>, committed: Option<Timestamp>) -> Option<ErofsFault> {
        let occupies_less = || {
            let (stat, recorded) = (self.stat?, recorded?);
            let size_bytes = stat.blocks_512.saturating_mul(512);
            // A copy has blocks of its own: it was made after the commit, and says so.
            let is_original = committed
                .is_some_and(|commit| stat.ctime.seconds <= commit.seconds.saturating_add(SLACK_SECONDS));
            (is_original && size_bytes < recorded.size_bytes)
                .then_some(ErofsFault::Occupies { size_bytes, recorded_bytes: recorded.size_bytes })
        };
        self.fault.or_else(occupies_less)
    }
}

/// The kernel's coarse clock and containerd's differ (see `usage`).
const SLACK_SECONDS: i64 = 60;

fn superblock_fault(file: &dyn ReadAt, size_bytes: u64) -> io::Result<Option<ErofsFault>> {
    if size_bytes == 0 {
        return Ok(Some(ErofsFault::Empty));
    }
    let mut bytes = vec![0; 1 << USUAL_BITS];
    let read = read_full_at(file, &mut bytes, 0)?;
    bytes.truncate(read);
    let short = |expected_bytes| Ok(Some(ErofsFault::Short { size_bytes, expected_bytes }));
    if bytes.len() < LEAST {
        return short(LEAST as u64);
    }
    let magic = word(&bytes, 0);
    if magic != MAGIC {
        return Ok(Some(ErofsFault::Magic { found: magic }));
    }
    let bits = bytes.get(OFFSET + 12).copied().filter(|bits| (9..=16).contains(bits)).unwrap_or(USUAL_BITS);
    if word(&bytes, 8) & HAS_CHECKSUM != 0 {
        let block = 1_usize << bits;
        let end = if block > OFFSET { block } else { OFFSET + block };
        let mut whole = vec![0; end];
        if read_full_at(file, &mut whole, 0)? < end {
            return short(end as u64);
        }
        let (recorded, actual) = (word(&whole, 4), checksum(whole.get(OFFSET..).unwrap_or_default()));
        if recorded != actual {
            return Ok(Some(ErofsFault::Checksum { recorded, actual }));
        }
    }
    let expected_bytes = u64::from(word(&bytes, 36)) << bits;
    if size_bytes < expected_bytes { short(expected_bytes) } else { Ok(None) }
}

/// The word at `at` of the superblock.
fn word(bytes: &[u8], at: usize) -> u32 {
    let at = OFFSET + at;
    let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
    word.map_or(0, u32::from_le_bytes)
}

/// The superblock's checksum: its own field, bytes 4 to 7, counts as zero.
fn checksum(superblock: &[u8]) -> u32 {
    superblock.iter().enumerate().fold(u32::MAX, |crc, (at, byte)| {
        let byte = if (4..8).contains(&at) { 0 } else { *byte };
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image of one block, with its checksum.
    fn image() -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        bytes[OFFSET..OFFSET + 4].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[OFFSET + 8] = 1;
        bytes[OFFSET + 12] = 12;
        bytes[OFFSET + 36] = 1;
        let crc = checksum(&bytes[OFFSET..]);
        bytes[OFFSET + 4..OFFSET + 8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn fault(bytes: &[u8]) -> Option<ErofsFault> {
        superblock_fault(&bytes.to_vec(), bytes.len() as u64).unwrap()
    }

    #[test]
    fn the_checksum_is_crc_32c() {
        // The check value of CRC-32C, as it is before its last inversion; eight bytes whose second half counts as zero.
        assert_eq!(!checksum(b"\x8a\x91\x36\xaaxxxx"), !crc(b"\x8a\x91\x36\xaa\0\0\0\0"));
        assert_eq!(!crc(b"123456789"), 0xe306_9283);
    }

    fn crc(bytes: &[u8]) -> u32 {
        let step = |crc: u32| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
    }

    #[test]
    fn each_fault_is_told() {
        assert_eq!(fault(&image()), None);
        assert_eq!(fault(&[]), Some(ErofsFault::Empty));
        assert_eq!(fault(&[0; 4096]), Some(ErofsFault::Magic { found: 0 }));
        assert_eq!(
            fault(&image()[..1000]),
            Some(ErofsFault::Short { size_bytes: 1000, expected_bytes: 1152 })
        );
        assert_eq!(
            fault(&image()[..2000]),
            Some(ErofsFault::Short { size_bytes: 2000, expected_bytes: 4096 })
        );
        let mut longer = image();
        longer[OFFSET + 100] ^= 1;
        assert!(matches!(fault(&longer), Some(ErofsFault::Checksum { .. })));
        let mut without = image();
        without[OFFSET + 8] = 0;
        without[OFFSET + 36] = 2;
        assert_eq!(fault(&without), Some(ErofsFault::Short { size_bytes: 4096, expected_bytes: 8192 }));
    }

    #[test]
    fn no_bytes_make_it_fail() {
        let mut bytes = image();
        for at in 0..LEAST {
            for value in [0, 1, 0x7f, 0xff] {
                let before = bytes[at];
                bytes[at] = value;
                let _ = fault(&bytes);
                bytes[at] = before;
            }
        }
    }
}
