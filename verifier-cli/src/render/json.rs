//! The report as one JSON document, described by `schema/report-1.json`.
//!
//! The document is stable: fields and codes may be added, none changes its meaning without a new `schema` number.
//! Text that is no UTF-8 is written with U+FFFD; `message`, `expected` and `actual` are for people, `evidence` is for
//! programs.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use serde::{Serialize, Serializer};
use verifier_core::finding::{Coverage, Depth};
use verifier_core::finding::{Finding, FindingKind, Named, Names, Severity, Subject};
use verifier_core::host::Advice;
use verifier_core::host::Device;
use verifier_core::plan::Selection;
use verifier_core::report::{DatabaseReport, Outcome, Report};
use verifier_core::scan::Mode;

/// The version of the document's shape.
const SCHEMA: u32 = 1;

/// How many images or containers of one finding are named.
const NAMES_SHOWN: usize = 50;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    #[serde(serialize_with = "lossy")]
    root: &'a Path,
    device: Option<&'a Device>,
    mode: Mode,
    depth: Depth,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_risk: Option<&'a Selection>,
    outcome: Outcome,
    complete: bool,
    findings: Vec<Item<'a>>,
    coverage: &'a Coverage,
    databases: &'a [DatabaseReport],
    advice: &'a [Advice],
    elapsed_seconds: f64,
}

#[derive(Serialize)]
struct Item<'a> {
    code: &'static str,
    severity: Severity,
    subject: &'a Subject,
    namespaces: &'a BTreeSet<String>,
    images: Vec<&'a Named>,
    images_left_out: u64,
    containers: Vec<&'a Named>,
    containers_left_out: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actual: Option<String>,
    message: String,
    evidence: &'a FindingKind,
}

impl<'a> From<&'a Finding> for Item<'a> {
    fn from(finding: &'a Finding) -> Self {
        Item {
            code: finding.code().as_str(),
            severity: finding.severity(),
            subject: &finding.subject,
            namespaces: &finding.blast.namespaces,
            images: shown(&finding.blast.images),
            images_left_out: left_out(&finding.blast.images),
            containers: shown(&finding.blast.containers),
            containers_left_out: left_out(&finding.blast.containers) + finding.blast.containers_left_out,
            path: finding.path.as_ref().map(|path| path.to_string_lossy().into_owned()),
            expected: finding.kind.expected(&finding.subject),
            actual: finding.kind.actual(),
            message: finding.to_string(),
            evidence: &finding.kind,
        }
    }
}

/// The first of many names: a thousand findings may reach a thousand of them each.
pub(super) fn shown(names: &Names) -> Vec<&Named> {
    names.iter().take(NAMES_SHOWN).collect()
}

/// How many more there are.
pub(super) fn left_out(names: &Names) -> u64 {
    names.len().saturating_sub(NAMES_SHOWN) as u64
}

/// Writes `report` and a line break; warnings are damage if `strict`.
pub(crate) fn write(out: &mut dyn Write, report: &Report, strict: bool) -> io::Result<()> {
    let document = Document {
        schema: SCHEMA,
        root: &report.root,
        device: report.device.as_ref(),
        mode: report.mode,
        depth: report.depth,
        at_risk: report.at_risk.as_ref(),
        outcome: report.outcome(strict),
        complete: report.is_complete(),
        findings: report.findings.iter().map(Item::from).collect(),
        coverage: &report.coverage,
        databases: &report.databases,
        advice: &report.advice,
        elapsed_seconds: report.elapsed.as_secs_f64(),
    };
    super::write_json(out, &document)
}

fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use serde_json::{Value, json};
    use verifier_core::finding::Code;
    use verifier_core::finding::Reason;

    fn document(report: &Report, strict: bool) -> Value {
        let mut bytes = Vec::new();
        write(&mut bytes, report, strict).unwrap();
        assert!(bytes.ends_with(b"}\n"));
        serde_json::from_slice(&bytes).unwrap()
    }

    fn schema() -> Value {
        serde_json::from_str(include_str!("../../schema/report-1.json")).unwrap()
    }

    #[test]
    fn every_finding_fits_the_schema() {
        let validator = jsonschema::draft202012::new(&schema()).unwrap();
        for &code in Code::ALL {
            let document = document(&sample::report(vec![sample::finding(code)]), false);
            let errors: Vec<String> =
                validator.iter_errors(&document).map(|e| format!("{}: {e}", e.instance_path())).collect();
            assert!(errors.is_empty(), "{code}: {errors:#?}\n{document:#}");
            assert_eq!(document["findings"][0]["code"], code.as_str());
            assert_eq!(document["findings"][0]["evidence"]["code"], code.as_str());
        }
    }

    #[test]
    fn every_difference_fits_the_schema() {
        let validator = jsonschema::draft202012::new(&schema()).unwrap();
        let mut finding = sample::finding(Code::SnapshotDiffers);
        let FindingKind::SnapshotDiffers(damage) = &mut finding.kind else { panic!("another kind") };
        damage.differences = sample::differences();
        let document = document(&sample::report(vec![finding]), false);
        let errors: Vec<String> =
            validator.iter_errors(&document).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
    }

    #[test]
    fn every_database_fits_the_schema() {
        let validator = jsonschema::draft202012::new(&schema()).unwrap();
        let mut report = sample::report(Vec::new());
        report.databases = vec![sample::database(), sample::damaged_database(), sample::unusable_database()];
        let document = document(&report, false);
        let errors: Vec<String> =
            validator.iter_errors(&document).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
        assert_eq!(document["databases"][1]["salvage"]["lost"]["images"], json!(2));
    }

    #[test]
    fn every_code_has_its_evidence_in_the_schema() {
        let schema = schema();
        let evidence = schema["$defs"]["evidence"]["oneOf"].as_array().unwrap();
        let codes: BTreeSet<&str> =
            evidence.iter().filter_map(|kind| kind["properties"]["code"]["const"].as_str()).collect();
        assert_eq!(codes, Code::ALL.iter().map(|code| code.as_str()).collect());
    }

    #[test]
    fn the_schema_refuses_what_is_wrong() {
        let validator = jsonschema::draft202012::new(&schema()).unwrap();
        let good = document(&sample::report(vec![sample::finding(Code::BlobDigestMismatch)]), false);
        let edits: [fn(&mut Value); 6] = [
            |doc| doc["schema"] = json!(2),
            |doc| doc["outcome"] = json!("fine"),
            |doc| doc["surplus"] = json!(1),
            |doc| doc["findings"][0]["evidence"]["actual"] = json!(7),
            |doc| doc["findings"][0]["subject"] = json!({"kind": "blob"}),
            |doc| doc["coverage"]["blobs"]["checked"] = json!(-1),
        ];
        for edit in edits {
            let mut document = good.clone();
            edit(&mut document);
            assert!(!validator.is_valid(&document), "{document:#}");
        }
    }

    #[test]
    fn every_reason_and_subject_fits_the_schema() {
        let validator = jsonschema::draft202012::new(&schema()).unwrap();
        let mut report = sample::report(Vec::new());
        report.coverage.unverified = sample::reasons().into_iter().map(sample::unverified).collect();
        for subject in sample::subjects() {
            let unverified = verifier_core::finding::Unverified { subject, reason: Reason::Interrupted };
            report.coverage.unverified.push(unverified);
        }
        let document = document(&report, false);
        let errors: Vec<String> =
            validator.iter_errors(&document).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
        assert_eq!(document["complete"], json!(false));
        assert_eq!(document["outcome"], json!("incomplete"));
    }

    #[test]
    fn every_advice_fits_the_schema_and_has_words() {
        let validator = jsonschema::draft202012::new(&schema()).unwrap();
        let mut report = sample::report(Vec::new());
        report.advice = sample::advice();
        let mut document = document(&report, false);
        let errors: Vec<String> = validator.iter_errors(&document).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
        for advice in &report.advice {
            let words = crate::words::host(advice);
            assert!(words.ends_with('.') && !words.contains("{ "), "{words}");
        }
        document["advice"][0]["free_bytes"] = json!("much");
        assert!(!validator.is_valid(&document));
    }

    #[test]
    fn what_is_at_risk_fits_the_schema() {
        let validator = jsonschema::draft202012::new(&schema()).unwrap();
        for selection in sample::selections() {
            let mut report = sample::report(Vec::new());
            report.at_risk = Some(selection);
            let document = document(&report, false);
            let errors: Vec<String> = validator.iter_errors(&document).map(|e| e.to_string()).collect();
            assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
        }
    }

    #[test]
    fn of_many_names_the_first_are_shown_and_the_others_counted() {
        let mut finding = sample::finding(Code::BlobMissing);
        let names = |count: usize| (0..count).map(|number| sample::named("n", &format!("{number:04}")));
        finding.blast.images = names(70).collect();
        finding.blast.containers = names(50).collect();
        finding.blast.containers_left_out = 7;
        let document = document(&sample::report(vec![finding]), false);
        let finding = &document["findings"][0];
        assert_eq!(finding["images"].as_array().unwrap().len(), 50);
        assert_eq!(finding["images"][49]["name"], json!("0049"));
        assert_eq!((&finding["images_left_out"], &finding["containers_left_out"]), (&json!(20), &json!(7)));
    }

    #[test]
    fn the_verdict_depends_on_strictness_only() {
        let report = sample::report(vec![sample::finding(Code::IngestStale)]);
        assert_eq!(document(&report, false)["outcome"], json!("clean"));
        assert_eq!(document(&report, true)["outcome"], json!("damaged"));
    }

    #[test]
    fn names_that_are_no_utf8_are_written_all_the_same() {
        use std::os::unix::ffi::OsStrExt as _;
        let odd = std::path::PathBuf::from(std::ffi::OsStr::from_bytes(b"a\xff\nb"));
        let mut finding = sample::finding(Code::PathUnreadable);
        finding.subject = Subject::Path { path: odd.clone() };
        finding.path = Some(odd.clone());
        let mut report = sample::report(vec![finding]);
        report.root = odd;
        let document = document(&report, false);
        assert_eq!(document["root"], json!("a\u{fffd}\nb"));
        assert_eq!(document["findings"][0]["path"], json!("a\u{fffd}\nb"));
        assert_eq!(document["findings"][0]["subject"]["path"], json!("a\u{fffd}\nb"));
        assert!(document["findings"][0]["message"].as_str().unwrap().starts_with("a\\xff\\nb: "));
    }
}
