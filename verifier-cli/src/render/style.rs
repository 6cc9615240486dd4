//! Colour, where it is wanted.

use std::fmt::Display;
use std::io::IsTerminal;

use crate::args::Color;

/// What a piece of text is, for the eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Data will be destroyed.
    Critical,
    /// Damage.
    Error,
    /// No damage yet.
    Warning,
    /// All is well.
    Good,
    /// A heading.
    Strong,
    /// Beside the point.
    Faint,
}

/// Whether to colour what goes to one stream.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Style {
    is_coloured: bool,
}

impl Style {
    /// The style for `stream`: `auto` colours a terminal, unless NO_COLOR (no-color.org) is set or it is a dumb one.
    pub(crate) fn new(color: Color, stream: &impl IsTerminal) -> Self {
        let is_coloured = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                !is_unwanted && !is_dumb() && stream.is_terminal()
            }
        };
        Style { is_coloured }
    }

    /// `text` as it is written.
    pub(crate) fn paint(self, paint: Paint, text: impl Display) -> String {
        if !self.is_coloured {
            return text.to_string();
        }
        let code = match paint {
            Paint::Critical => "1;97;41",
            Paint::Error => "1;31",
            Paint::Warning => "33",
            Paint::Good => "32",
            Paint::Strong => "1",
            Paint::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Whether the terminal says that it knows no escape sequences.
pub(crate) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}
