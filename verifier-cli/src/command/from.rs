//! The subjects that a report of `check` names.

use std::collections::BTreeSet;
use std::io::{BufReader, Read as _};
use std::path::Path;

use serde::Deserialize;
use verifier_core::finding::Subject;

use super::output::complain;
use crate::exit::Status;
use crate::render::{escape, escape_path};

/// More than any report has; what goes on without end (a device) is none.
const LIMIT_BYTES: u64 = 1 << 30;

/// What of a report counts here: each subject is looked at again before anything is done about it.
#[derive(Deserialize)]
struct Document {
    schema: u32,
    findings: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    subject: Subject,
}

/// Reads the subjects of the findings of the report at `path`.
pub(super) fn subjects(path: &Path) -> Result<BTreeSet<Subject>, Status> {
    let fail = |text: String| {
        complain(format_args!("{}: {}", escape_path(path), escape(text)));
        Status::USAGE
    };
    let file = std::fs::File::open(path).map_err(|error| fail(error.to_string()))?;
    let document: Document = serde_json::from_reader(BufReader::new(file.take(LIMIT_BYTES)))
        .map_err(|error| fail(error.to_string()))?;
    if document.schema != 1 {
        return Err(fail(format!("a report of schema {}, not 1", document.schema)));
    }
    Ok(document.findings.into_iter().map(|item| item.subject).collect())
}
