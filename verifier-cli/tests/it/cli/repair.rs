//! `repair` on a golden store and on the catalogue of damages.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use testdata::damage::{self, Damage, How};
use testdata::in_parallel;

use super::support::{BLOBS, Ran, blobs, check, command, finish, flip, fsck, state_dir, store};

const FILE: &str = "io.containerd.snapshotter.v1.overlayfs/snapshots";

fn repair(root: &Path, more: &[&str]) -> Ran {
    let mut repair = command();
    repair.args(["repair", "--root"]).arg(root).arg("--state-dir").arg(state_dir());
    finish(repair.args(more))
}

/// The document, which must be all of stdout and fit the schema.
fn document(ran: &Ran) -> Value {
    let document: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|why| panic!("{why}: {ran:?}"));
    let schema = serde_json::from_str(include_str!("../../../schema/repair-1.json")).unwrap();
    if let Err(error) = jsonschema::draft202012::validate(&schema, &document) {
        panic!("{}: {error}\n{document:#}", error.instance_path());
    }
    document
}

/// Empties the largest file of any snapshot.
fn empty_a_file(root: &Path) {
    let mut largest = (0, std::path::PathBuf::new());
    let mut left = vec![root.join(FILE)];
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let stat = entry.path().symlink_metadata().unwrap();
            if stat.is_dir() {
                left.push(entry.path());
            } else if stat.is_file() && stat.len() > largest.0 {
                largest = (stat.len(), entry.path());
            }
        }
    }
    std::fs::write(largest.1, b"").unwrap();
}

#[test]
fn a_healthy_store_needs_nothing() {
    let store = store();
    for args in [&[][..], &["--yes"], &["--from", "/dev/null"]] {
        let ran = repair(store.path(), args);
        let status = if args.contains(&"--from") { 16 } else { 0 };
        assert_eq!(ran.status, status, "{ran:?}");
    }
    let document = document(&repair(store.path(), &["--format", "json"]));
    assert_eq!(document["outcome"], "clean");
}

#[test]
fn plan_repair_prove_undo_purge() {
    let store = store();
    let root = store.path();
    empty_a_file(root);
    let plan = repair(root, &[]);
    assert_eq!(plan.status, 4, "{plan:?}");
    assert!(plan.stdout.contains("restore") && plan.stdout.contains("--yes does it"), "{plan:?}");
    assert!(!root.join("containerd-fsck").exists(), "a plan changes nothing");
    assert_eq!(repair(root, &["--only", "evict"]).status, 4);
    assert!(repair(root, &["--only", "evict"]).stdout.contains("--only leaves out"));

    let done = repair(root, &["--yes", "--format", "json"]);
    assert_eq!(done.status, 1, "{done:?}");
    let done = document(&done);
    assert_eq!((&done["outcome"], &done["pull_bytes"]), (&"corrected".into(), &0.into()));
    assert_eq!(check(root, &["--strict"]).status, 0);
    assert_eq!(repair(root, &["--yes"]).status, 0, "nothing is left to do");

    let run = done["run"].as_str().unwrap();
    assert!(repair(root, &["--runs"]).stdout.contains(run));
    let undone = repair(root, &["--undo", run]);
    assert_eq!(undone.status, 0, "{undone:?}");
    assert_eq!(check(root, &[]).status, 4);
    assert_eq!(repair(root, &["--undo", "last"]).stdout, format!("{run} was undone already\n"));
    let again: Value =
        serde_json::from_str(&repair(root, &["--undo", &run[..9], "--format", "json"]).stdout).unwrap();
    assert_eq!((&again["run"], &again["was_undone"]), (&run.into(), &true.into()));

    let stray = root.join("containerd-fsck/runs/note");
    std::fs::write(&stray, "").unwrap();
    let listed = repair(root, &["--runs"]);
    assert!(
        listed.status == 8 && listed.stderr.contains("note") && listed.stdout.contains(run),
        "{listed:?}"
    );
    std::fs::remove_file(&stray).unwrap();

    let shown = repair(root, &["--purge", run]);
    assert!(shown.status == 0 && shown.stdout.contains("--yes does it"), "{shown:?}");
    assert!(root.join("containerd-fsck/runs").join(run).exists(), "deleted without --yes");
    let gone: Value =
        serde_json::from_str(&repair(root, &["--purge", "all", "--yes", "--format", "json"]).stdout).unwrap();
    assert_eq!((&gone["deleted"], &gone["runs"][0]["id"]), (&true.into(), &run.into()));
    assert!(repair(root, &["--runs"]).stdout.starts_with("0 runs kept"));
    for name in ["nothing", "..", "a/b", ""] {
        assert_eq!(repair(root, &["--undo", name]).status, 16, "{name}");
        assert_eq!(repair(root, &["--purge", name]).status, 16, "{name}");
    }
}

