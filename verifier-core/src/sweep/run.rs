//! A sweep: as much of a full check as there is time for, what waits longest first.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::items::{Item, items};
use super::ledger::{Entry, Ledger};
use super::life::{Moment, beat};
use crate::Interrupt;
use crate::check::{Checked, look_at_store};
use crate::event::{Event, Observer};
use crate::finding::{Depth, Reason, Tally, Unverified};
use crate::finding::{Finding, Subject};
use crate::plan::Plan;
use crate::plan::{CheckError, CheckOptions};
use crate::report::Report;
use crate::scan::scan;
use crate::state::backups::{self, BackupError, Keep};
use crate::state::{Lock, StateDir};
use crate::store::Store;
use crate::time::Timestamp;

/// How much to sweep.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SweepOptions {
    /// Time after which nothing more is begun; `None`: until all is verified.
    pub time_budget: Option<Duration>,
    /// What was verified within this time is not verified again.
    pub every: Duration,
    /// Worker threads; 0 means one for each processor, 16 at most.
    pub threads: usize,
    /// Bytes of blobs that are verified between two words to the ledger: what a kill can cost.
    pub batch_bytes: u64,
    /// How much is kept of each database.
    pub keep: Keep,
}

impl Default for SweepOptions {
    fn default() -> Self {
        let every = Duration::from_secs(7 * 86_400);
        SweepOptions { time_budget: None, every, threads: 1, batch_bytes: 1 << 30, keep: Keep::default() }
    }
}

/// Most subjects in one batch, however small they are.
const BATCH_SUBJECTS: usize = 1024;

/// What a sweep came to.
#[derive(Debug)]
#[non_exhaustive]
pub struct Swept {
    /// What was found: in all records and folders, and in the content that was read this time.
    pub report: Report,
    /// Blobs and snapshots that there are to verify.
    pub subjects: u64,
    /// Those that were verified this time.
    pub verified: u64,
    /// Bytes of blobs that they have.
    pub bytes: u64,
    /// Those that should have been verified by now and are not.
    pub overdue: u64,
    /// The longest that any has been verified ago, in seconds; `None` where one never was.
    pub oldest_seconds: Option<i64>,
    /// What of the ledger's former state is lost.
    pub ledger_damaged: bool,
    /// Copies of databases, by their path below the root, that were made or could not be made.
    pub backups: Vec<(PathBuf, Result<backups::Backup, BackupError>)>,
}

/// Why a sweep could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SweepError {
    /// The store cannot be checked.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// The ledger cannot be written.
    #[error("the ledger cannot be written: {0}")]
    Ledger(#[from] io::Error),
}

/// Sweeps `store`, whose state is in `state`; stops soon after `interrupt` is raised, with all saved but the batch in hand.
///
/// # Errors
/// [`SweepError`]; damage is none.
pub fn sweep(
    store: &Store,
    state: &StateDir,
    lock: &Lock,
    options: &SweepOptions,
    observer: &dyn Observer,
    interrupt: &Interrupt,
) -> Result<Swept, SweepError> {
    let start = Instant::now();
    let mut ledger = Ledger::open(state, lock)?;
    live(state);
    let (all, backups) = prepare(store, state, lock, options, &mut ledger, interrupt)?;
    let now = Timestamp::now().seconds;
    let waiting = |item: &&Item| is_due(item.verified, now, options.every);
    let due: Vec<&Item> = all.iter().filter(waiting).collect();
    observer.event(Event::Began {
        phase: crate::event::Phase::Verify,
        bytes_total: due.iter().map(|item| item.bytes).sum(),
    });
    let eye = Eye { store, options, observer: &Quietly(observer), interrupt };
    let mut found = Found::default();
    let mut rest = due.as_slice();
    let in_time = || options.time_budget.is_none_or(|budget| start.elapsed() < budget);
    while !rest.is_empty() && !interrupt.is_raised() && in_time() {
        let (batch, later) = rest.split_at(batch_length(rest, options.batch_bytes));
        let checked = eye.look(batch)?;
        if interrupt.is_raised() {
            // Of a look that was cut short nothing is certain.
            break;
        }
        ledger.add(state, found.note(checked, batch))?;
        live(state);
        rest = later;
    }
    let structure = match found.last.take() {
        Some(report) => report,
        // Records and folders are checked by every sweep.
        None => eye.look(&[])?.report,
    };
    let verified = Timestamp::now().seconds;
    let ages = all.iter().map(|item| ledger.get(&item.key, &item.witness).map(|entry| entry.seconds));
    let oldest = ages.min().flatten().map(|oldest| verified.saturating_sub(oldest));
    let counts = [(all.len() - due.len()) as u64, rest.len() as u64];
    let (done, bytes) = (found.done, found.blobs.bytes.saturating_add(found.snapshots.bytes));
    let mut report = found.report(structure, counts, start.elapsed(), interrupt.is_raised(), observer);
    report.advice.extend(crate::host::advise(store.root()));
    Ok(Swept {
        report,
        subjects: all.len() as u64,
        verified: done,
        bytes,
        overdue: rest.len() as u64,
        oldest_seconds: oldest,
        ledger_damaged: ledger.damaged,
        backups,
    })
}

