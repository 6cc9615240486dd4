//! The outcome in Prometheus' text format, for node_exporter's textfile collector.
//!
//! Labels are bounded: the root, an outcome, a code of a finding, a kind of subject. A run writes all of its series whatever
//! came of it, and keeps those that only other commands write (of coverage, of the last run) as they are in the file: one that
//! vanished means that the file did. The time of the last success outlives the runs that had none.

use std::fmt::Write as _;
use std::path::Path;

use verifier_core::finding::Code;
use verifier_core::io::{read_file, write_file};
use verifier_core::report::{Outcome, Report};
use verifier_core::sweep::Swept;
use verifier_core::text::is_hidden;
use verifier_core::time::Timestamp;

use crate::args::MonitorArgs;
use crate::command::complain;
use crate::exit::Status;
use crate::words;

/// A file of metrics has some KiB for each root; more is none of ours.
const LIMIT_BYTES: u64 = 16 << 20;
const PREFIX: &str = "containerd_fsck_";
const LAST_SUCCESS: &str = "containerd_fsck_last_success_timestamp_seconds";

/// How far sweeps have come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CoverageNumbers {
    /// What there is to verify.
    pub(crate) subjects: u64,
    /// What should have been verified by now and was not.
    pub(crate) overdue: u64,
    /// How long ago the oldest was; `None`: some never.
    pub(crate) oldest_seconds: Option<i64>,
}

/// Writes the file that `args` ask for.
pub(crate) fn write_of(args: &MonitorArgs, report: &Report, strict: bool, swept: Option<&Swept>) -> Status {
    let coverage = swept.map(|swept| CoverageNumbers {
        subjects: swept.subjects,
        overdue: swept.overdue,
        oldest_seconds: swept.oldest_seconds,
    });
    write_with(args, &report.root, |before, now| text(report, strict, coverage, before, now))
}

/// Writes the file with what `text` makes of the file before and of the time.
pub(crate) fn write_with(args: &MonitorArgs, root: &Path, text: impl FnOnce(&str, i64) -> String) -> Status {
    let Some(path) = &args.metrics_file else { return Status::CLEAN };
    // What cannot be read (no file of ours, or none at all) is as good as not there, but is not replaced.
    let before = read_file(path, LIMIT_BYTES).ok().flatten().unwrap_or_default();
    let before = String::from_utf8_lossy(&before);
    let mut text = text(&before, Timestamp::now().seconds);
    text.push_str(&kept(&before, &text, root));
    // The collector is another user.
    match write_file(path, 0o644, text.as_bytes()) {
        Ok(()) => Status::CLEAN,
        Err(error) => {
            complain(format_args!("{}: {error}", super::escape_path(path)));
            Status::INCOMPLETE
        }
    }
}

