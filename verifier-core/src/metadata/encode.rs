//! Values as containerd writes them: what `value` reads.

use super::value::YEAR_1_TO_1970;
use crate::time::Timestamp;

/// A count or a size: Go's `binary.PutVarint`.
#[must_use]
pub fn varint(number: i64) -> Vec<u8> {
    // Zig-zag: the sign in the lowest bit.
    uvarint(((number << 1) ^ (number >> 63)).cast_unsigned())
}

/// A number of a snapshot: Go's `binary.PutUvarint`.
#[must_use]
pub fn uvarint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            bytes.push(low & 0x7f);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A time in UTC: Go's `time.MarshalBinary`, version 1.
#[must_use]
pub fn time(time: Timestamp) -> Vec<u8> {
    let seconds = time.seconds.saturating_add(YEAR_1_TO_1970);
    let mut bytes = vec![1];
    bytes.extend(seconds.to_be_bytes());
    bytes.extend(time.nanoseconds.to_be_bytes());
    // A zone of -1 minutes stands for UTC.
    bytes.extend((-1_i16).to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::value;
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for number in [0, 1, -1, 63, 64, -64, -65, 215_371_776, i64::MAX, i64::MIN] {
            assert_eq!(value::varint(&varint(number)), Ok(number));
        }
        for number in [0, 1, 127, 128, 300, u64::MAX] {
            assert_eq!(value::uvarint(&uvarint(number)), Ok(number));
        }
        for seconds in [0, -62_135_596_800, 1_795_256_753] {
            let timestamp = Timestamp { seconds, nanoseconds: 999_999_999 };
            assert_eq!(value::time(&time(timestamp)), Ok(timestamp));
        }
    }
}
