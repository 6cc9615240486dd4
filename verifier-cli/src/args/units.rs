//! Durations and rates on the command line.

use std::time::Duration;

/// `90`, `90s`, `30m`, `12h`, `7d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let scale = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("a number with s, m, h or d, such as 30m".into()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(scale));
    seconds.map(Duration::from_secs).ok_or_else(|| "a number with s, m, h or d, such as 30m".into())
}

/// Bytes in a second: `100MiB/s`, `50M`, `1048576`; 0 means without a limit.
pub(super) fn rate(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text.strip_suffix("/s").unwrap_or(text));
    let scale: u64 = match unit {
        "" | "B" => 1,
        "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return Err("a number of bytes in a second, such as 100MiB/s".into()),
    };
    let rate = number.parse::<u64>().ok().and_then(|number| number.checked_mul(scale));
    rate.ok_or_else(|| "a number of bytes in a second, such as 100MiB/s".into())
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_rates() {
        for (text, seconds) in [("90", 90), ("45s", 45), ("30m", 1800), ("12h", 43_200), ("7d", 604_800)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "m", "1w", "-1", "1.5h", "99999999999999999999", "18446744073709551615d"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for (text, bytes) in [("100MiB/s", 104_857_600), ("1M", 1 << 20), ("5MB/s", 5_000_000), ("0", 0)] {
            assert_eq!(rate(text), Ok(bytes));
        }
        for text in ["", "MiB", "1 MiB", "1TiB", "-1", "1/m"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
