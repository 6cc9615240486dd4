//! What is planned, without a disk.

use std::collections::{BTreeMap, BTreeSet};

use super::found::{Found, FoundBlob};
use super::labels::content_labels;
use super::lost::LostKind;
use super::meta_db::{self, Facts, MetaPlan};
use super::snapshotter::{self, usable};
use crate::bolt::Edit;
use crate::digest::{Algorithm, Digest, Hasher};
use crate::io::Time;
use crate::metadata::{BackendSnapshot, Kind, Metadata, Snapshots};
use crate::oci::{DocumentKind, parse};
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp { seconds: 1_800_000_000, nanoseconds: 0 };

fn digest(text: &str) -> Digest {
    Hasher::digest(&Algorithm::Sha256, text.as_bytes())
}

fn row(id: u64, kind: Kind, parent: &str) -> BackendSnapshot {
    BackendSnapshot { id, kind, parent: parent.into(), ..BackendSnapshot::default() }
}

fn rows(all: &[(&str, u64, Kind, &str)]) -> Snapshots {
    let by_key = all.iter().map(|(key, id, kind, parent)| ((*key).into(), row(*id, *kind, parent)));
    Snapshots { by_key: by_key.collect(), ..Snapshots::default() }
}

fn plan(found: &Found, rows: Snapshots) -> MetaPlan {
    let rows = BTreeMap::from([("overlayfs".to_owned(), rows)]);
    let base = Metadata::default();
    meta_db::plan(&Facts {
        base: &base,
        is_damaged: false,
        is_backup: false,
        found,
        rows: &rows,
        lease: "lease",
        now: NOW,
    })
}

fn path(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| name.as_bytes().to_vec()).collect()
}

#[test]
fn rows_that_stand_on_nothing_or_on_themselves_are_of_no_use() {
    let rows = rows(&[
        ("a/1/base", 1, Kind::Committed, ""),
        ("a/2/top", 2, Kind::Active, "a/1/base"),
        ("a/3/orphan", 3, Kind::Committed, "a/9/gone"),
        ("a/4/above", 4, Kind::Active, "a/3/orphan"),
        ("a/5/round", 5, Kind::Committed, "a/6/about"),
        ("a/6/about", 6, Kind::Committed, "a/5/round"),
        ("a/7/unknown", 7, Kind::Unknown, ""),
    ]);
    assert_eq!(usable(&rows), BTreeSet::from(["a/1/base", "a/2/top"]));
    let names = ["1", "2", "3", "40", "new-1"];
    let plan = snapshotter::plan("overlayfs", &rows, &Metadata::default(), names.into_iter());
    assert_eq!(plan.lost.len(), 5);
    assert_eq!(plan.kept_ids, BTreeSet::from([1, 2]));
    let above_all = Edit::SetSequence { path: path(&["v1", "snapshots"]), sequence: 40 };
    assert!(plan.rows.0.contains(&above_all), "{:?}", plan.rows);
}

#[test]
fn children_get_the_labels_that_containerd_gives_them() {
    let descriptor = |kind: &str, of: &str| {
        format!(r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{}","size":1}}"#, digest(of))
    };
    let (config, layer) = (descriptor("config.v1+json", "c"), descriptor("layer.v1.tar+gzip", "l"));
    let odd = format!(r#"{{"mediaType":"application/x","digest":"{}","size":1}}"#, digest("x"));
    let manifest = format!(r#"{{"config":{config},"layers":[{layer},{odd},{layer}]}}"#);
    let index = format!(r#"{{"manifests":[{}]}}"#, descriptor("manifest.v1+json", "m"));
    let config = format!(r#"{{"rootfs":{{"diff_ids":["{0}","{0}","{0}"]}}}}"#, digest("diff"));
    let mut found = Found::default();
    for (name, kind, text) in [
        ("m", DocumentKind::Manifest, manifest),
        ("i", DocumentKind::Index, index),
        ("c", DocumentKind::Config, config),
    ] {
        found.documents.insert(digest(name), parse(kind, text.as_bytes()).unwrap());
    }
    let labels = content_labels(&found);
    let of = |name: &str| {
        labels[&digest(name)].iter().map(|(label, value)| format!("{label}={value}")).collect::<Vec<_>>()
    };
    let gc = |label: &str, of: &str| format!("containerd.io/gc.ref.content.{label}={}", digest(of));
    assert_eq!(of("m"), [gc("config", "c"), gc("l.0", "l"), gc("0", "x"), gc("l.1", "l")]);
    assert_eq!(of("i"), [gc("m.0", "m")]);
    assert_eq!(of("l"), [format!("containerd.io/uncompressed={}", digest("diff"))]);
    assert_eq!(found.tops().collect::<Vec<_>>(), [&digest("i")]);
}

#[test]
fn everything_is_held_and_numbered_above_what_is_in_use() {
    let modified = Time { seconds: 1, nanoseconds: 2 };
    let mut found = Found::default();
    found.blobs.insert(digest("blob"), FoundBlob { size_bytes: 300, modified });
    let rows = rows(&[
        ("k8s.io/12/base", 1, Kind::Committed, ""),
        ("k8s.io/40/with/slashes", 2, Kind::Active, "k8s.io/12/base"),
        ("no key of containerd's", 3, Kind::Committed, ""),
    ]);
    let plan = plan(&found, rows);
    let has = |edit: Edit| assert!(plan.edits.0.contains(&edit), "{edit:?} is not in {:#?}", plan.edits);
    let snapshots = ["v1", "k8s.io", "snapshots", "overlayfs"];
    has(Edit::SetSequence { path: path(&snapshots), sequence: 40 });
    has(Edit::Put { path: path(&["v1"]), key: b"version".to_vec(), value: vec![6] });
    let top = path(&[&snapshots[..], &["with/slashes"]].concat());
    has(Edit::Put { path: top, key: b"parent".to_vec(), value: b"base".to_vec() });
    let children = path(&[&snapshots[..], &["base", "children"]].concat());
    has(Edit::Put { path: children, key: b"with/slashes".to_vec(), value: vec![] });
    let lease = ["v1", "k8s.io", "leases", "lease"];
    let (content, held) =
        ([&lease[..], &["content"]].concat(), [&lease[..], &["snapshots", "overlayfs"]].concat());
    has(Edit::Put { path: path(&content), key: digest("blob").to_string().into_bytes(), value: vec![] });
    for key in ["base", "with/slashes"] {
        has(Edit::Put { path: path(&held), key: key.into(), value: vec![] });
    }
    let lost: Vec<_> = plan.lost.iter().map(|lost| (lost.what, lost.key.as_str())).collect();
    assert_eq!(lost, [(LostKind::Container, "k8s.io with/slashes")]);
}

#[test]
fn content_without_any_namespace_goes_where_every_pull_finds_it() {
    let mut found = Found::default();
    let modified = Time { seconds: 1, nanoseconds: 2 };
    found.blobs.insert(digest("blob"), FoundBlob { size_bytes: 300, modified });
    let plan = plan(&found, Snapshots::default());
    let blob = path(&["v1", "default", "content", "blob", &digest("blob").to_string()]);
    let size = Edit::Put { path: blob, key: b"size".to_vec(), value: vec![0xd8, 0x04] };
    assert!(plan.edits.0.contains(&size), "{:?}", plan.edits);
}
