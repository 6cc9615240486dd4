//! Every damage of the catalogue is found: its code, about its subject, with its reach, and nothing else.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where its own footing fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use testdata::builder::sample;
use testdata::damage::{self, Damage, Damaged, Refusal};
use testdata::in_parallel;
use verifier_core::event::{Interrupt, Unobserved};
use verifier_core::finding::{Code, Finding, Named};
use verifier_core::io::{Gate, Op};
use verifier_core::report::{Depth, Outcome, Report};
use verifier_core::{CheckOptions, Store, check};

const DEPTHS: [Depth; 3] = [Depth::Quick, Depth::Blobs, Depth::Full];

#[test]
fn a_healthy_store_is_clean() {
    let folder = tempfile::tempdir().unwrap();
    sample().unwrap().store.write(folder.path()).unwrap();
    for depth in DEPTHS {
        let report = look(folder.path(), depth, Gate::default());
        assert_eq!(report.findings, [], "{depth:?}");
        assert_eq!(report.outcome(true), Outcome::Clean, "{depth:?}: {:#?}", report.coverage);
    }
}

#[test]
fn each_damage_is_found_and_nothing_else() {
    let damages: Vec<&Damage> = damage::all().collect();
    let faults = in_parallel(&damages, |damage| faults_of(damage));
    let count = faults.len();
    assert!(faults.is_empty(), "{count} of {}:\n{}", damages.len() * DEPTHS.len(), faults.join("\n"));
}

#[test]
fn every_code_has_a_damage() {
    let caused: BTreeSet<Code> =
        damage::all().flat_map(Damage::codes).map(|code| code.parse().unwrap()).collect();
    let missing: Vec<&Code> = Code::ALL.iter().filter(|code| !caused.contains(code)).collect();
    assert!(missing.is_empty(), "no damage causes {missing:?}");
}

#[test]
fn every_damage_has_a_name_of_its_own() {
    let mut times: BTreeMap<&str, u32> = BTreeMap::new();
    damage::all().for_each(|damage| *times.entry(damage.name).or_default() += 1);
    times.retain(|_, times| *times > 1);
    assert!(times.is_empty(), "{times:?}");
}

/// What is wrong with what is said of `damage`, one line each.
fn faults_of(damage: &Damage) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let damaged = damage.apply(&root).expect(damage.name);
    let expected = [damage.quick, damage.blobs, damage.full];
    let at = |(depth, code): (Depth, Option<&str>)| {
        let report = look(&root, depth, gate(damaged.refusal.as_ref()));
        let fault = fault(&report, damage, &damaged, code)?;
        Some(format!("{} at {depth:?}: {fault}", damage.name))
    };
    DEPTHS.into_iter().zip(expected).filter_map(at).collect()
}

fn fault(report: &Report, damage: &Damage, damaged: &Damaged, code: Option<&str>) -> Option<String> {
    let found = || report.findings.iter().map(line).collect::<Vec<_>>().join("; ");
    let (code, finding) = match (code, report.findings.as_slice()) {
        (None, []) if report.is_complete() => return None,
        (None, []) => return Some(format!("incomplete: {:?}", report.coverage.unverified)),
        (Some(code), [finding]) if finding.code().as_str() == code => (code, finding),
        (code, _) => return Some(format!("expected {code:?}, found [{}]", found())),
    };
    let subject = serde_json::to_value(&finding.subject).unwrap();
    let wanted = damaged.subject.to_json();
    if wanted.as_object().unwrap().iter().any(|(key, value)| subject.get(key) != Some(value)) {
        return Some(format!("{code} about {subject}, should be {wanted}"));
    }
    let blast = &finding.blast;
    let is = (names(&blast.images), names(&blast.containers), blast.namespaces.clone());
    let reach = damage.reach;
    let should = (reach.images(&damaged.sample), reach.containers(), reach.namespaces());
    (is != should).then(|| format!("{code} reaches {is:?}, should reach {should:?}"))
}

fn names(named: &BTreeSet<Named>) -> BTreeSet<(String, String)> {
    named.iter().map(|named| (named.namespace.clone(), named.name.clone())).collect()
}

fn line(finding: &Finding) -> String {
    serde_json::to_string(&(&finding.subject, &finding.kind)).unwrap()
}

fn look(root: &Path, depth: Depth, gate: Gate) -> Report {
    let store = Store::open_with(root, gate).unwrap();
    let options = CheckOptions::default().depth(depth).threads(1);
    check(&store, &options, &Unobserved, &Interrupt::default()).unwrap()
}

/// A gate at which that one read fails.
fn gate(refusal: Option<&Refusal>) -> Gate {
    let Some(Refusal { op, path, errno }) = refusal.cloned() else { return Gate::default() };
    let op = match op {
        damage::Op::Open => Op::Open,
        damage::Op::Stat => Op::Stat,
        damage::Op::List => Op::List,
        damage::Op::Read => Op::Read,
        damage::Op::Xattr => Op::Xattr,
    };
    Gate::new(
        move |asked, at| {
            if asked == op && at == path { Err(io::Error::from_raw_os_error(errno)) } else { Ok(()) }
        },
    )
}
