//! Every damage of the catalogue is repaired or refused with a reason, and every repair undone to what was there before.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::repair_common::{self, Repaired, differences, repair, repair_from, store_picture, undo};
use testdata::builder::sample;
use testdata::damage::{self, Damage, How};
use testdata::in_parallel;
use verifier_core::CheckOptions;
use verifier_core::finding::{Code, Severity};
use verifier_core::repair::disk::StepGate;
use verifier_core::repair::plan::{Allow, RepairOptions};
use verifier_core::repair::source::Source;

/// What only a medium or a person can put right, or what is not wrong enough to touch.
fn allow_all() -> RepairOptions {
    let allow = [Allow::Unpullable, Allow::Pinned, Allow::Leased, Allow::InUse];
    RepairOptions::default().allow(BTreeSet::from(allow))
}

fn damages() -> Vec<&'static Damage> {
    damage::all().filter(|damage| !matches!(damage.how, How::Reads(_))).collect()
}

/// What the repair of one damage came to.
struct Outcome {
    faults: Vec<String>,
    /// The codes that were there before, and whether each was gone afterwards.
    codes: Vec<(Code, bool)>,
}

#[test]
fn each_damage_is_repaired_or_refused_and_undone() {
    let outcomes = in_parallel(&damages(), |damage| vec![outcome_of(damage)]);
    let faults: Vec<&String> = outcomes.iter().flat_map(|outcome| &outcome.faults).collect();
    let mut repaired: BTreeMap<Code, bool> = BTreeMap::new();
    for (code, healed) in outcomes.iter().flat_map(|outcome| &outcome.codes) {
        *repaired.entry(*code).or_default() |= healed;
    }
    let of =
        |wanted: bool| repaired.iter().filter(move |(_, healed)| **healed == wanted).map(|(code, _)| code);
    println!("repaired: {:?}", of(true).map(|code| code.as_str()).collect::<Vec<_>>());
    println!("left alone: {:?}", of(false).map(|code| code.as_str()).collect::<Vec<_>>());
    assert!(faults.is_empty(), "{} faults:\n{faults:#?}", faults.len());
    // What the report and `explain` promise is what a repair does: each code with a cure is healed at least once.
    let unhealed: Vec<&Code> = of(false).filter(|code| code.cure().is_known()).collect();
    // Of these, what the catalogue damages is refused: snapshots that are no image's, or that containers are built on. That a
    // layer of erofs is taken out and put back is shown in `unread`.
    let refused = [
        Code::SnapshotParentMissing,
        Code::SnapshotParentDiffers,
        Code::SnapshotIdShared,
        Code::ErofsLayerInvalid,
    ];
    assert_eq!(unhealed, refused.iter().collect::<Vec<_>>());
    assert!(of(true).count() > 20, "{repaired:?}");
}

fn outcome_of(damage: &Damage) -> Outcome {
    let dir = repair_common::scratch();
    let root = dir.path().join("root");
    damage.apply(&root).unwrap();
    let before = store_picture(&root);
    let repaired = repair(&root, &allow_all());
    let mut faults = judge(&repaired);
    let is_left = |code: Code| repaired.after.iter().any(|finding| finding.code() == code);
    let codes = repaired.before.iter().map(|code| (*code, !is_left(*code))).collect();
    if let Some(run) = &repaired.run {
        let undone = undo(&root, run);
        if !undone.left.is_empty() {
            faults.push(format!("not undone: {:?}", undone.left));
        }
        faults.extend(differences(&before, &store_picture(&root)));
    }
    Outcome { faults: faults.iter().map(|fault| format!("{}: {fault}", damage.name)).collect(), codes }
}

