//! Times as Go writes them.
//!
//! ```text
//! time.MarshalBinary, version 1 (Go src/time/time.go), 15 bytes, big-endian
//!  0 u8  version 1
//!  1 i64 seconds since the year 1
//!  9 i32 nanoseconds
//! 13 i16 zone, minutes east of UTC; -1: UTC
//! ```

/// Seconds from 0001-01-01 to 1970-01-01.
const YEAR_ONE: i64 = 62_135_596_800;

/// A point in time, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Nanoseconds, below 1,000,000,000.
    pub nanoseconds: i32,
}

impl Time {
    /// 2026-01-02T03:04:05.123456789Z, when everything that is built was made.
    pub const BUILT: Time = Time { seconds: 1_767_323_045, nanoseconds: 123_456_789 };

    /// The clock's.
    #[must_use]
    pub fn now() -> Time {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Time {
            seconds: i64::try_from(since.as_secs()).unwrap_or_default(),
            nanoseconds: i32::try_from(since.subsec_nanos()).unwrap_or_default(),
        }
    }

    /// So many seconds later.
    #[must_use]
    pub fn plus(self, seconds: i64) -> Time {
        Time { seconds: self.seconds.saturating_add(seconds), ..self }
    }

    /// As `time.MarshalBinary` does.
    #[must_use]
    pub fn to_binary(self) -> Vec<u8> {
        let mut bytes = vec![1];
        bytes.extend(self.seconds.saturating_add(YEAR_ONE).to_be_bytes());
        bytes.extend(self.nanoseconds.to_be_bytes());
        bytes.extend((-1_i16).to_be_bytes());
        bytes
    }

    /// As `time.MarshalText` does (RFC 3339 with nanoseconds).
    #[must_use]
    pub fn to_text(self) -> String {
        let (days, second) = (self.seconds.div_euclid(86_400), self.seconds.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let nanoseconds = self.nanoseconds;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanoseconds:09}Z")
    }
}

/// The date of a day counted from 1970-01-01, by counting years of 400-year eras that begin in March.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, date)
}

#[cfg(test)]
mod tests {
    use super::Time;

    #[test]
    fn times_are_gos() {
        // A value of a real meta.db (containerd 2.1.9), and the same instant as its ingest wrote it.
        let time = Time { seconds: 1_795_256_753, nanoseconds: 664_638_447 };
        assert_eq!(time.to_text(), "2026-11-21T10:25:53.664638447Z");
        assert_eq!(time.to_binary()[..9], *b"\x01\x00\x00\x00\x0e\xe2\x93h\xb1");
        assert_eq!(time.to_binary()[13..], *b"\xff\xff");
        assert_eq!(Time { seconds: 951_782_400, nanoseconds: 0 }.to_text(), "2000-02-29T00:00:00.000000000Z");
        assert_eq!(Time::BUILT.to_text(), "2026-01-02T03:04:05.123456789Z");
    }
}
