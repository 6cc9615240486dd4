//! From a report to bytes: one file per format, each over any writer.

pub(crate) mod human;
pub(crate) mod journal;
pub(crate) mod json;
pub(crate) mod metrics;
pub(crate) mod npd;
pub(crate) mod repair;
pub(crate) mod roots;
pub(crate) mod status;

mod progress;
mod style;
mod text;

pub(crate) use progress::Progress;
pub(crate) use style::{Paint, Style};
pub(crate) use text::{count_of, date, rate, span, wrap};
pub(crate) use verifier_core::text::{count, escape, escape_path, size, thousands, write_json};
