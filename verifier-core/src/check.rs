//! The whole pipeline in one call.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::Interrupt;
use crate::event::{Event, Observer, Phase};
use crate::finding::{Code, Finding, Subject};
use crate::finding::{Reason, Unverified};
use crate::host::{self, Advice, Device, GraphStore};
use crate::io::LockState;
use crate::layout;
use crate::plan::{CheckError, CheckOptions, Plan};
use crate::report::{DatabaseReport, Report};
use crate::scan::Mode;
use crate::scan::{Inventory, scan};
use crate::store::Store;
use crate::verify::{Confirmed, Examination, examine};

/// How long after the first look the second one begins. containerd removes files right after their records: what it was
/// about to remove is gone by then.
const SETTLE: Duration = Duration::from_secs(2);

/// Checks `store`: scan, plan, verify, report. On a live store, what was found is looked at again with a fresh view, and
/// only what stands is reported.
///
/// # Errors
/// [`CheckError`]: what was asked for is not in the store.
pub fn check(
    store: &Store,
    options: &CheckOptions,
    observer: &dyn Observer,
    interrupt: &Interrupt,
) -> Result<Report, CheckError> {
    Ok(look(store, options, None, observer, interrupt)?.report)
}

/// A report with the facts that it was made from: what a repair is planned by.
#[derive(Debug)]
#[non_exhaustive]
pub struct Checked {
    /// What is wrong.
    pub report: Report,
    /// Every fact of the store, as it was when the check began.
    pub inventory: Inventory,
    /// What was read.
    pub plan: Plan,
}

/// As [`check`], with the facts. With `only`, content is read only where it is about one of these subjects; records and
/// folders are checked all the same.
///
/// # Errors
/// [`CheckError`]: what was asked for is not in the store.
pub fn look(
    store: &Store,
    options: &CheckOptions,
    only: Option<&BTreeSet<Subject>>,
    observer: &dyn Observer,
    interrupt: &Interrupt,
) -> Result<Checked, CheckError> {
    let mut checked = look_at_store(store, options, only, observer, interrupt)?;
    checked.report.advice.extend(host::advise(store.root()));
    Ok(checked)
}

/// As [`look`], at the store alone: its host is for the caller to ask, once for several looks.
pub(crate) fn look_at_store(
    store: &Store,
    options: &CheckOptions,
    only: Option<&BTreeSet<Subject>>,
    observer: &dyn Observer,
    interrupt: &Interrupt,
) -> Result<Checked, CheckError> {
    let start = Instant::now();
    observer.event(Event::Began { phase: Phase::Scan, bytes_total: 0 });
    let inventory = scan(store, interrupt);
    let plan = match only {
        None => Plan::new(&inventory, options)?,
        Some(subjects) => Plan::only(&inventory, options, subjects)?,
    };
    observer.event(Event::Began { phase: Phase::Verify, bytes_total: plan.bytes() });
    let mut examination = examine(store, &inventory, &plan, options.threads, observer, interrupt);
    let look = Look { store, options, observer, interrupt };
    if inventory.mode == Mode::Live && !unsettled(&examination).is_empty() && !interrupt.is_raised() {
        look.confirm(&inventory, &mut examination)?;
    }
    if interrupt.is_raised() {
        let stopped = Unverified { subject: Subject::Store, reason: Reason::Interrupted };
        examination.coverage.unverified.push(stopped);
    }
    let Examination { candidates, mut coverage } = examination;
    coverage.unverified.extend(plan.not_at_risk.clone());
    coverage.unverified.extend(beside(store, &inventory, &plan));
    coverage.unverified.sort_by(|a, b| a.subject.cmp(&b.subject));
    coverage.unverified.dedup();
    let mut findings = sorted(candidates.into_iter().map(|candidate| candidate.finding).collect());
    for finding in &mut findings {
        let snapshot = |snapshotter: &str, key: &str, id| inventory.snapshot_folder(snapshotter, key, id);
        finding.path = layout::place(&finding.subject, snapshot);
    }
    for finding in &findings {
        observer.event(Event::Found(Box::new(finding.clone())));
    }
    let (root, mode, depth) = (store.root().into(), inventory.mode, options.depth);
    let device = Device::of(store.root());
    let (at_risk, databases) = (plan.at_risk.clone(), DatabaseReport::all(&inventory));
    let elapsed = start.elapsed();
    let advice = match inventory.lock {
        LockState::CannotTell { why } => vec![Advice::HolderUnknown { why: why.to_string() }],
        LockState::Free | LockState::Held { .. } => Vec::new(),
    };
    let report =
        Report { root, device, mode, depth, at_risk, findings, coverage, databases, advice, elapsed };
    Ok(Checked { report, inventory, plan })
}

/// What Docker keeps in a store of its own beside this root, if it does.
fn beside(store: &Store, inventory: &Inventory, plan: &Plan) -> Vec<Unverified> {
    if !plan.scope.is_everything() {
        return Vec::new();
    }
    let mut namespaces = inventory.metadata().namespaces.values();
    let instead = namespaces.all(|records| records.images.is_empty());
    let stores = GraphStore::beside(store.root()).into_iter().map(|found| {
        let GraphStore { folder, driver, images, layers } = found;
        let (folder, accepted) = (folder.to_string_lossy().into_owned(), plan.accept_unread);
        let reason = Reason::GraphDriver { folder, driver, images, layers, instead, accepted };
        Unverified { subject: Subject::Store, reason }
    });
    stores.collect()
}

