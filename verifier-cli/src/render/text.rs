//! Times and lines as an operator reads them; names and numbers are the library's.

use std::time::Duration;

use verifier_core::text::{count, size};
use verifier_core::time::Timestamp;

/// A point in time, UTC, to the second: `2026-01-02 03:04:05Z`; `seconds` since 1970.
pub(crate) fn date(seconds: i64) -> String {
    Timestamp { seconds, nanoseconds: 0 }.to_string().replace('T', " ")
}

/// How many there are of what a collection holds.
pub(crate) fn count_of(number: usize, one: &str) -> String {
    count(number as u64, one)
}

/// A time span: `40 ms`, `12.3 s`, `4 min 7 s`, `2 h 5 min`.
pub(crate) fn span(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// So many bytes in that time: `310 MiB/s`; nothing when the time is too short to tell.
pub(crate) fn rate(bytes: u64, time: Duration) -> Option<String> {
    let micros = time.as_micros();
    if micros < 1000 {
        return None;
    }
    let per_second = u128::from(bytes) * 1_000_000 / micros;
    Some(format!("{}/s", size(u64::try_from(per_second).unwrap_or(u64::MAX))))
}

/// `text` behind `lead`, in lines of at most `WIDTH` characters that all begin where the first does; broken at spaces
/// only.
pub(crate) fn wrap(lead: &str, text: &str) -> String {
    const WIDTH: usize = 100;
    let indent = lead.chars().count();
    let mut wrapped = lead.to_owned();
    let mut column = indent;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let width = word.chars().count();
        if column > indent && column + 1 + width > WIDTH {
            wrapped.push('\n');
            wrapped.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if column > indent {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += width;
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let spans = [40, 12_340, 247_000, 7_500_000].map(|ms| span(Duration::from_millis(ms)));
        assert_eq!(spans, ["40 ms", "12.3 s", "4 min 7 s", "2 h 5 min"]);
        assert_eq!(rate(3 << 20, Duration::from_millis(1500)).as_deref(), Some("2.0 MiB/s"));
        assert_eq!(rate(1, Duration::ZERO), None);
        assert_eq!(
            [0, 951_782_400, 1_767_323_045, -1].map(date),
            ["1970-01-01 00:00:00Z", "2000-02-29 00:00:00Z", "2026-01-02 03:04:05Z", "1969-12-31 23:59:59Z"]
        );
    }

    #[test]
    fn lines_break_at_spaces_and_no_word_is_lost() {
        let text = format!("{} {}", "word ".repeat(40), "x".repeat(200));
        let lines = wrap(" -> ", &text);
        assert!(lines.starts_with(" -> word"));
        assert!(lines.lines().skip(1).all(|line| line.starts_with("    ") && !line.ends_with(' ')));
        assert!(lines.lines().filter(|line| !line.contains('x')).all(|line| line.len() <= 100));
        assert_eq!(
            lines.split_whitespace().skip(1).collect::<Vec<_>>(),
            text.split_whitespace().collect::<Vec<_>>()
        );
    }
}
