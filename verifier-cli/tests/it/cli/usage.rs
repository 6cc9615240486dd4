//! Help, version, and command lines that are wrong.

use super::support::fsck;

#[test]
fn help_is_an_answer() {
    for args in [&["--help"][..], &["check", "--help"], &["help", "check"]] {
        let help = fsck(args);
        assert_eq!((help.status, help.stderr.as_str()), (0, ""), "{args:?}");
        for part in ["Exit status", "NO_COLOR", "Examples:", "\n  32  stopped by"] {
            assert!(help.stdout.contains(part), "{args:?}: no {part:?} in\n{}", help.stdout);
        }
    }
    assert!(fsck(&["check", "-h"]).stdout.contains("--depth <DEPTH>"));
    let version = fsck(&["--version"]);
    assert_eq!(
        (version.status, version.stdout),
        (0, format!("containerd-fsck {}\n", env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn every_mistake_is_status_16() {
    for args in [
        &[][..],
        &["chekc"],
        &["check", "--no-such"],
        &["check", "--depth", "deep"],
        &["check", "--format", "xml"],
        &["check", "--threads", "0"],
        &["check", "--root"],
        &["check", "surplus"],
        &["--color", "sometimes", "roots"],
        &["explain", "blob-missing", "surplus"],
    ] {
        let mistake = fsck(args);
        assert_eq!((mistake.status, mistake.stdout.as_str()), (16, ""), "{args:?}: {mistake:?}");
        assert!(!mistake.stderr.is_empty());
    }
}
