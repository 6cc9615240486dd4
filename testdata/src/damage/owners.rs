//! Containers, sandboxes and leases without what they need; snapshots that nothing holds (F12, F17).

use std::io;

use super::disagreements::record;
use super::kind::Damage;
use super::reach::Reach;
use super::snapshots::app_top;
use super::subject::Subject;
use crate::builder::{Change, Database, Edit, Kind, LeaseRow, Sample, Time, sha256};

const CONTAINER: &str = "container-snapshot-missing";
const SANDBOX: &str = "sandbox-invalid";
const RESOURCE: &str = "lease-resource-missing";
const EXPIRED: &str = "lease-expired";
const UNOWNED: &str = "snapshot-unowned";

pub(super) const TABLE: &[Damage] = &[
    Damage::model(
        "container-without-snapshot",
        |_| container(Sample::WEB),
        |s| {
            let rows = s.store.namespace("default").snapshots.get_mut("overlayfs");
            let row = rows.and_then(|rows| rows.rows.remove(Sample::WEB)).ok_or(io::ErrorKind::NotFound)?;
            let rows = s.store.snapshotters.get_mut("overlayfs");
            rows.and_then(|rows| rows.snapshots.remove(&row.name))
                .map(drop)
                .ok_or(io::ErrorKind::NotFound.into())
        },
    )
    .always(CONTAINER)
    .reaching(Reach::WEB),
    Damage::model(
        "container-of-another-snapshotter",
        |_| container(Sample::WEB),
        |s| {
            let web = s.store.namespace("default").containers.get_mut(Sample::WEB);
            web.map(|web| web.snapshotter = "stargz".into()).ok_or(io::ErrorKind::NotFound)?;
            // Else nothing would hold its snapshot.
            hold(s, Sample::WEB);
            Ok(())
        },
    )
    .always(CONTAINER)
    .reaching(Reach::WEB),
    Damage::model("sandbox-without-metadata", |_| sandbox(), |s| without(s, "extensions"))
        .always(SANDBOX)
        .reaching(Reach::WORK),
    Damage::model("sandbox-without-runtime", |_| sandbox(), |s| without(s, "runtime"))
        .always(SANDBOX)
        .reaching(Reach::WORK),
    Damage::model(
        "lease-on-a-blob-that-is-gone",
        |_| lease("keep"),
        |s| change_lease(s, |lease| lease.content.push(sha256(b"what was removed"))),
    )
    .always(RESOURCE)
    .reaching(Reach::DEFAULT),
    Damage::model(
        "lease-on-a-snapshot-that-is-gone",
        |_| lease("keep"),
        |s| change_lease(s, |lease| lease.snapshots.push(("overlayfs".into(), "gone".into()))),
    )
    .always(RESOURCE)
    .reaching(Reach::DEFAULT),
    Damage::model(
        "lease-on-an-image-that-is-gone",
        |_| lease("keep"),
        |s| change_lease(s, |lease| lease.images.push("registry.example/gone:1".into())),
    )
    .always(RESOURCE)
    .reaching(Reach::DEFAULT),
    Damage::model(
        "lease-on-an-ingest-that-is-gone",
        |_| lease("keep"),
        |s| change_lease(s, |lease| lease.ingests.push("layer-gone".into())),
    )
    .always(RESOURCE)
    .reaching(Reach::DEFAULT),
    Damage::model(
        "lease-that-has-ended",
        |_| lease("keep"),
        |s| {
            change_lease(s, |lease| {
                lease.labels.insert("containerd.io/gc.expire".into(), Time::BUILT.to_text());
            })
        },
    )
    .always(EXPIRED)
    .reaching(Reach::DEFAULT),
    Damage::model("active-snapshot-of-nobody", |_| record("forgotten"), |s| forget(s, Kind::Active))
        .always(UNOWNED)
        .reaching(Reach::DEFAULT),
    Damage::model("view-of-nobody", |_| record("forgotten"), |s| forget(s, Kind::View))
        .always(UNOWNED)
        .reaching(Reach::DEFAULT),
];

fn container(id: &str) -> Subject {
    Subject::meta_record(["v1", "default", "containers", id])
}

fn sandbox() -> Subject {
    Subject::meta_record(["v1", "k8s.io", "sandboxes", "pod"])
}

fn lease(id: &str) -> Subject {
    Subject::meta_record(["v1", "default", "leases", id])
}

fn without(sample: &mut Sample, bucket: &str) -> io::Result<()> {
    let path = ["v1", "k8s.io", "sandboxes", "pod", bucket].map(|part| part.as_bytes().to_vec()).to_vec();
    sample.store.edits.push(Edit { database: Database::Meta, path, change: Change::Remove });
    Ok(())
}

fn change_lease(sample: &mut Sample, change: impl FnOnce(&mut LeaseRow)) -> io::Result<()> {
    let lease = sample.store.namespace("default").leases.get_mut("keep");
    lease.map(change).ok_or(io::ErrorKind::NotFound.into())
}

/// A lease of its own holds a snapshot.
fn hold(sample: &mut Sample, key: &str) {
    let labels = [("containerd.io/gc.expire".into(), "2100-01-01T00:00:00Z".into())].into();
    let lease = LeaseRow { snapshots: vec![("overlayfs".into(), key.into())], labels, ..LeaseRow::default() };
    sample.store.namespace("default").leases.insert("hold".into(), lease);
}

/// A snapshot on the image, and no one who needs it.
fn forget(sample: &mut Sample, kind: Kind) -> io::Result<()> {
    let top = app_top(sample).1.to_owned();
    sample.store.add_snapshot("default", "overlayfs", "forgotten", kind, Some(&top), &[]);
    Ok(())
}
