//! The list of roots.

use std::io::{self, Write};

use serde::Serialize;
use verifier_core::host::{Root, Source, State};

use super::escape_path;

/// Writes a line for each root: its folder, its state, its socket, and how it was found.
pub(crate) fn write_human(out: &mut dyn Write, roots: &[Root]) -> io::Result<()> {
    let lines: Vec<[String; 4]> = roots
        .iter()
        .map(|root| {
            let sources: Vec<String> = root.sources.iter().map(source).collect();
            [escape_path(&root.path), state(&root.state), escape_path(&root.address), sources.join("; ")]
        })
        .collect();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|text| text.chars().count()).max().unwrap_or(0)
    };
    let (first, second, third) = (width(0), width(1), width(2));
    lines.iter().try_for_each(|[path, state, address, sources]| {
        writeln!(out, "{path:first$}  {state:second$}  {address:third$}  {sources}")
    })
}

#[derive(Serialize)]
struct Item<'a> {
    root: String,
    state: &'static str,
    holder: Option<u32>,
    /// Why the state cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    address: String,
    sources: &'a [Source],
}

/// Writes a JSON array with an object for each root.
pub(crate) fn write_json(out: &mut dyn Write, roots: &[Root]) -> io::Result<()> {
    let items: Vec<Item<'_>> = roots
        .iter()
        .map(|root| Item {
            root: root.path.to_string_lossy().into_owned(),
            state: match root.state {
                State::InUse { .. } => "in-use",
                State::Stopped => "stopped",
                State::Empty => "empty",
                State::Unreadable => "unreadable",
                _ => "unknown",
            },
            holder: if let State::InUse { pid } = root.state { pid } else { None },
            why: if let State::Unknown { why } = root.state { Some(why.to_string()) } else { None },
            address: root.address.to_string_lossy().into_owned(),
            sources: &root.sources,
        })
        .collect();
    super::write_json(out, &items)
}

fn state(state: &State) -> String {
    match state {
        State::InUse { pid: Some(pid) } => format!("in use by process {pid}"),
        State::InUse { pid: None } => "in use".into(),
        State::Stopped => "stopped".into(),
        State::Empty => "empty".into(),
        State::Unreadable => "unreadable (try as root)".into(),
        State::Unknown { why } => format!("live or stopped, it cannot be told ({why})"),
        _ => "unknown".into(),
    }
}

fn source(source: &Source) -> String {
    match source {
        Source::Default { of } => format!("default of {of}"),
        Source::Config { file } => format!("named in {}", escape_path(file)),
        Source::Process { pid, name } => format!("used by {} ({pid})", super::escape(name)),
        _ => String::new(),
    }
}
