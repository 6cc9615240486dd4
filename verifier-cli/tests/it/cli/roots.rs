//! Finding the root: on a system mounted elsewhere, so that this machine's own roots do not matter.

use std::fs::{create_dir_all, write};
use std::path::Path;

use serde_json::{Value, json};

use super::support::{Ran, fsck};
use testdata::golden;

fn on(sysroot: &Path, args: &[&str]) -> Ran {
    fsck(&[args, &["--sysroot", sysroot.to_str().unwrap()]].concat())
}

#[test]
fn none_is_an_answer_to_roots_and_a_mistake_to_check() {
    let sysroot = tempfile::tempdir().unwrap();
    let roots = on(sysroot.path(), &["roots"]);
    assert_eq!((roots.status, roots.complaint()), (0, "no containerd root found on this machine"));
    let json = on(sysroot.path(), &["roots", "--format", "json"]);
    assert_eq!((json.status, json.stdout.as_str()), (0, "[]\n"));
    let check = on(sysroot.path(), &["check"]);
    assert_eq!(check.status, 16);
    assert!(check.complaint().contains("--root DIR"));
}

#[test]
fn the_only_root_is_checked() {
    let sysroot = tempfile::tempdir().unwrap();
    let root = sysroot.path().join("data");
    golden::unpack("1.7", &root).unwrap();
    create_dir_all(sysroot.path().join("etc/containerd")).unwrap();
    create_dir_all(sysroot.path().join("var/lib/containerd")).unwrap();
    write(sysroot.path().join("etc/containerd/config.toml"), "version = 2\nroot = \"/data\"\n").unwrap();
    let check = on(sysroot.path(), &["check", "--format", "json"]);
    assert_eq!((check.status, check.stderr.as_str()), (0, ""));
    assert_eq!(check.report()["root"], root.to_str().unwrap());
    let roots: Value =
        serde_json::from_str(&on(sysroot.path(), &["roots", "--format", "json"]).stdout).unwrap();
    let address = sysroot.path().join("run/containerd/containerd.sock");
    let expected = json!([
        {
            "root": root, "state": "stopped", "holder": null, "address": address,
            "sources": [{"kind": "config", "file": "/etc/containerd/config.toml"}]
        },
        {
            "root": sysroot.path().join("var/lib/containerd"), "state": "empty", "holder": null,
            "address": address,
            "sources": [{"kind": "default", "of": "containerd"}]
        }
    ]);
    assert_eq!(roots, expected);
}

#[test]
fn of_several_one_must_be_named() {
    let sysroot = tempfile::tempdir().unwrap();
    for root in ["var/lib/containerd", "var/lib/rancher/k3s/agent/containerd"] {
        create_dir_all(sysroot.path().join(root).join("io.containerd.content.v1.content")).unwrap();
    }
    let check = on(sysroot.path(), &["check"]);
    assert_eq!((check.status, check.stdout.as_str()), (16, ""));
    assert!(check.stderr.contains("name one with --root"), "{check:?}");
    assert!(
        check.stderr.contains("/var/lib/containerd ") && check.stderr.contains("default of k3s"),
        "{check:?}"
    );
    let roots = on(sysroot.path(), &["roots"]);
    assert_eq!((roots.status, roots.stdout.lines().count()), (0, 2));
}

#[test]
fn this_machine_can_be_asked_too() {
    assert_eq!(fsck(&["roots"]).status, 0);
}
