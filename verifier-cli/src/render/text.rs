//! Names, numbers and lines as an operator reads them.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use verifier_core::time::Timestamp;

/// `bytes` without anything that a terminal would act on: what is no printable UTF-8 becomes `\n`, `\xff`, `\u{202e}`.
///
/// Names in a store come from whoever made the image, so a line break in one must not look like a line of ours.
pub(crate) fn escape(bytes: impl AsRef<[u8]>) -> String {
    let mut text = String::new();
    for chunk in bytes.as_ref().utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                _ if is_printable(c) => text.push(c),
                _ => text.extend(c.escape_default()),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Neither a control character nor one that turns or hides the text around it.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// [`escape`] for a path.
pub(crate) fn escape_path(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    escape(path.as_os_str().as_bytes())
}

/// A number with its thousands marked: `5,333`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many there are, in words: `1 blob`, `5,333 blobs`.
pub(crate) fn count(number: u64, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {one}{plural}", thousands(number))
}

/// A point in time, UTC, to the second: `2026-01-02 03:04:05Z`; `seconds` since 1970.
pub(crate) fn date(seconds: i64) -> String {
    Timestamp { seconds, nanoseconds: 0 }.to_string().replace('T', " ")
}

/// How many there are of what a collection holds.
pub(crate) fn count_of(number: usize, one: &str) -> String {
    count(number as u64, one)
}

/// A size in the largest binary unit that leaves at least one before the point: `1.2 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    let (mut unit, mut divisor) = ("B", 1_u64);
    for (next, bits) in [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40), ("PiB", 50)] {
        if bytes >> bits > 0 {
            (unit, divisor) = (next, 1 << bits);
        }
    }
    let whole = bytes / divisor;
    if divisor == 1 || whole >= 100 {
        return format!("{whole} {unit}");
    }
    format!("{whole}.{} {unit}", u128::from(bytes % divisor) * 10 / u128::from(divisor))
}

/// Exactly so many bytes.
pub(crate) fn exact(bytes: u64) -> String {
    count(bytes, "byte")
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

/// What the system calls an error number, without Rust's addition to it.
pub(crate) fn errno(number: i32) -> String {
    let text = std::io::Error::from_raw_os_error(number).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
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
    fn what_a_terminal_would_act_on_is_shown_instead() {
        assert_eq!(escape("caf\u{e9} \u{4e2d}"), "caf\u{e9} \u{4e2d}");
        assert_eq!(escape("a\nb\x1b[31m\t\\"), "a\\nb\\u{1b}[31m\\t\\\\");
        assert_eq!(escape(b"a\xff\x9b/b"), "a\\xff\\x9b/b");
        assert_eq!(escape("\u{202e}gpj.\u{9b}\u{200b}"), "\\u{202e}gpj.\\u{9b}\\u{200b}");
    }

    #[test]
    fn numbers() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(thousands),
            ["0", "999", "1,000", "1,234,567"].map(str::to_owned)
        );
        assert_eq!(
            [count(1, "blob"), count(0, "blob"), count(2000, "blob")],
            ["1 blob", "0 blobs", "2,000 blobs"]
        );
        let sizes = [0, 1023, 1024, 1536, 104_857_600, 1 << 40, u64::MAX].map(size);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "100 MiB", "1.0 TiB", "16383 PiB"]);
        let spans = [40, 12_340, 247_000, 7_500_000].map(|ms| span(Duration::from_millis(ms)));
        assert_eq!(spans, ["40 ms", "12.3 s", "4 min 7 s", "2 h 5 min"]);
        assert_eq!(rate(3 << 20, Duration::from_millis(1500)).as_deref(), Some("2.0 MiB/s"));
        assert_eq!(rate(1, Duration::ZERO), None);
        assert_eq!(
            [0, 951_782_400, 1_767_323_045, -1].map(date),
            ["1970-01-01 00:00:00Z", "2000-02-29 00:00:00Z", "2026-01-02 03:04:05Z", "1969-12-31 23:59:59Z"]
        );
        assert_eq!(errno(5), "Input/output error");
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