/// After a repair there is no damage but what was refused, and no action failed.
fn judge(repaired: &Repaired) -> Vec<String> {
    let refused: BTreeSet<Code> = repaired.refused.iter().copied().collect();
    let mut faults: Vec<String> =
        repaired.failed.iter().map(|(action, error)| format!("{action} failed: {error}")).collect();
    let damage = repaired.after.iter().filter(|finding| finding.severity() >= Severity::Warning);
    // What was lost with a database shows once the rest can be read again: that is told, and stays.
    let lost_rows = [Code::BoltPageInvalid, Code::SnapshotterDatabaseUnusable, Code::MetadataUnusable];
    let lost = lost_rows.iter().any(|code| repaired.before.contains(code));
    let of_loss = |code: Code| lost && matches!(code, Code::ContainerSnapshotMissing | Code::IngestStale);
    let new = damage.filter(|finding| !refused.contains(&finding.code()) && !of_loss(finding.code()));
    faults
        .extend(new.map(|finding| format!("still or newly wrong: {} {:?}", finding.code(), finding.subject)));
    faults
}

/// Cut off at any step, the store has no damage that it did not have before, and another run finishes.
#[test]
fn a_repair_that_is_cut_off_anywhere_is_finished_by_the_next() {
    let names = [
        "layer-flipped",
        "all-files-emptied",
        "leaf-folder-missing",
        "config-flipped",
        "name-with-suffix",
        "wrong-blob-without-row",
        "one-row-size-wrong",
        "index-entry-missing",
        "ids-behind",
        "sandbox-without-metadata",
        "image-time-short",
        "uuid-of-zeros",
        "all-of-cri-missing",
    ];
    for name in names {
        cut_off_everywhere(name, None);
    }
}

/// As above, with the right bytes at hand.
#[test]
fn a_replacement_that_is_cut_off_anywhere_is_finished_by_the_next() {
    let source = repair_common::scratch();
    sample().unwrap().store.write(source.path()).unwrap();
    for name in ["layer-flipped", "layer-missing", "manifest-flipped"] {
        cut_off_everywhere(name, Some(source.path()));
    }
}

fn cut_off_everywhere(name: &str, source: Option<&Path>) {
    let damage = damage::all().find(|damage| damage.name == name).unwrap();
    let open = || source.map(|path| Source::open(path).unwrap()).into_iter().collect::<Vec<_>>();
    let check = CheckOptions::default().threads(1);
    let mut cut_at = 0;
    loop {
        let dir = repair_common::scratch();
        let root = dir.path().join("root");
        damage.apply(&root).unwrap();
        let before = store_picture(&root);
        let steps = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&steps);
        let gate = StepGate::new(move |_, _| match count.fetch_add(1, Ordering::Relaxed) {
            step if step < cut_at => Ok(()),
            _ => Err(io::ErrorKind::Interrupted.into()),
        });
        let cut = repair_from(&root, &allow_all(), &gate, &check, open());
        let finished = cut.as_ref().is_ok_and(|cut| cut.failed.is_empty());
        let next = repair_from(&root, &allow_all(), &StepGate::default(), &check, open()).unwrap();
        let faults = judge(&next);
        assert!(faults.is_empty(), "{name}, cut off at step {cut_at}: {faults:#?}");
        undo_all(&root);
        let left = differences(&before, &store_picture(&root));
        assert!(left.is_empty(), "{name}, cut off at step {cut_at}, not undone: {left:#?}");
        if finished {
            break;
        }
        cut_at += 1;
    }
    println!("{name}: {cut_at} steps");
    assert!(cut_at > 5, "{name}: only {cut_at} steps");
}

/// Undoes all runs, the last one first: names are times, and a second run of the same second has the longer name.
fn undo_all(root: &Path) {
    let runs = std::fs::read_dir(root.join("containerd-fsck/runs")).unwrap();
    let mut runs: Vec<_> = runs.map(|run| run.unwrap().file_name().into_string().unwrap()).collect();
    runs.sort_by_key(|run| std::cmp::Reverse((run.get(..16).map(str::to_owned), run.len())));
    for run in &runs {
        undo(root, run);
    }
}
