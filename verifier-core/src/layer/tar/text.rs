//! Numbers and times in text, as Go's `strconv` takes them.

use super::header::Time;

/// `strconv.ParseInt(text, 10, 64)`.
pub(super) fn decimal(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value: i128 = 0;
    for digit in digits {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value = value * 10 + i128::from(digit);
        if value > i128::from(u64::MAX) {
            return None;
        }
    }
    i64::try_from(if negative { -value } else { value }).ok()
}

/// A PAX time: seconds, and perhaps a fraction that is cut to nanoseconds.
pub(super) fn pax_time(text: &[u8]) -> Option<Time> {
    let dot = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let (whole, fraction) = (text.get(..dot)?, text.get(dot + 1..).unwrap_or_default());
    let seconds = decimal(whole)?;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut nanoseconds = 0;
    for place in 0..9 {
        let digit = fraction.get(place).map_or(0, |digit| i64::from(digit - b'0'));
        nanoseconds = nanoseconds * 10 + digit;
    }
    Some(Time::new(seconds, if whole.first() == Some(&b'-') { -nanoseconds } else { nanoseconds }))
}

/// What comes before the first NUL.
pub(super) fn c_string(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals() {
        for (text, value) in [
            ("0", Some(0)),
            ("+7", Some(7)),
            ("-12", Some(-12)),
            ("0012", Some(12)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("99999999999999999999999999", None),
            ("", None),
            ("-", None),
            ("+-1", None),
            ("1_000", None),
            (" 1", None),
            ("0x1", None),
        ] {
            assert_eq!(decimal(text.as_bytes()), value, "{text:?}");
        }
    }

    #[test]
    fn times() {
        for (text, value) in [
            ("1350244992.023960108", Some((1_350_244_992, 23_960_108))),
            ("1350244992.02396010899", Some((1_350_244_992, 23_960_108))),
            ("1350244992.3", Some((1_350_244_992, 300_000_000))),
            ("1.", Some((1, 0))),
            ("-1.5", Some((-2, 500_000_000))),
            ("-0.5", Some((-1, 500_000_000))),
            ("-1", Some((-1, 0))),
            (".5", None),
            ("1.-5", None),
            ("", None),
            ("1.2.3", None),
        ] {
            let time = value.map(|(seconds, nanoseconds)| Time { seconds, nanoseconds });
            assert_eq!(pax_time(text.as_bytes()), time, "{text:?}");
        }
    }
}
