use verifier_core::finding::{Code, FindingKind};
use verifier_core::finding::{Reason, Unverified};

use super::*;
use crate::args::Color;
use crate::sample::{self, digest, named};

fn text(report: &Report, strict: bool) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes, report, strict, Style::default()).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn line(report: &Report, strict: bool) -> String {
    let mut bytes = Vec::new();
    write_line(&mut bytes, report, strict, Style::default()).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_clean_store() {
    let report = sample::report(Vec::new());
    let expected = "\
/var/lib/containerd: containerd stopped, depth full

Checked 4 blobs and 2 snapshots, 4.0 MiB in 1.5 s (2.6 MiB/s).
CLEAN: nothing is wrong.
";
    assert_eq!(text(&report, true), expected);
    assert_eq!(line(&report, true), "");
}

#[test]
fn a_power_cut_that_two_images_feel() {
    let mut cut = sample::finding(Code::SnapshotDiffers);
    cut.blast.images.insert(named("k8s.io", "registry.example/app:2"));
    let mut report = sample::report(vec![cut, sample::finding(Code::IngestStale)]);
    report.findings[1].blast = Default::default();
    report.coverage.unverified =
        vec![sample::unverified(Reason::NoLayer), sample::unverified(Reason::NoLayer)];
    let expected = format!(
        "\
/var/lib/containerd: containerd stopped, depth full

Images registry.example/app:1 (default)
       registry.example/app:2 (k8s.io)
  ERROR snapshot-differs
    overlayfs snapshot 3 (default/3/{c})
      2 paths are not as its layer made them (mode: 1, size: 1); layer
      {a}
        usr/bin/bash: 0 bytes instead of 1,265,648
        and 1 more (--format json lists them)
    containers: web (default)
    -> The layer's blob is intact: the files can be restored from it, without any network. Start no
       container on it until then. Pulling again changes nothing, because containerd takes the
       snapshot for good. 'containerd-fsck repair' puts it right; without --yes it only shows how.

In no image
  WARNING ingest-stale
    ingest 0123abcd
      2.9 KiB of a download that nothing will finish: metadata no longer knows it
    -> Remove its folder while containerd is stopped; it only takes space. 'containerd-fsck repair'
       puts it right; without --yes it only shows how.

Found 1 error, 1 warning; reached: 2 images, 1 container.
Checked 4 blobs and 2 snapshots, 4.0 MiB in 1.5 s (2.6 MiB/s).
Not verifiable: 2 snapshots: no layer made it: committed by hand, or a build's cache.
DAMAGED.
",
        a = digest('a'),
        c = digest('c')
    );
    assert_eq!(text(&report, false), expected);
    assert_eq!(
        line(&report, false),
        "/var/lib/containerd: damaged: 1 error, 1 warning; reached: 2 images, 1 container\n"
    );
}

#[test]
fn what_destroys_data_comes_first_and_loud() {
    let report =
        sample::report(vec![sample::finding(Code::MetadataUnusable), sample::finding(Code::BlobMissing)]);
    let text = text(&report, false);
    let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part:?} is not in\n{text}"));
    assert!(at("!!  DO NOT START CONTAINERD") < at("CRITICAL metadata-unusable"));
    assert!(at("CRITICAL metadata-unusable") < at("ERROR blob-missing"));
    assert!(text.contains("4 blobs and 1 snapshot are"));
    assert!(line(&report, false).ends_with("; DO NOT START CONTAINERD\n"));
}

#[test]
fn warnings_are_damage_only_when_strict() {
    let report = sample::report(vec![sample::finding(Code::IngestStale)]);
    assert!(text(&report, false).ends_with("CLEAN: no damage (warnings count with --strict only).\n"));
    assert!(text(&report, true).ends_with("DAMAGED.\n"));
    assert_eq!(line(&report, false), "");
    assert!(line(&report, true).contains("damaged: 1 warning"));
}

#[test]
fn gaps_are_named_and_never_called_clean() {
    let mut report = sample::report(Vec::new());
    report.coverage.unverified = vec![sample::unverified(Reason::PermissionDenied); 12];
    let all = text(&report, false);
    let gap = format!("Not checked: overlayfs snapshot 3 (default/3/{}): permission denied.\n", digest('c'));
    assert_eq!(all.matches(&gap).count(), 10, "{all}");
    assert!(all.ends_with(
        "Not checked: 2 more (--format json lists all).\nINCOMPLETE: not everything could be checked.\n"
    ));
    assert_eq!(line(&report, false), "/var/lib/containerd: incomplete: nothing wrong\n");
    report.findings = vec![sample::finding(Code::BlobMissing)];
    assert!(text(&report, false).ends_with("DAMAGED, and not everything could be checked.\n"));
    assert!(line(&report, false).contains("damaged and not checked to the end: 1 error"));
}

