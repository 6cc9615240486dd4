//! The encodings of single values.
//!
//! ```text
//! varint   zig-zag, then base 128, low 7 bits first, at most 10 bytes      Go encoding/binary
//! uvarint  base 128, low 7 bits first, at most 10 bytes
//! time     0: version 1 or 2   1..9: i64 big-endian, seconds since year 1, UTC   9..13: i32 big-endian, nanoseconds
//!          13..15: i16 big-endian, zone in minutes (-1: UTC)   15: seconds of the zone (version 2)   Go time.MarshalBinary
//! ```

use std::collections::BTreeMap;

use super::labels::Labels;
use crate::digest::Digest;
use crate::finding::ValueError;
use crate::texts::{Text, Texts};
use crate::time::Timestamp;

/// Seconds from year 1, Go's zero time, to 1970.
pub(super) const YEAR_1_TO_1970: i64 = 62_135_596_800;

pub(super) fn time(value: &[u8]) -> Result<Timestamp, ValueError> {
    let (version, rest) = value.split_first().ok_or(ValueError::Time)?;
    match (version, value.len()) {
        (1, 15) | (2, 16) => {}
        _ => return Err(ValueError::Time),
    }
    let (seconds, rest) = rest.split_first_chunk::<8>().ok_or(ValueError::Time)?;
    let (nanoseconds, _zone) = rest.split_first_chunk::<4>().ok_or(ValueError::Time)?;
    let seconds = i64::from_be_bytes(*seconds).checked_sub(YEAR_1_TO_1970).ok_or(ValueError::Time)?;
    let nanoseconds = u32::from_be_bytes(*nanoseconds);
    if nanoseconds >= 1_000_000_000 {
        return Err(ValueError::Time);
    }
    Ok(Timestamp { seconds, nanoseconds })
}

pub(super) fn uvarint(value: &[u8]) -> Result<u64, ValueError> {
    let mut number: u64 = 0;
    for (index, byte) in value.iter().enumerate() {
        let bits = u64::from(byte & 0x7f);
        let shift = u32::try_from(index * 7).map_err(|_| ValueError::Number)?;
        let shifted = bits.checked_shl(shift).ok_or(ValueError::Number)?;
        if shifted >> shift != bits {
            return Err(ValueError::Number);
        }
        number |= shifted;
        if byte & 0x80 == 0 {
            // Upstream ignores what follows; it never writes anything there, so more bytes are damage.
            return if index + 1 == value.len() { Ok(number) } else { Err(ValueError::Number) };
        }
    }
    Err(ValueError::Number)
}

pub(super) fn varint(value: &[u8]) -> Result<i64, ValueError> {
    let zigzag = uvarint(value)?;
    Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
}

/// A varint that counts something.
pub(super) fn count(value: &[u8]) -> Result<u64, ValueError> {
    let number = varint(value)?;
    u64::try_from(number).map_err(|_| ValueError::Range(number))
}

pub(super) fn text(value: &[u8]) -> Result<String, ValueError> {
    std::str::from_utf8(value).map(str::to_owned).map_err(|_| ValueError::Text)
}

pub(super) fn digest(value: &[u8]) -> Result<Digest, ValueError> {
    text(value)?.parse().map_err(|_| ValueError::Digest(text(value).unwrap_or_default()))
}

/// A text that other records have, too.
pub(super) fn shared(value: &[u8], texts: &Texts) -> Result<Text, ValueError> {
    std::str::from_utf8(value).map(|text| texts.get(text)).map_err(|_| ValueError::Text)
}

pub(super) fn label(
    labels: &mut Labels,
    (key, value): (&[u8], &[u8]),
    texts: &Texts,
) -> Result<(), ValueError> {
    labels.insert(shared(key, texts)?, shared(value, texts)?);
    Ok(())
}

/// Builds a large map anew: one that was filled key by key has nodes that are a third to a half empty.
pub(crate) fn pack<K: Ord, V>(map: &mut BTreeMap<K, V>) {
    *map = std::mem::take(map).into_iter().collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_gos() {
        for (bytes, number) in
            [(&[0u8][..], 0), (&[1], -1), (&[2], 1), (&[0xac, 0x02], 150), (&[0xab, 0x02], -150)]
        {
            assert_eq!(varint(bytes), Ok(number));
        }
        let greatest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(uvarint(&greatest), Ok(u64::MAX));
        assert_eq!(varint(&greatest), Ok(i64::MIN));
        assert_eq!(count(&[1]), Err(ValueError::Range(-1)));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let too_long = [0xff; 11];
        let overflow = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        for bytes in [&[][..], &[0x80], &[0x00, 0x00], &too_long, &overflow] {
            assert_eq!(uvarint(bytes), Err(ValueError::Number), "{bytes:x?}");
        }
    }

    #[test]
    fn times_are_gos() {
        // time.Unix(1700000000, 5).UTC().MarshalBinary()
        let mut bytes = vec![1];
        bytes.extend((1_700_000_000_i64 + YEAR_1_TO_1970).to_be_bytes());
        bytes.extend(5_u32.to_be_bytes());
        bytes.extend((-1_i16).to_be_bytes());
        let expected = Timestamp { seconds: 1_700_000_000, nanoseconds: 5 };
        assert_eq!(time(&bytes), Ok(expected));
        bytes[0] = 2;
        assert_eq!(time(&bytes), Err(ValueError::Time));
        bytes.push(30);
        assert_eq!(time(&bytes), Ok(expected));
        bytes[9..13].copy_from_slice(&1_000_000_000_u32.to_be_bytes());
        assert_eq!(time(&bytes), Err(ValueError::Time));
    }
}
