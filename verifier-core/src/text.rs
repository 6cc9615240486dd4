//! Names, numbers and errors as a person reads them, and the one place that says what a terminal may be shown.
//!
//! Names in a store come from whoever made the image. **Who turns data into text escapes it, once:** each `Display` of this
//! library that holds a name (of a finding, a subject, a reason, an action, a refusal) runs it through [`escape`], so that
//! the text is one line that a terminal can be trusted with, and nobody escapes that text again. The fields of these types
//! hold names as they are: whoever prints a field escapes it. JSON keeps every character and writes what [`is_hidden`] says as
//! `\uXXXX` ([`write_json`]).

mod json;

use std::fmt::Write as _;
use std::path::Path;

pub use json::write_json;

/// `bytes` without anything that a terminal would act on, or not show: that and what is no UTF-8 becomes `\n`, `\xff`,
/// `\u{202e}`; a backslash becomes two.
#[must_use]
pub fn escape(bytes: impl AsRef<[u8]>) -> String {
    let mut text = String::new();
    for chunk in bytes.as_ref().utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                _ if is_hidden(c) => text.extend(c.escape_default()),
                _ => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// [`escape`] for a path.
#[must_use]
pub fn escape_path(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    escape(path.as_os_str().as_bytes())
}

/// Whether a terminal would act on `c`, turn or hide the text around it, or show a blank that is no space: control and
/// format characters, Unicode's `Default_Ignorable_Code_Point`, and blanks.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    let is_blank = (c.is_whitespace() && c != ' ') || c == '\u{2800}';
    c.is_control()
        || is_blank
        || matches!(
            c,
            // The soft hyphen, the joiner of graphemes, Arabic marks of direction and of numbers.
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
            // Fillers and selectors of Hangul, Khmer and Mongolian.
            | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{3164}' | '\u{ffa0}'
            // Of no width, and of direction.
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            // Selectors of variants, marks between lines, shorthand and music.
            | '\u{fe00}'..='\u{fe0f}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            // Tags and more selectors.
            | '\u{e0000}'..='\u{e0fff}'
        )
}

/// A number with its thousands marked: `5,333`.
#[must_use]
pub fn thousands(number: u64) -> String {
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
#[must_use]
pub fn count(number: u64, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {one}{plural}", thousands(number))
}

/// A size in the largest binary unit that leaves at least one before the point: `1.2 GiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
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
#[must_use]
pub fn exact(bytes: u64) -> String {
    count(bytes, "byte")
}

/// What the system calls an error number, without Rust's addition to it.
#[must_use]
pub fn errno(number: i32) -> String {
    let text = std::io::Error::from_raw_os_error(number).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// For serde: evidence that is a type here and a text in JSON.
pub(crate) fn as_text<S: serde::Serializer>(
    value: &impl std::fmt::Display,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
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
    fn what_hides_or_turns_text_is_shown() {
        let hidden = [
            0xad, 0x34f, 0x61c, 0x115f, 0x17b4, 0x180b, 0x180e, 0x200b, 0x200d, 0x200e, 0x2028, 0x202a,
            0x202e, 0x2060, 0x2066, 0x2069, 0x206f, 0x2800, 0x3000, 0x3164, 0xa0, 0xfe00, 0xfe0f, 0xfeff,
            0xffa0, 0xfff9, 0x1_d173, 0xe_0001, 0xe_0020, 0xe_007f, 0xe_0100, 0xe_01ef,
        ];
        for number in hidden {
            let c = char::from_u32(number).unwrap();
            assert_eq!(escape(c.to_string()), format!("\\u{{{number:x}}}"));
        }
        for c in "aZ9 ~\u{e9}\u{fc}\u{df}\u{3b1}\u{416}\u{5d0}\u{627}\u{905}\u{4e2d}\u{ac00}\u{1f600}\u{301}"
            .chars()
        {
            assert!(!is_hidden(c), "{c:?}");
        }
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
        assert_eq!(errno(5), "Input/output error");
    }
}
