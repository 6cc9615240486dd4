//! JSON that a terminal can be shown.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, PrettyFormatter};

use super::is_hidden;

/// Writes `value` as indented JSON and a line break. What a terminal would act on or not show is written as `\uXXXX`: the
/// same text to every reader of JSON, and nothing that hides or turns a line for who looks at it.
///
/// # Errors
///
/// What `out` fails with.
pub fn write_json(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, Shown(PrettyFormatter::new()));
    value.serialize(&mut serializer)?;
    writeln!(out)
}

struct Shown(PrettyFormatter<'static>);

/// Passes these on as they are.
macro_rules! pass_on {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $name<W: ?Sized + Write>(&mut self, writer: &mut W $(, $argument: $type)*) -> io::Result<()> {
            self.0.$name(writer $(, $argument)*)
        })*
    };
}

impl Formatter for Shown {
    pass_on! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
        write_char_escape(escape: CharEscape);
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_hidden(*c)) {
            let (before, from) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = from.get(c.len_utf8()..).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn written(value: &impl Serialize) -> String {
        let mut bytes = Vec::new();
        write_json(&mut bytes, value).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_is_hidden_is_escaped_and_read_back_as_it_was() {
        let text = "a\u{202e}gpj\u{ad}\u{61c}\u{e0041}\u{7f}\u{9b}\n\"\\\u{e9}\u{4e2d}";
        let json = written(&text);
        assert_eq!(
            json,
            "\"a\\u202egpj\\u00ad\\u061c\\udb40\\udc41\\u007f\\u009b\\n\\\"\\\\\u{e9}\u{4e2d}\"\n"
        );
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn all_else_is_written_as_ever() {
        let value = BTreeMap::from([("a", vec![(1, "x"), (2, "y")]), ("b", Vec::new())]);
        assert_eq!(written(&value), serde_json::to_string_pretty(&value).unwrap() + "\n");
        let key = BTreeMap::from([("\u{200b}", 1)]);
        assert_eq!(written(&key), "{\n  \"\\u200b\": 1\n}\n");
    }
}