#[test]
fn the_same_advice_is_given_once() {
    let mut other = sample::finding(Code::SnapshotDiffers);
    other.blast.images.clear();
    let report = sample::report(vec![sample::finding(Code::SnapshotDiffers), other]);
    let text = text(&report, false);
    assert_eq!((text.matches("-> The layer's blob").count(), text.matches("-> As above.").count()), (1, 1));
}

#[test]
fn many_of_a_kind_are_counted_not_listed() {
    let report = sample::report(vec![sample::finding(Code::BlobMissing); 5010]);
    let text = text(&report, false);
    assert_eq!(text.matches("      is recorded, but its file of 2.0 KiB is gone\n").count(), 10);
    assert!(text.contains("    and 5,000 more of these (--format json lists all)\n"));
    assert!(text.contains("Found 5,010 errors; reached: 1 image, 1 container."));
}

#[test]
fn worse_groups_come_first_then_wider_ones() {
    let of = |code, names: &[&str]| {
        let mut finding = sample::finding(code);
        finding.blast.images = names.iter().map(|name| named("default", name)).collect();
        finding
    };
    let report = sample::report(vec![
        of(Code::BoltMetaInvalid, &["a"]),
        of(Code::BlobMissing, &["b"]),
        of(Code::BlobMissing, &["c", "d"]),
    ]);
    let text = text(&report, false);
    let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part:?} is not in\n{text}"));
    assert!(at("Images c (default)") < at("Image  b (default)"));
    assert!(at("Image  b (default)") < at("Image  a (default)"));
}

#[test]
fn a_hostile_name_cannot_forge_a_line() {
    let mut finding = sample::finding(Code::LayerInvalid);
    finding.kind = FindingKind::LayerInvalid { error: "x\nCLEAN: nothing is wrong.\x1b[2J".into() };
    finding.blast.images = [named("n\ns", "evil\r\n\x1b]0;title\x07name\u{202e}")].into();
    finding.blast.containers = [named("\n", "\n")].into();
    let mut report = sample::report(vec![finding]);
    report.root = "/a\nb".into();
    report.coverage.unverified = vec![Unverified {
        subject: verifier_core::finding::Subject::Path { path: "\nCLEAN".into() },
        reason: Reason::NotComparable { what: "\n\x1b".into() },
    }];
    let text = text(&report, false);
    assert!(!text.contains(['\x1b', '\r', '\x07', '\u{202e}']), "{text:?}");
    assert!(!text.lines().any(|line| line.starts_with("CLEAN") || line.starts_with('b')), "{text}");
    assert!(text.contains(r"evil\r\n\u{1b}]0;title\u{7}name\u{202e} (n\ns)"), "{text}");
}

#[test]
fn every_finding_has_words_and_advice() {
    for &code in Code::ALL {
        let finding = sample::finding(code);
        let message = words::message(&finding);
        assert!(!message.contains('\n') && !message.contains("no words"), "{message}");
        assert!(message.starts_with(&words::subject(&finding.subject)), "{message}");
        let advice = words::advice(&finding);
        assert!(advice.ends_with(['.', ')']) && !advice.contains("See '"), "{code}: {advice}");
    }
}

#[test]
fn colour_changes_nothing_but_colour() {
    let report = sample::report(Code::ALL.iter().map(|&code| sample::finding(code)).collect());
    let mut bytes = Vec::new();
    write(&mut bytes, &report, false, Style::new(Color::Always, &std::io::stdout())).unwrap();
    let coloured = String::from_utf8(bytes).unwrap();
    assert!(coloured.contains("\x1b[1;31mERROR\x1b[0m"));
    let mut plain = String::new();
    for part in coloured.split('\x1b') {
        plain.push_str(
            part.strip_prefix('[').and_then(|rest| rest.split_once('m')).map_or(part, |(_, rest)| rest),
        );
    }
    assert_eq!(plain, text(&report, false));
}

#[test]
fn a_failing_medium_is_named() {
    let report = sample::report(vec![sample::finding(Code::BlobUnreadable)]);
    assert!(
        text(&report, false).contains("Read errors from /dev/sdb1 (ext4, mounted on /var/lib/containerd).\n")
    );
    assert!(!text(&sample::report(Vec::new()), false).contains("/dev/sdb1"));
}