type Backups = Vec<(PathBuf, Result<backups::Backup, BackupError>)>;

/// What there is to verify, and copies of the databases.
fn prepare(
    store: &Store,
    state: &StateDir,
    lock: &Lock,
    options: &SweepOptions,
    ledger: &mut Ledger,
    interrupt: &Interrupt,
) -> Result<(Vec<Item>, Backups), SweepError> {
    let inventory = scan(store, interrupt);
    let plan = Plan::new(&inventory, &CheckOptions::default().depth(Depth::Full))?;
    let all = items(&inventory, &plan, ledger);
    if inventory.has_all_records() && !inventory.interrupted {
        let keys: BTreeSet<&str> = all.iter().map(|item| item.key.as_str()).collect();
        ledger.keep(|key| keys.contains(key));
    }
    let databases = inventory.snapshotters.values().filter_map(|snapshotter| snapshotter.database.as_ref());
    let paths = databases.map(|database| &database.path).chain([&inventory.meta_db.path]);
    let seconds = Timestamp::now().seconds;
    let kept = paths.filter(|_| !interrupt.is_raised()).filter_map(|path| {
        let kept = backups::keep(state, lock, store.folder(), path, seconds, options.keep);
        kept.transpose().map(|kept| (path.clone(), kept))
    });
    let kept = kept.collect();
    Ok((all, kept))
}

/// A heartbeat that cannot be written makes more seem at risk after a crash, no more.
fn live(state: &StateDir) {
    let _ = Moment::now().and_then(|now| beat(state, &now));
}

/// Whether something verified at `verified` has to be verified again; a time to come is none.
pub(super) fn is_due(verified: Option<i64>, now: i64, every: Duration) -> bool {
    let every = i64::try_from(every.as_secs()).unwrap_or(i64::MAX);
    verified.is_none_or(|verified| verified > now || now.saturating_sub(verified) >= every)
}

/// How many of `items` make one batch: at least one.
fn batch_length(items: &[&Item], limit_bytes: u64) -> usize {
    let mut bytes = 0_u64;
    let fits = items.iter().take(BATCH_SUBJECTS).take_while(|item| {
        bytes = bytes.saturating_add(item.bytes);
        bytes <= limit_bytes
    });
    fits.count().max(1)
}

struct Eye<'a> {
    store: &'a Store,
    options: &'a SweepOptions,
    observer: &'a dyn Observer,
    interrupt: &'a Interrupt,
}

impl Eye<'_> {
    /// Checks all records, and the content of `batch`, as they are now.
    fn look(&self, batch: &[&Item]) -> Result<Checked, CheckError> {
        let options = CheckOptions::default().depth(Depth::Full).threads(self.options.threads);
        let subjects = batch.iter().filter_map(|item| item.subjects.first()).cloned().collect();
        look_at_store(self.store, &options, Some(&subjects), self.observer, self.interrupt)
    }
}