#[test]
fn only_what_a_report_names() {
    let store = store();
    let root = store.path();
    empty_a_file(root);
    let report = store.path().join("report.json");
    std::fs::write(&report, check(root, &["--format", "json"]).stdout).unwrap();
    flip(&blobs(root).remove(0));
    let args = ["--from", report.to_str().unwrap(), "--format", "json"];
    let plan = document(&repair(root, &args));
    let actions = plan["actions"].as_array().unwrap();
    let verbs: Vec<&str> = actions.iter().map(|action| action["verb"].as_str().unwrap()).collect();
    assert!(!verbs.contains(&"evict") || plan["refusals"].as_array().unwrap().is_empty(), "{plan:#}");
}

#[test]
fn right_bytes_come_from_a_source() {
    let store = store();
    let root = store.path();
    let other = self::store();
    let layer = blobs(root).remove(0);
    flip(&layer);
    let archive = other.path().join("images.tar");
    let content = other.path().join(BLOBS).parent().unwrap().parent().unwrap().to_owned();
    let mut tar = std::process::Command::new("tar");
    tar.arg("-cf").arg(&archive).arg("-C").arg(content).arg("blobs");
    assert!(tar.status().unwrap().success());
    for source in [other.path(), &archive] {
        let ran = repair(root, &["--source", source.to_str().unwrap(), "--format", "json"]);
        assert_eq!(document(&ran)["actions"][0]["verb"], "replace", "{ran:?}");
    }
    let ran = repair(root, &["--yes", "--source", archive.to_str().unwrap()]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert_eq!(check(root, &[]).status, 0);
    for source in ["/nowhere", "/proc"] {
        assert_eq!(repair(root, &["--source", source]).status, 16, "{source}");
    }
}

#[test]
fn every_kind_of_damage_has_a_plan_or_a_reason_that_fits_the_schema() {
    let by_code: BTreeMap<&str, &Damage> = damage::all()
        .filter(|damage| !matches!(damage.how, How::Reads(_)))
        .filter_map(|damage| Some((damage.full?, damage)))
        .collect();
    let damages: Vec<&Damage> = by_code.into_values().collect();
    let faults: Vec<String> = in_parallel(&damages, |damage| {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        damage.apply(&root).unwrap();
        let json = repair(&root, &["--format", "json"]);
        let plan = document(&json);
        let human = repair(&root, &[]);
        assert_eq!(json.status, human.status, "{}", damage.name);
        let (actions, refusals) = (plan["actions"].as_array().unwrap(), plan["refusals"].as_array().unwrap());
        let told = actions.iter().flat_map(|action| action["because"].as_array().unwrap()).chain(refusals);
        let told: Vec<&str> = told.map(|reason| reason["code"].as_str().unwrap()).collect();
        let code = damage.full.unwrap();
        let is_info = check(&root, &["--format", "json"]).report()["findings"]
            .as_array()
            .unwrap()
            .iter()
            .all(|finding| finding["severity"] == "info");
        if told.contains(&code) || is_info { Vec::new() } else { vec![format!("{}: {code}", damage.name)] }
    });
    assert!(faults.is_empty(), "nothing is said of {faults:?}");
}

#[test]
fn the_alias_is_the_same_command() {
    let store = store();
    let ran = fsck(&["gc", "--root", store.path().to_str().unwrap()]);
    assert_eq!(ran.status, 0, "{ran:?}");
}
