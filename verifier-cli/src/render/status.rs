//! How far sweeps have come.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use verifier_core::sweep::{Backup, Ledger, Run};

use super::metrics::{CoverageNumbers, write_with};
use super::{count, date, escape, npd, size, span};
use crate::args::MonitorArgs;
use crate::exit::Status;

/// The version of the document's shape.
const SCHEMA: u32 = 1;

/// All that is known of a root without looking at it.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    schema: u32,
    root: String,
    /// Blobs and snapshots that there were at the last run.
    subjects: u64,
    /// Those that were verified within the period.
    verified: u64,
    /// How long ago the oldest of those that ever were was verified.
    oldest_seconds: Option<i64>,
    /// What was found when it was last verified.
    damaged: Vec<Damaged>,
    ledger_damaged: bool,
    runs: Vec<Run>,
    backups: Vec<Copied>,
    quarantined: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Damaged {
    subject: String,
    codes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Copied {
    database: String,
    txid: u64,
    seconds: i64,
    bytes: u64,
}

impl Summary {
    pub(crate) fn new(
        root: &Path,
        ledger: &Ledger,
        runs: Vec<Run>,
        backups: Vec<(String, Backup)>,
        quarantined: Vec<String>,
        every: Duration,
        now: i64,
    ) -> Summary {
        let every = i64::try_from(every.as_secs()).unwrap_or(i64::MAX);
        let ages: Vec<i64> = ledger.entries().map(|entry| now.saturating_sub(entry.seconds)).collect();
        let verified = ages.iter().filter(|age| (0..every).contains(*age)).count() as u64;
        let bad = ledger.entries().filter(|entry| entry.is_damaged());
        Summary {
            schema: SCHEMA,
            root: root.to_string_lossy().into_owned(),
            subjects: runs.first().map_or(0, |run| run.subjects).max(ages.len() as u64),
            verified,
            oldest_seconds: ages.iter().copied().max(),
            damaged: bad
                .map(|entry| Damaged { subject: entry.key.clone(), codes: entry.codes.clone() })
                .collect(),
            ledger_damaged: ledger.damaged,
            backups: backups
                .into_iter()
                .map(|(database, copy)| Copied {
                    database,
                    txid: copy.txid,
                    seconds: copy.seconds,
                    bytes: copy.bytes,
                })
                .collect(),
            runs,
            quarantined,
        }
    }

    /// Whether the last look at anything saw damage.
    pub(crate) fn is_damaged(&self) -> bool {
        let last = self.runs.first().is_some_and(Run::is_damaged);
        last || !self.damaged.is_empty()
    }

    /// Whether there is anything to go by.
    pub(crate) fn is_known(&self) -> bool {
        !self.runs.is_empty()
    }

    fn percent(&self) -> u64 {
        self.verified.saturating_mul(100).checked_div(self.subjects).unwrap_or(100)
    }

    pub(crate) fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", escape(&self.root))?;
        if !self.is_known() {
            writeln!(out, "No sweep has ended yet.")?;
        }
        let oldest = self.oldest_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let oldest = oldest.map(|seconds| format!("; the oldest {} ago", span(Duration::from_secs(seconds))));
        let of = count(self.subjects, "subject");
        let (verified, percent) = (self.verified, self.percent());
        if self.subjects > 0 || self.is_known() {
            let oldest = oldest.unwrap_or_default();
            writeln!(out, "Verified within the period: {verified} of {of} ({percent} %){oldest}.")?;
        }
        for bad in &self.damaged {
            writeln!(out, "Damaged: {}: {}", escape(&bad.subject), bad.codes.join(", "))?;
        }
        if self.ledger_damaged {
            writeln!(out, "The ledger is damaged; the next sweep verifies again what is lost of it.")?;
        }
        for run in self.runs.iter().take(5) {
            let findings: u64 = run.findings.values().sum();
            let (took, bytes) = (span(Duration::from_secs(run.took_seconds)), size(run.bytes));
            let end = if run.finished { "" } else { ", stopped" };
            let (verified, findings) = (count(run.verified, "subject"), count(findings, "finding"));
            writeln!(
                out,
                "Run {}: {verified}, {bytes} in {took}; {findings}{end}.",
                date(run.ended_seconds)
            )?;
        }
        for copy in &self.backups {
            let (name, when) = (escape(&copy.database), date(copy.seconds));
            writeln!(out, "Copy of {name}: transaction {}, {when}, {}.", copy.txid, size(copy.bytes))?;
        }
        for run in &self.quarantined {
            writeln!(
                out,
                "Quarantined by repair: {} ('containerd-fsck repair --runs' says more).",
                escape(run)
            )?;
        }
        Ok(())
    }

    pub(crate) fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        super::write_json(out, self)
    }

    pub(crate) fn write_npd(&self, out: &mut dyn Write) -> io::Result<()> {
        let codes: std::collections::BTreeSet<&str> =
            self.damaged.iter().flat_map(|bad| &bad.codes).map(String::as_str).collect();
        let text = match (self.is_damaged(), self.is_known()) {
            (true, _) => {
                let codes = codes.into_iter().collect::<Vec<_>>().join(", ");
                format!("containerd store damaged: {} of {}: {codes}", self.damaged.len(), self.subjects)
            }
            (false, false) => "containerd store never verified".into(),
            (false, true) => format!("containerd store: no damage known, {} % verified", self.percent()),
        };
        npd::line(out, &text)
    }

    /// The coverage's series, where a file is asked for.
    pub(crate) fn write_metrics(&self, args: &MonitorArgs) -> Status {
        let numbers = CoverageNumbers {
            subjects: self.subjects,
            overdue: self.subjects.saturating_sub(self.verified),
            oldest_seconds: self.oldest_seconds.filter(|_| self.verified > 0),
        };
        let root = Path::new(&self.root);
        write_with(args, root, |_, _| super::metrics::coverage_text(root, numbers))
    }
}
