//! The whole catalogue of damages through the command: its formats agree, whatever is wrong.

use std::collections::{BTreeMap, BTreeSet};

use testdata::damage::{self, Damage, How};
use testdata::in_parallel;

use super::support::check;

#[test]
fn every_kind_of_damage_fits_the_schema_and_all_formats_agree() {
    // One of each code; what they must be is the library's test.
    let by_code: BTreeMap<&str, &Damage> = damage::all()
        .filter(|damage| !matches!(damage.how, How::Reads(_)))
        .filter_map(|damage| Some((damage.full?, damage)))
        .collect();
    let damages: Vec<&Damage> = by_code.into_values().collect();
    let codes = in_parallel(&damages, |damage| {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        damage.apply(&root).unwrap();
        let json = check(&root, &["--format", "json"]);
        let report = json.report();
        let findings = report["findings"].as_array().unwrap();
        let quiet = check(&root, &["--quiet"]);
        assert_eq!(json.status, quiet.status, "{}", damage.name);
        assert_eq!(quiet.stdout.lines().count(), usize::from(json.status != 0), "{}: {quiet:?}", damage.name);
        let human = check(&root, &[]);
        assert_eq!(json.status, human.status, "{}", damage.name);
        for finding in findings {
            let code = finding["code"].as_str().unwrap();
            assert!(human.stdout.contains(&format!(" {code}\n")), "{}: {}", damage.name, human.stdout);
        }
        findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
    });
    let codes: BTreeSet<String> = codes.into_iter().collect();
    assert!(codes.len() > 15, "{codes:?}");
}
