//! `check` on golden stores, as they are and damaged.

use std::fs;

use testdata::golden;

use super::support::{BLOBS, META_DB, blobs, check, flip, name, store};

#[test]
fn a_healthy_store_is_clean_at_every_depth() {
    clean_at_every_depth(&golden::names());
    clean_at_every_depth(&[golden::CRI]);
}

#[test]
#[ignore = "needs root: devices and trusted attributes"]
fn a_store_with_every_kind_of_file_is_clean_at_every_depth() {
    clean_at_every_depth(&[golden::RICH]);
}

fn clean_at_every_depth(stores: &[&str]) {
    for generation in stores {
        let root = tempfile::tempdir().unwrap();
        golden::unpack(generation, root.path()).unwrap();
        for depth in ["quick", "blobs", "full"] {
            let json = check(root.path(), &["--depth", depth, "--strict", "--format", "json"]);
            let report = json.report();
            assert_eq!((json.status, json.stderr.as_str()), (0, ""), "{generation} {depth}: {report:#}");
            assert_eq!(report["outcome"], "clean", "{generation} {depth}");
            assert_eq!(report["depth"], depth);
            assert!(report["coverage"]["blobs"]["checked"].as_u64() > Some(3), "{report:#}");
            let human = check(root.path(), &["--depth", depth]);
            assert_eq!((human.status, human.stderr.as_str()), (0, ""));
            assert!(human.stdout.ends_with("CLEAN: nothing is wrong.\n"), "{}", human.stdout);
            let quiet = check(root.path(), &["--depth", depth, "--quiet"]);
            assert_eq!((quiet.status, quiet.stdout.as_str(), quiet.stderr.as_str()), (0, "", ""));
        }
    }
}

#[test]
fn a_flipped_bit_is_one_finding_in_every_format() {
    let root = store();
    let layer = blobs(root.path()).remove(0);
    flip(&layer);
    let json = check(root.path(), &["--depth", "blobs", "--format", "json"]);
    let report = json.report();
    assert_eq!((json.status, json.stderr.as_str()), (4, ""));
    assert_eq!((&report["outcome"], &report["complete"]), (&"damaged".into(), &true.into()));
    let [finding] = report["findings"].as_array().unwrap().as_slice() else { panic!("{report:#}") };
    assert_eq!(finding["code"], "blob-digest-mismatch");
    assert_eq!(finding["path"], format!("{BLOBS}/{}", name(&layer)));
    assert_eq!(finding["expected"], format!("sha256:{}", name(&layer)));
    assert_eq!(finding["actual"], finding["evidence"]["actual"]);
    assert!(!finding["images"].as_array().unwrap().is_empty());
    let human = check(root.path(), &["--depth", "blobs"]);
    assert_eq!((human.status, human.stderr.as_str()), (4, ""));
    assert!(human.stdout.contains("  ERROR blob-digest-mismatch\n"), "{}", human.stdout);
    assert!(human.stdout.contains("registry.example/tiny:") && human.stdout.ends_with("DAMAGED.\n"));
    let quiet = check(root.path(), &["--depth", "blobs", "--quiet"]);
    assert_eq!((quiet.status, quiet.stdout.lines().count()), (4, 1), "{quiet:?}");
    assert!(quiet.stdout.contains(": damaged: 1 error; reached: "), "{quiet:?}");
}

#[test]
fn a_warning_counts_when_strict() {
    let root = store();
    fs::write(root.path().join(BLOBS).join("x.bad"), "").unwrap();
    for format in ["human", "json"] {
        assert_eq!(check(root.path(), &["--format", format]).status, 0, "{format}");
        assert_eq!(check(root.path(), &["--format", format, "--strict"]).status, 4, "{format}");
    }
    let report = check(root.path(), &["--strict", "--format", "json"]).report();
    assert_eq!(report["findings"][0]["code"], "blob-name-invalid");
    assert_eq!(report["outcome"], "damaged");
}

/// What containerd itself takes away when it next collects.
#[test]
fn a_note_never_counts() {
    let root = store();
    // The digest of no bytes at all.
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    fs::write(root.path().join(BLOBS).join(empty), "").unwrap();
    assert_eq!(check(root.path(), &["--strict"]).status, 0);
    let report = check(root.path(), &["--strict", "--format", "json"]).report();
    assert_eq!(report["findings"][0]["code"], "blob-unreferenced");
    assert_eq!(report["findings"][0]["severity"], "info");
    assert_eq!(report["outcome"], "clean");
}

#[test]
fn what_destroys_data_is_loud_in_every_format() {
    let root = store();
    fs::write(root.path().join(META_DB), "").unwrap();
    for (args, part) in [
        (&[][..], "!!  DO NOT START CONTAINERD"),
        (&["--quiet"], "; DO NOT START CONTAINERD\n"),
        (&["--format", "json"], "\"severity\": \"critical\""),
    ] {
        let ran = check(root.path(), args);
        assert_eq!(ran.status & 4, 4, "{ran:?}");
        assert!(ran.stdout.contains(part), "{args:?}: {}", ran.stdout);
    }
}

#[test]
fn filters_narrow_and_names_that_are_not_there_are_mistakes() {
    let root = store();
    flip(&blobs(root.path())[0]);
    let of = |args: &[&str]| check(root.path(), &[&["--depth", "blobs"], args].concat());
    let (a, b) = ("registry.example/tiny:a", "registry.example/tiny:b");
    assert_eq!(of(&["--image", a, "--image", b]).status, 4);
    assert_eq!(of(&["--namespace", "default", "--namespace", "other"]).status, 4);
    for (args, line) in [
        (["--image", "no\nsuch"], "no image 'no\\nsuch' in this store"),
        (["--namespace", "nosuch"], "no namespace 'nosuch' in this store"),
    ] {
        let mistake = of(&args);
        assert_eq!((mistake.status, mistake.complaint()), (16, line));
    }
}
