//! One header block.

use super::header::{EntryKind, Header, Time};
use super::text::c_string;
use crate::layer::TarFault;

pub(super) const BLOCK: usize = 512;

/// Which dialect a block is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    V7,
    Ustar,
    Gnu,
    Star,
}

/// Header numbers: the first that is none makes the block invalid, as in Go's `parser`.
#[derive(Default)]
struct Numbers {
    bad: bool,
}

impl Numbers {
    fn get(&mut self, field: &[u8]) -> i64 {
        let value = match field.first() {
            Some(first) if first & 0x80 != 0 => base_256(field),
            _ => octal(field),
        };
        self.bad |= value.is_none();
        value.unwrap_or(0)
    }
}

/// Reads `block` into `header`; returns its type flag.
pub(super) fn parse(block: &[u8; BLOCK], header: &mut Header) -> Result<u8, TarFault> {
    let dialect = dialect(block).ok_or(TarFault::Header)?;
    let field = |at: usize, len: usize| block.get(at..at + len).unwrap_or_default();
    let mut numbers = Numbers::default();
    let flag = field(156, 1).first().copied().unwrap_or(0);
    header.kind = EntryKind::of(flag);
    header.name.clear();
    header.link.clear();
    header.link.extend_from_slice(c_string(field(157, 100)));
    header.size_bytes = numbers.get(field(124, 12));
    header.mode = numbers.get(field(100, 8));
    header.uid = numbers.get(field(108, 8));
    header.gid = numbers.get(field(116, 8));
    header.mtime = Time { seconds: numbers.get(field(136, 12)), nanoseconds: 0 };
    (header.device_major, header.device_minor) = (0, 0);
    if dialect != Dialect::V7 {
        header.device_major = numbers.get(field(329, 8));
        header.device_minor = numbers.get(field(337, 8));
    }
    let prefix = match dialect {
        Dialect::V7 => &[][..],
        Dialect::Ustar => c_string(field(345, 155)),
        Dialect::Star => {
            numbers.get(field(476, 12));
            numbers.get(field(488, 12));
            c_string(field(345, 131))
        }
        Dialect::Gnu => misplaced_prefix(field(345, 12), field(357, 12), field(345, 155)),
    };
    if !prefix.is_empty() {
        header.name.extend_from_slice(prefix);
        header.name.push(b'/');
    }
    header.name.extend_from_slice(c_string(field(0, 100)));
    header.xattrs.clear();
    if numbers.bad { Err(TarFault::Header) } else { Ok(flag) }
}

/// Go before 1.8 wrote a prefix into GNU headers, where the access time belongs; its reader still takes it for one
/// if the times are none and it is ASCII.
fn misplaced_prefix<'a>(atime: &[u8], ctime: &[u8], prefix: &'a [u8]) -> &'a [u8] {
    let mut times = Numbers::default();
    for time in [atime, ctime] {
        if time.first() != Some(&0) {
            times.get(time);
        }
    }
    let prefix = c_string(prefix);
    if times.bad && prefix.is_ascii() { prefix } else { &[] }
}

/// The dialect, if the checksum is right: the sum of all bytes, signed or not, the checksum's own taken as spaces.
fn dialect(block: &[u8; BLOCK]) -> Option<Dialect> {
    let recorded = octal(block.get(148..156)?)?;
    let (mut unsigned, mut signed) = (0_i64, 0_i64);
    for (at, byte) in block.iter().enumerate() {
        let byte = if (148..156).contains(&at) { b' ' } else { *byte };
        unsigned += i64::from(byte);
        signed += i64::from(byte.cast_signed());
    }
    if recorded != unsigned && recorded != signed {
        return None;
    }
    Some(match (block.get(257..263)?, block.get(263..265)?, block.get(508..512)?) {
        (b"ustar\0", _, b"tar\0") => Dialect::Star,
        (b"ustar\0", ..) => Dialect::Ustar,
        (b"ustar ", b" \0", _) => Dialect::Gnu,
        _ => Dialect::V7,
    })
}

/// Octal digits between spaces and NULs; nothing at all is 0.
fn octal(field: &[u8]) -> Option<i64> {
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !blank(byte));
    let Some(start) = start else { return Some(0) };
    let end = field.iter().rposition(|byte| !blank(byte))?;
    let digits = c_string(field.get(start..=end)?);
    let mut value: u64 = 0;
    for digit in digits {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 8)?;
        value = value.checked_mul(8)?.checked_add(u64::from(digit))?;
    }
    Some(value.cast_signed())
}

/// Two's complement, big-endian; the first bit only says that it is so.
fn base_256(field: &[u8]) -> Option<i64> {
    let negative = field.first()? & 0x40 != 0;
    let invert = if negative { 0xff } else { 0 };
    let mut value: u64 = 0;
    for (at, byte) in field.iter().enumerate() {
        let byte = (byte ^ invert) & if at == 0 { 0x7f } else { 0xff };
        if value >> 56 != 0 {
            return None;
        }
        value = value << 8 | u64::from(byte);
    }
    let value = i64::try_from(value).ok()?;
    Some(if negative { !value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_numbers() {
        for (field, value) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b" 644 \0\0\0", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"12\x0034\0", Some(0o12)),
            (b"9", None),
            (b"-1", None),
            (b"1777777777777777777777", Some(-1)),
            (b"2000000000000000000000", None),
        ] {
            assert_eq!(octal(field), value, "{field:?}");
        }
    }

    #[test]
    fn base_256_numbers() {
        // The values of Go's strconv_test.go, TestParseNumeric, by what they mean.
        for (field, value) in [
            (&b"\x80"[..], Some(0)),
            (b"\x80\x00\x01", Some(1)),
            (b"\xff", Some(-1)),
            (b"\xff\xff\xfe", Some(-2)),
            (b"\x80\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX)),
            (b"\x80\x80\x00\x00\x00\x00\x00\x00\x00", None),
            (b"\xff\x80\x00\x00\x00\x00\x00\x00\x00", Some(i64::MIN)),
            (b"\xff\x7f\xff\xff\xff\xff\xff\xff\xff", None),
            (b"\x81\x00\x00\x00\x00\x00\x00\x00\x00\x00", None),
        ] {
            assert_eq!(base_256(field), value, "{field:x?}");
        }
    }
}