/// What the file said before of the same root, of metrics that `text` has not.
fn kept(before: &str, text: &str, root: &Path) -> String {
    let root = label(&root.to_string_lossy());
    let mut kept = String::new();
    for line in before.lines() {
        let comment = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
        let name = comment.unwrap_or(line).split([' ', '{']).next().unwrap_or_default();
        let of_root = line.strip_prefix(&format!("{name}{{root=\"{root}\"")).and_then(|rest| {
            let (labels, value) = rest.rsplit_once("} ")?;
            (labels.is_empty() || labels.starts_with(',')).then(|| value.parse::<f64>().ok())?
        });
        let is_missing = name.starts_with(PREFIX) && !text.contains(&format!("# TYPE {name} "));
        if is_missing && (comment.is_some() || of_root.is_some()) {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// One file of metrics.
struct Metrics {
    text: String,
    root: String,
}

impl Metrics {
    fn begin(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn value(&mut self, name: &str, label: Option<(&str, &str)>, value: impl std::fmt::Display) {
        let label = label.map(|(key, value)| format!(",{key}=\"{value}\"")).unwrap_or_default();
        let _ = writeln!(self.text, "{name}{{root=\"{}\"{label}}} {value}", self.root);
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.begin(name, "gauge", help);
        self.value(name, None, value);
    }

    /// The time of the last success that the file `before` tells of this root.
    fn last_success(&self, before: &str) -> Option<String> {
        let series = format!("{LAST_SUCCESS}{{root=\"{}\"}} ", self.root);
        let value = before.lines().find_map(|line| line.strip_prefix(&series))?;
        value.parse::<i64>().is_ok().then(|| value.to_owned())
    }
}

/// The text format's escapes of a label's value; what a terminal would act on or not show is spelt out.
fn label(text: &str) -> String {
    let mut value = String::new();
    for c in text.chars() {
        match c {
            '\\' => value.push_str("\\\\"),
            '"' => value.push_str("\\\""),
            '\n' => value.push_str("\\n"),
            _ if is_hidden(c) => value.extend(['\\'].into_iter().chain(c.escape_unicode())),
            _ => value.push(c),
        }
    }
    value
}

/// The metrics of a run that ended at `now`; `before` is the file of the run before.
pub(crate) fn text(
    report: &Report,
    strict: bool,
    coverage: Option<CoverageNumbers>,
    before: &str,
    now: i64,
) -> String {
    let root = label(&report.root.to_string_lossy());
    let mut metrics = Metrics { text: String::new(), root };
    let outcome = report.outcome(strict);
    metrics.begin("containerd_fsck_outcome", "gauge", "1 for the outcome of the last run, 0 for the others.");
    for one in [Outcome::Clean, Outcome::Damaged, Outcome::Incomplete] {
        metrics.value(
            "containerd_fsck_outcome",
            Some(("outcome", words::outcome(one))),
            u8::from(one == outcome),
        );
    }
    metrics.begin("containerd_fsck_findings", "gauge", "Findings of the last run, by code.");
    for code in Code::ALL {
        metrics.value("containerd_fsck_findings", Some(("code", code.as_str())), report.count(*code));
    }
    metrics.gauge(
        "containerd_fsck_must_not_start",
        "1 if starting containerd on this root would destroy data.",
        u8::from(report.must_not_start()),
    );
    let tallies = [("blob", report.coverage.blobs), ("snapshot", report.coverage.snapshots)];
    metrics.begin("containerd_fsck_verified_subjects", "gauge", "What the last run verified, by kind.");
    for (kind, tally) in tallies {
        metrics.value("containerd_fsck_verified_subjects", Some(("kind", kind)), tally.checked);
    }
    metrics.begin("containerd_fsck_verified_bytes", "gauge", "Bytes that the last run read for it, by kind.");
    for (kind, tally) in tallies {
        metrics.value("containerd_fsck_verified_bytes", Some(("kind", kind)), tally.bytes);
    }
    let duration = report.elapsed.as_secs_f64();
    metrics.gauge("containerd_fsck_duration_seconds", "How long the last run took.", duration);
    finish(&mut metrics, coverage, outcome == Outcome::Clean, before, now);
    metrics.text
}

/// The metrics that are not of one report.
fn finish(
    metrics: &mut Metrics,
    coverage: Option<CoverageNumbers>,
    is_success: bool,
    before: &str,
    now: i64,
) {
    if let Some(coverage) = coverage {
        write_coverage(metrics, coverage);
    }
    metrics.gauge("containerd_fsck_last_run_timestamp_seconds", "When the last run ended.", now);
    let success = if is_success { Some(now.to_string()) } else { metrics.last_success(before) };
    metrics.gauge(
        LAST_SUCCESS,
        "When a run last found nothing wrong; 0: never.",
        success.unwrap_or("0".into()),
    );
}

fn write_coverage(metrics: &mut Metrics, coverage: CoverageNumbers) {
    metrics.gauge("containerd_fsck_subjects", "Blobs and snapshots that sweeps verify.", coverage.subjects);
    metrics.gauge(
        "containerd_fsck_overdue_subjects",
        "Blobs and snapshots that should have been verified by now.",
        coverage.overdue,
    );
    // A gauge without a value cannot be alerted on: what was never verified is infinitely old.
    let oldest = coverage.oldest_seconds.map_or_else(|| "+Inf".to_owned(), |seconds| seconds.to_string());
    let oldest = if coverage.subjects == 0 { "0".into() } else { oldest };
    metrics.gauge("containerd_fsck_coverage_age_seconds", "How long ago the oldest was verified.", oldest);
}

/// The metrics of what sweeps have covered, without a run.
pub(crate) fn coverage_text(root: &Path, coverage: CoverageNumbers) -> String {
    let mut metrics = Metrics { text: String::new(), root: label(&root.to_string_lossy()) };
    write_coverage(&mut metrics, coverage);
    metrics.text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use std::collections::BTreeMap;

    /// The series of a file, each once, each announced; panics at what is no text format.
    fn series(text: &str) -> BTreeMap<String, f64> {
        let mut series = BTreeMap::new();
        let mut announced = "";
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                announced = rest.split(' ').next().unwrap();
            } else if !line.starts_with("# HELP ") {
                let (name, value) = line.rsplit_once(' ').unwrap();
                assert_eq!(name.split('{').next(), Some(announced), "{line}");
                assert!(
                    name.ends_with('}') && series.insert(name.to_owned(), value.parse().unwrap()).is_none()
                );
            }
        }
        series
    }

    fn coverage() -> Option<CoverageNumbers> {
        Some(CoverageNumbers { subjects: 9, overdue: 2, oldest_seconds: None })
    }

    #[test]
    fn the_same_series_whatever_happened() {
        let clean = sample::report(Vec::new());
        let damaged = sample::report(Code::ALL.iter().map(|code| sample::finding(*code)).collect());
        let (one, other) = (text(&clean, false, coverage(), "", 5), text(&damaged, false, coverage(), "", 5));
        let (one, other) = (series(&one), series(&other));
        assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
        assert_eq!(one["containerd_fsck_outcome{root=\"/var/lib/containerd\",outcome=\"clean\"}"], 1.0);
        assert_eq!(
            other["containerd_fsck_findings{root=\"/var/lib/containerd\",code=\"blob-missing\"}"],
            1.0
        );
        assert_eq!(other["containerd_fsck_must_not_start{root=\"/var/lib/containerd\"}"], 1.0);
        assert!(one["containerd_fsck_coverage_age_seconds{root=\"/var/lib/containerd\"}"].is_infinite());
    }

    #[test]
    fn the_last_success_is_kept() {
        let clean = text(&sample::report(Vec::new()), false, None, "", 1000);
        let damaged = sample::report(vec![sample::finding(Code::BlobMissing)]);
        let later = text(&damaged, false, None, &clean, 2000);
        let key = format!("{LAST_SUCCESS}{{root=\"/var/lib/containerd\"}}");
        assert_eq!(series(&later)[&key], 1000.0);
        assert_eq!(series(&text(&damaged, false, None, "noise\n\u{0}", 2000))[&key], 0.0);
    }

    #[test]
    fn what_another_command_wrote_is_kept() {
        let clean = sample::report(Vec::new());
        let before = text(&clean, false, coverage(), "", 1000);
        let later = text(&clean, false, None, &before, 2000);
        let kept = kept(&before, &later, &clean.root);
        assert_eq!(kept.lines().filter(|line| !line.starts_with('#')).count(), 3, "{kept}");
        let all = series(&(later + &kept));
        assert_eq!(all["containerd_fsck_subjects{root=\"/var/lib/containerd\"}"], 9.0);
        // Of another root, of nobody, and of no sense.
        for line in [
            "containerd_fsck_subjects{root=\"/var/lib/containerd2\"} 1",
            "up 1",
            "containerd_fsck_x 1",
            "\u{0}",
        ] {
            assert_eq!(super::kept(line, "", &clean.root), "", "{line}");
        }
    }

    /// The rules name no series that is not written, and no value of a label that there is not.
    #[test]
    fn the_alert_rules_are_about_what_is_written() {
        let rules = include_str!("../../packaging/prometheus/containerd-fsck.rules.yml");
        let written = text(&sample::report(Vec::new()), false, coverage(), "", 5);
        let names: std::collections::BTreeSet<String> =
            series(&written).into_keys().map(|key| key.split('{').next().unwrap().to_owned()).collect();
        let expressions: Vec<&str> =
            rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect();
        assert_eq!(expressions.len(), rules.matches("- alert: ").count());
        for expression in expressions {
            let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let used: Vec<&str> = words.filter(|word| word.starts_with("containerd_fsck_")).collect();
            assert!(!used.is_empty() && used.iter().all(|name| names.contains(*name)), "{expression}");
            for value in expression.split('"').skip(1).step_by(2).flat_map(|values| values.split('|')) {
                assert!(written.contains(&format!("=\"{value}\"")), "{value}: {expression}");
            }
        }
    }

    #[test]
    fn the_plugin_for_node_problem_detector_asks_what_we_answer() {
        use clap::Parser as _;
        let text = include_str!("../../packaging/node-problem-detector/containerd-fsck.json");
        let config: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(config["pluginConfig"]["max_output_length"], super::super::npd::WIDTH);
        let args = config["rules"][0]["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap());
        crate::args::Cli::try_parse_from(["containerd-fsck"].into_iter().chain(args)).unwrap();
    }

    #[test]
    fn names_are_escaped() {
        let mut report = sample::report(Vec::new());
        report.root = "/a\"b\\c\nd\u{202e}".into();
        let text = text(&report, false, None, "", 1);
        assert!(text.contains("{root=\"/a\\\"b\\\\c\\nd\\\\u{202e}\"} "), "{text}");
    }
}
