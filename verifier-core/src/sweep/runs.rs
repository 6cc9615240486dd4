//! The last runs, for who asks how it goes.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use super::ledger::is_damage;
use super::run::Swept;
use crate::state::{Lock, StateDir};
use crate::time::Timestamp;

/// A sweep that was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// When it ended, in seconds since 1970.
    pub ended_seconds: i64,
    /// How long it took.
    pub took_seconds: u64,
    /// Blobs and snapshots that there were to verify.
    pub subjects: u64,
    /// Those that it verified.
    pub verified: u64,
    /// Bytes of blobs that they had.
    pub bytes: u64,
    /// Those that it had no time for.
    pub overdue: u64,
    /// Whether it ended by itself.
    pub finished: bool,
    /// What it found, by code.
    pub findings: BTreeMap<String, u64>,
}

const NAME: &str = "runs";
const KEPT: usize = 20;

impl Run {
    /// Whether it found an error. A code that is not known (of another version) counts as one.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.findings.keys().any(|code| is_damage(code))
    }

    /// What is remembered of `swept`.
    #[must_use]
    pub fn of(swept: &Swept, finished: bool) -> Run {
        let mut findings = BTreeMap::new();
        for finding in &swept.report.findings {
            *findings.entry(finding.code().as_str().to_owned()).or_default() += 1;
        }
        Run {
            ended_seconds: Timestamp::now().seconds,
            took_seconds: swept.report.elapsed.as_secs(),
            subjects: swept.subjects,
            verified: swept.verified,
            bytes: swept.bytes,
            overdue: swept.overdue,
            finished,
            findings,
        }
    }
}

/// The last runs, the newest first. What cannot be read is forgotten.
#[must_use]
pub fn runs(state: &StateDir) -> Vec<Run> {
    let bytes = state.read(NAME).ok().flatten().unwrap_or_default();
    bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// Remembers `run`.
///
/// # Errors
/// What the system says.
pub fn add_run(state: &StateDir, lock: &Lock, run: Run) -> io::Result<()> {
    let _ = lock;
    let mut all = runs(state);
    all.insert(0, run);
    let mut text = Vec::new();
    for run in all.iter().take(KEPT) {
        serde_json::to_writer(&mut text, run)?;
        text.push(b'\n');
    }
    state.write(NAME, &text)
}
