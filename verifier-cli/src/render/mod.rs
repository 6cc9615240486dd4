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
pub(crate) use text::{
    count, count_of, date, errno, escape, escape_path, exact, rate, size, span, thousands, wrap,
};