/// Passes on what is read only: the looks' beginnings and findings are a sweep's own matter.
struct Quietly<'a>(&'a dyn Observer);

impl Observer for Quietly<'_> {
    fn event(&self, event: Event) {
        if let Event::Read { .. } = event {
            self.0.event(event);
        }
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    done: u64,
    blobs: Tally,
    snapshots: Tally,
    /// About content that was read.
    findings: Vec<Finding>,
    unverified: Vec<Unverified>,
    subjects: BTreeSet<Subject>,
    /// The last look, for what it says of records and folders.
    last: Option<Report>,
}

impl Found {
    /// Keeps what `checked` says of `batch`, and makes the ledger's entries of it.
    fn note(&mut self, checked: Checked, batch: &[&Item]) -> Vec<Entry> {
        // Without all records nobody judges what was read of a blob: it waits until they are there.
        let (all_records, report) = (checked.inventory.has_all_records(), checked.report);
        let seconds = Timestamp::now().seconds;
        let mut entries = Vec::with_capacity(batch.len());
        for item in batch {
            let own = |subject: &Subject| item.subjects.contains(subject);
            let left = report.coverage.unverified.iter().filter(|left| own(&left.subject));
            let failed = !all_records || left.clone().any(|left| left.reason.is_failure());
            self.unverified.extend(left.cloned());
            let findings: Vec<&Finding> =
                report.findings.iter().filter(|found| own(&found.subject)).collect();
            let tally = if item.is_snapshot() { &mut self.snapshots } else { &mut self.blobs };
            if failed {
                // It is looked at again next time.
                tally.skipped += 1;
            } else {
                tally.checked += 1;
                self.done += 1;
                let codes: BTreeSet<&str> = findings.iter().map(|finding| finding.code().as_str()).collect();
                let codes = codes.into_iter().map(str::to_owned).collect();
                let (key, witness, bytes) = (item.key.clone(), item.witness.clone(), item.bytes);
                entries.push(Entry { key, witness, seconds, bytes, codes });
            }
            tally.bytes += item.bytes;
            self.findings.extend(findings.into_iter().cloned());
            self.subjects.extend(item.subjects.iter().cloned());
        }
        self.last = Some(report);
        entries
    }

    /// One report of all looks.
    fn report(
        self,
        structure: Report,
        [before, later]: [u64; 2],
        elapsed: Duration,
        interrupted: bool,
        observer: &dyn Observer,
    ) -> Report {
        let Found { subjects, blobs, snapshots, mut findings, mut unverified, .. } = self;
        let elsewhere = |subject: &Subject| !subjects.contains(subject);
        findings.extend(structure.findings.iter().filter(|found| elsewhere(&found.subject)).cloned());
        let gaps = structure.coverage.unverified.iter();
        unverified
            .extend(gaps.filter(|left| elsewhere(&left.subject) && left.subject != Subject::Store).cloned());
        for (subjects, reason) in [
            (before, Reason::VerifiedBefore { subjects: before }),
            (later, Reason::LeftForLater { subjects: later }),
        ] {
            if subjects > 0 {
                unverified.push(Unverified { subject: Subject::Store, reason });
            }
        }
        if interrupted {
            unverified.push(Unverified { subject: Subject::Store, reason: Reason::Interrupted });
        }
        let findings = crate::check::sorted(findings);
        for finding in &findings {
            observer.event(Event::Found(Box::new(finding.clone())));
        }
        let mut report = Report { findings, elapsed, ..structure };
        report.coverage.blobs = blobs;
        report.coverage.snapshots = snapshots;
        unverified.sort_by(|a, b| a.subject.cmp(&b.subject));
        unverified.dedup();
        report.coverage.unverified = unverified;
        report
    }
}
