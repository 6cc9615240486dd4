//! The label that ends a lease by itself.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::metadata::EXPIRE;
use crate::time::Timestamp;

/// The labels of a lease that ends so long from now.
pub(super) fn labels(from_now: Duration) -> BTreeMap<String, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let end = now.saturating_add(from_now).as_secs();
    BTreeMap::from([(EXPIRE.to_owned(), rfc3339(end))])
}

/// Seconds since 1970 as `2026-01-02T03:04:05Z`.
fn rfc3339(seconds: u64) -> String {
    // Four-digit years only.
    let seconds = seconds.min(253_402_300_799);
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    Timestamp { seconds, nanoseconds: 0 }.to_string()
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn times_are_written_as_go_reads_them() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (1_767_225_600, "2026-01-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }
}
