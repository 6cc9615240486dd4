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
use crate::texts::{Text, Texts};

/// A value is not what containerd writes under that key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// Not a varint, or bytes follow it.
    #[error("not a number")]
    Number,
    /// A number that such a record cannot have.
    #[error("{0} cannot be")]
    Range(i64),
    /// Not a time as Go writes it.
    #[error("not a time")]
    Time,
    /// Not UTF-8.
    #[error("not a text")]
    Text,
    /// Not a digest.
    #[error("not a digest: {0}")]
    Digest(String),
    /// A value that every such record has is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
}

/// A point in time: seconds and nanoseconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Seconds since 1970, negative before.
    pub seconds: i64,
    /// Nanoseconds within the second.
    pub nanoseconds: u32,
}

impl Timestamp {
    /// Reads a time as Go's RFC 3339 has it: `2026-01-02T03:04:05[.123456789](Z|±hh:mm)`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Timestamp> {
        let (date, rest) = text.split_once('T')?;
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let (clock, zone) = rest.split_at_checked(8)?;
        let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
        let (nanoseconds, zone) = fraction(zone)?;
        let in_range = (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && hour <= 23
            && minute <= 59
            && second <= 59;
        let offset = match zone.split_at_checked(1)? {
            ("Z", "") => 0,
            (sign @ ("+" | "-"), zone) => {
                let [hours, minutes] = numbers(zone, ':', [2, 2])?;
                (hours * 3600 + minutes * 60) * if sign == "+" { 1 } else { -1 }
            }
            _ => return None,
        };
        let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
        in_range.then_some(Timestamp { seconds, nanoseconds })
    }

    /// The time of the machine's clock.
    #[must_use]
    pub fn now() -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        Timestamp { seconds, nanoseconds: since.subsec_nanos() }
    }
}

/// RFC 3339 in UTC, to the second: `2026-01-02T03:04:05Z`.
impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (year, month, day) = date(self.seconds.div_euclid(86_400));
        let second = self.seconds.rem_euclid(86_400);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Numbers of so many digits each, with `separator` between them.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(separator);
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits)?;
        *number = part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(numbers)
}

/// The fraction of a second that `text` may begin with, in nanoseconds, and what follows.
fn fraction(text: &str) -> Option<(u32, &str)> {
    let Some(rest) = text.strip_prefix('.') else { return Some((0, text)) };
    let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, rest) = rest.split_at_checked(end)?;
    let nine: String = digits.chars().chain(std::iter::repeat('0')).take(9).collect();
    if digits.is_empty() { None } else { Some((nine.parse().ok()?, rest)) }
}

/// Days from 1970-01-01 to a date, by counting years that begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 719_469
}

/// The date so many days after 1970-01-01: the inverse of [`days`].
fn date(days_since_1970: i64) -> (i64, i64, i64) {
    let days = days_since_1970 + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    (era * 400 + year, month, day)
}

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
    fn a_time_is_written_as_it_is_read() {
        for seconds in [0, -1, 951_782_399, 951_782_400, 1_795_256_753, 4_107_542_400, 253_402_300_799] {
            let time = Timestamp { seconds, nanoseconds: 0 };
            assert_eq!(Timestamp::parse(&time.to_string()), Some(time));
        }
        assert_eq!(Timestamp { seconds: 1_795_256_753, nanoseconds: 1 }.to_string(), "2026-11-21T10:25:53Z");
    }

    #[test]
    fn texts_are_gos() {
        for (text, seconds, nanoseconds) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("2026-11-21T10:25:53.664638447Z", 1_795_256_753, 664_638_447),
            ("2026-11-21T12:25:53.5+02:00", 1_795_256_753, 500_000_000),
            ("2000-02-29T00:00:00-00:30", 951_784_200, 0),
            ("1969-12-31T23:59:59Z", -1, 0),
        ] {
            assert_eq!(Timestamp::parse(text), Some(Timestamp { seconds, nanoseconds }), "{text}");
        }
        for text in [
            "",
            "2026",
            "2026-11-21",
            "2026-11-21T10:25:53",
            "2026-11-21T10:25:53.Z",
            "2026-13-21T10:25:53Z",
            "2026-11-21T24:25:53Z",
            "2026-11-21T10:25:53ZZ",
            "2026-11-21T1:25:53Z",
            "2026-11-21T10:25:5\u{e9}Z",
            "+026-11-21T10:25:53Z",
            "2026-11-21T10:25:53+2:00",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
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