/// The worst first, then by code and subject; each but once.
pub(crate) fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    let key =
        |finding: &Finding| (std::cmp::Reverse(finding.severity()), finding.code(), finding.subject.clone());
    findings.sort_by_cached_key(key);
    findings.dedup_by(|a, b| a.kind == b.kind && a.subject == b.subject);
    findings
}

struct Look<'a> {
    store: &'a Store,
    options: &'a CheckOptions,
    observer: &'a dyn Observer,
    interrupt: &'a Interrupt,
}

impl Look<'_> {
    /// Looks again at what was found, and keeps what is still there and still the same thing.
    ///
    /// A blob's record is removed before its file, and written after it: a record with the same time of making before
    /// and after a look at the file proves that the file should have been there.
    fn confirm(&self, before: &Inventory, examination: &mut Examination) -> Result<(), CheckError> {
        self.wait();
        let inventory = scan(self.store, self.interrupt);
        let subjects =
            examination.candidates.iter().map(|candidate| candidate.finding.subject.clone()).collect();
        let Ok(plan) = Plan::only(&inventory, self.options, &subjects) else {
            // The namespace or image that was asked for has gone: so has what was found in it.
            examination.candidates.clear();
            return Ok(());
        };
        self.observer.event(Event::Began { phase: Phase::Confirm, bytes_total: plan.bytes() });
        let again =
            examine(self.store, &inventory, &plan, self.options.threads, self.observer, self.interrupt);
        let collecting = is_collecting(before, &inventory);
        let confirmed = Confirmed::by(&again);
        examination.candidates.retain(|candidate| {
            let unowned =
                matches!(candidate.finding.code(), Code::BlobUnreferenced | Code::BlobUnreferencedCorrupt);
            !(unowned && collecting) && confirmed.has(candidate)
        });
        // What went away while it was read is no gap if it stays away, or can be read now and nothing is wrong with it.
        let unclear: BTreeSet<&Subject> = unsettled_in(&again).collect();
        let unverified = &mut examination.coverage.unverified;
        unverified.retain(|left| left.reason != Reason::KeptChanging || unclear.contains(&left.subject));
        Ok(())
    }

    fn wait(&self) {
        let end = Instant::now() + SETTLE;
        while Instant::now() < end && !self.interrupt.is_raised() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// What has to be looked at again on a live store.
fn unsettled(examination: &Examination) -> BTreeSet<Subject> {
    unsettled_in(examination).cloned().collect()
}

fn unsettled_in(examination: &Examination) -> impl Iterator<Item = &Subject> {
    let changing = examination.coverage.unverified.iter().filter(|left| left.reason == Reason::KeptChanging);
    let found = examination.candidates.iter().map(|candidate| &candidate.finding.subject);
    found.chain(changing.map(|left| &left.subject))
}

/// Whether the collector was at work between two looks: then files without records are on their way out.
fn is_collecting(before: &Inventory, after: &Inventory) -> bool {
    let files = |inventory: &Inventory| inventory.blobs.files.keys().cloned().collect::<BTreeSet<_>>();
    before.meta_db.txid() != after.meta_db.txid() || files(before) != files(after)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use testdata::builder::{Kind, sample};

    use super::*;
    use crate::event::Unobserved;
    use crate::finding::Depth;

    #[test]
    fn a_finding_tells_where_it_is_by_what_the_snapshot_is() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = sample().unwrap().store;
        let mut own = store.snapshotters.remove("overlayfs").unwrap();
        for namespace in store.namespaces.values_mut() {
            let rows = namespace.snapshots.remove("overlayfs");
            namespace.snapshots.extend(rows.map(|rows| ("btrfs".to_owned(), rows)));
        }
        // No folder but those below snapshots/ is written: what is active, or a view, is missing.
        own.snapshots.values_mut().for_each(|snapshot| snapshot.usage = None);
        let wanted = |kind| own.snapshots.values().find(|one| one.kind == kind).map(|one| one.id);
        let (active, view) = (wanted(Kind::Active).unwrap(), wanted(Kind::View).unwrap());
        store.snapshotters.insert("btrfs".into(), own.clone());
        store.write(dir.path()).unwrap();

        let opened = Store::open(dir.path()).unwrap();
        let options = CheckOptions::default().depth(Depth::Quick).threads(1);
        let report = check(&opened, &options, &Unobserved, &Interrupt::default()).unwrap();
        let place = |wanted: u64| {
            let is_it = |finding: &&Finding| matches!(&finding.subject, Subject::Snapshot { id, .. } if *id == wanted);
            report.findings.iter().find(is_it).and_then(|finding| finding.path.clone())
        };
        let below = |path: String| Some(PathBuf::from("io.containerd.snapshotter.v1.btrfs").join(path));
        assert_eq!(place(active), below(format!("active/{active}")));
        assert_eq!(place(view), below(format!("view/{view}")));
        for finding in &report.findings {
            assert_eq!(
                finding.path.is_none(),
                matches!(finding.subject, Subject::Store | Subject::Image { .. })
            );
        }
    }
}
