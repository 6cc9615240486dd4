//! Snapshots of which meta.db, the snapshotter's metadata.db and the folders tell different stories (F8, F9).

use std::fs;
use std::io;
use std::path::Path;

use super::kind::Damage;
use super::reach::Reach;
use super::snapshots::{app, app_top, base, spare};
use super::subject::{Subject, metadata_db};
use crate::builder::{Change, Database, Edit, Sample, Snapshot, parents_key, set_old, snapshotter_folder};

const ROW_MISSING: &str = "snapshot-row-missing";
const UNREFERENCED: &str = "snapshot-unreferenced";
const PARENT_MISSING: &str = "snapshot-parent-missing";
const LOOP: &str = "snapshot-parent-loop";
const DIFFERS: &str = "snapshot-parent-differs";
const CHAIN: &str = "snapshot-chain-wrong";
const KIND: &str = "snapshot-kind-wrong";
const USAGE: &str = "snapshot-usage-missing";
const SHARED: &str = "snapshot-id-shared";
const INDEX: &str = "snapshot-index-wrong";
const SEQUENCE: &str = "snapshot-sequence-behind";
const FOLDER: &str = "snapshot-folder-unreferenced";

/// A name in `snapshots/` of overlayfs that no row has.
macro_rules! folder {
    ($name:literal, $folder:literal) => {
        Damage::files(
            $name,
            |_| Subject::path(snapshotter_folder("overlayfs").join("snapshots").join($folder)),
            |_, root| left_over(root, $folder),
        )
        .always(FOLDER)
    };
}

pub(super) const TABLE: &[Damage] = &[
    Damage::model("row-missing", |_| record("saved"), |s| lose(s, "saved"))
        .always(ROW_MISSING)
        .reaching(Reach::DEFAULT),
    Damage::model("row-of-a-container-missing", |_| record(Sample::WEB), |s| lose(s, Sample::WEB))
        .always(ROW_MISSING)
        .reaching(Reach::WEB),
    // Its folder is all that is left of it, and must not be taken for a leftover.
    Damage::model(
        "row-lost-and-folder-there",
        |_| record(Sample::WEB),
        |s| {
            let ids = ids(s, app_top(s).1, Sample::WEB);
            edit_row(s, Sample::WEB, None, Change::Remove);
            edit_index(s, ids, Change::Remove);
            Ok(())
        },
    )
    .always(ROW_MISSING)
    .reaching(Reach::WEB),
    Damage::model(
        "row-of-the-base-lost",
        |s| record(base(s).1),
        |s| {
            let key = base(s).1.to_owned();
            edit_row(s, &key, None, Change::Remove);
            Ok(())
        },
    )
    .always(ROW_MISSING)
    .reaching(Reach::BASE_IN_DEFAULT),
    Damage::model(
        "record-missing",
        |s| row_named(s, "/saved"),
        |s| {
            let rows = s.store.namespace("default").snapshots.get_mut("overlayfs");
            rows.and_then(|rows| rows.rows.remove("saved")).map(drop).ok_or_else(not_found)
        },
    )
    .always(UNREFERENCED)
    .reaching(Reach::DEFAULT),
    Damage::model(
        "parent-of-a-record-missing",
        |_| record("saved"),
        |s| {
            edit_record(s, "saved", "parent", Change::Put("nothing".into()));
            Ok(())
        },
    )
    .always(PARENT_MISSING)
    .reaching(Reach::DEFAULT),
    Damage::model(
        "parent-of-a-row-missing",
        |s| subject(s, "saved"),
        |s| {
            edit_row(s, "saved", Some("parent"), Change::Put("default/999/nothing".into()));
            Ok(())
        },
    )
    .always(PARENT_MISSING)
    .reaching(Reach::DEFAULT),
    Damage::model(
        "record-on-itself",
        |s| record(base(s).1),
        |s| {
            let key = base(s).1.to_owned();
            edit_record(s, &key, "parent", Change::Put(key.clone().into()));
            Ok(())
        },
    )
    .always(LOOP)
    .reaching(Reach::BASE_IN_DEFAULT),
    Damage::model(
        "records-in-a-circle",
        |_| record("look"),
        |s| {
            edit_record(s, "saved", "parent", Change::Put("look".into()));
            edit_record(s, "look", "parent", Change::Put("saved".into()));
            Ok(())
        },
    )
    .always(LOOP)
    .reaching(Reach::DEFAULT),
    Damage::model("row-on-itself", |s| subject(s, "saved"), |s| move_row(s, "saved", "saved"))
        .always(LOOP)
        .reaching(Reach::DEFAULT),
    Damage::model(
        "row-on-another-parent",
        |_| record("saved"),
        |s| {
            let parent = base(s).1.to_owned();
            move_row(s, "saved", &parent)
        },
    )
    .always(DIFFERS)
    .reaching(Reach::DEFAULT),
    Damage::model(
        "row-without-parent",
        |_| record("saved"),
        |s| {
            let ids = ids(s, app_top(s).1, "saved");
            edit_row(s, "saved", Some("parent"), Change::Remove);
            edit_index(s, ids, Change::Remove);
            Ok(())
        },
    )
    .always(DIFFERS)
    .reaching(Reach::DEFAULT),
    Damage::model(
        "layer-on-another-image",
        |s| subject(s, spare(s).1),
        |s| {
            let (key, parent) = (spare(s).1.to_owned(), app(s).1.to_owned());
            stand_on(s, &key, Some(&parent))
        },
    )
    .always(CHAIN)
    .reaching(Reach::EXTRA),
    Damage::model(
        "layer-on-nothing",
        |s| subject(s, spare(s).1),
        |s| {
            let key = spare(s).1.to_owned();
            stand_on(s, &key, None)
        },
    )
    .always(CHAIN)
    .reaching(Reach::EXTRA),
    Damage::model(
        "layer-is-active",
        |s| subject(s, spare(s).1),
        |s| {
            let key = spare(s).1.to_owned();
            edit_row(s, &key, Some("kind"), Change::Put([2].into()));
            Ok(())
        },
    )
    .always(KIND)
    .reaching(Reach::EXTRA),
    Damage::model(
        "layer-is-a-view",
        |s| subject(s, spare(s).1),
        |s| {
            let key = spare(s).1.to_owned();
            edit_row(s, &key, Some("kind"), Change::Put([1].into()));
            Ok(())
        },
    )
    .always(KIND)
    .reaching(Reach::EXTRA),
    Damage::model(
        "usage-missing",
        |s| subject(s, "saved"),
        |s| {
            edit_row(s, "saved", Some("inodes"), Change::Remove);
            edit_row(s, "saved", Some("size"), Change::Remove);
            Ok(())
        },
    )
    .always(USAGE)
    .reaching(Reach::DEFAULT),
    Damage::model(
        "inodes-missing",
        |s| subject(s, "saved"),
        |s| {
            edit_row(s, "saved", Some("inodes"), Change::Remove);
            Ok(())
        },
    )
    .always(USAGE)
    .reaching(Reach::DEFAULT),
    Damage::model(
        "two-rows-with-one-id",
        |s| {
            let (web, look) = (subject(s, Sample::WEB), subject(s, "look"));
            if name(s, Sample::WEB) < name(s, "look") { web } else { look }
        },
        |s| {
            let id = s.store.snapshot("default", "overlayfs", Sample::WEB).map(|web| web.id);
            let look = s.store.snapshot_mut("default", "overlayfs", "look");
            look.zip(id).map(|(look, id)| look.id = id).ok_or_else(not_found)
        },
    )
    .always(SHARED)
    .reaching(Reach::WEB),
    Damage::model(
        "index-entry-missing",
        |s| index(s, app_top(s).1, Sample::WEB),
        |s| {
            let ids = ids(s, app_top(s).1, Sample::WEB);
            edit_index(s, ids, Change::Remove);
            Ok(())
        },
    )
    .always(INDEX)
    .reaching(Reach::WEB),
    Damage::model(
        "index-entry-stale",
        |s| index_entry(id(s, base(s).1), 999),
        |s| {
            let ids = (id(s, base(s).1), 999);
            edit_index(s, ids, Change::Put("default/999/gone".into()));
            Ok(())
        },
    )
    .always(INDEX),
    Damage::model(
        "ids-behind",
        |_| Subject::Record(metadata_db("overlayfs"), ["v1", "snapshots"].map(Into::into).to_vec()),
        |s| s.store.snapshotters.get_mut("overlayfs").map(|one| one.sequence = 2).ok_or_else(not_found),
    )
    .always(SEQUENCE),
    Damage::model(
        "backend-keys-behind",
        |_| Subject::meta_record(["v1", "default", "snapshots", "overlayfs"]),
        |s| {
            let rows = s.store.namespace("default").snapshots.get_mut("overlayfs");
            rows.map(|rows| rows.sequence -= 1).ok_or_else(not_found)
        },
    )
    .always(SEQUENCE)
    .reaching(Reach::DEFAULT),
    // A removal that was cut off: nothing has the number any more.
    Damage::files(
        "folder-without-row",
        |s| Subject::path(snapshotter_folder("overlayfs").join("snapshots").join(next_id(s))),
        |s, root| left_over(root, &next_id(s)),
    )
    .always(FOLDER),
    // Its row was never in this database: that is an older one.
    Damage::files(
        "folder-of-a-later-id",
        |_| Subject::Record(metadata_db("overlayfs"), ["v1", "snapshots"].map(Into::into).to_vec()),
        |_, root| left_over(root, "999"),
    )
    .always(SEQUENCE),
    folder!("folder-half-made", "new-123456789"),
    folder!("folder-half-removed", "rm-3"),
];

/// The number of the next snapshot that would be made.
fn next_id(sample: &Sample) -> String {
    let sequence = sample.store.snapshotters.get("overlayfs").map_or(0, |one| one.sequence);
    (sequence + 1).to_string()
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// The record of a snapshot of `default` in meta.db.
pub(super) fn record(key: &str) -> Subject {
    Subject::meta_record(["v1", "default", "snapshots", "overlayfs", key])
}

pub(super) fn subject(sample: &Sample, key: &str) -> Subject {
    Subject::snapshot(sample, "default", "overlayfs", key)
}

/// The key of its row.
fn name(sample: &Sample, key: &str) -> String {
    sample.store.row("default", "overlayfs", key).map(|row| row.name.clone()).unwrap_or_default()
}

/// The number of its folder.
fn id(sample: &Sample, key: &str) -> u64 {
    sample.store.snapshot("default", "overlayfs", key).map_or(0, |snapshot| snapshot.id)
}

fn ids(sample: &Sample, parent: &str, child: &str) -> (u64, u64) {
    (id(sample, parent), id(sample, child))
}

fn index(sample: &Sample, parent: &str, child: &str) -> Subject {
    index_entry(id(sample, parent), id(sample, child))
}

fn index_entry(parent: u64, child: u64) -> Subject {
    let path = ["v1".to_owned(), "parents".to_owned(), format!("{parent} {child}")];
    Subject::Record(metadata_db("overlayfs"), path.to_vec())
}

/// A row whose record is gone, by the end of its key.
fn row_named(sample: &Sample, end: &str) -> Subject {
    let rows = sample.store.snapshotters.get("overlayfs").into_iter().flat_map(|one| &one.snapshots);
    let mut rows = rows.filter(|(name, _)| name.ends_with(end));
    let id = |(name, row): (&String, &Snapshot)| Subject::Snapshot("overlayfs".into(), name.clone(), row.id);
    rows.next().map_or(Subject::Store, id)
}

/// A row and its folder go.
fn lose(sample: &mut Sample, key: &str) -> io::Result<()> {
    let name = name(sample, key);
    let rows = sample.store.snapshotters.get_mut("overlayfs");
    rows.and_then(|rows| rows.snapshots.remove(&name)).map(drop).ok_or_else(not_found)
}

/// A snapshot stands on another in both databases.
fn stand_on(sample: &mut Sample, key: &str, parent: Option<&str>) -> io::Result<()> {
    let parent_name = parent.map(|parent| name(sample, parent));
    let rows = sample.store.namespace("default").snapshots.get_mut("overlayfs");
    let row = rows.and_then(|rows| rows.rows.get_mut(key)).ok_or_else(not_found)?;
    row.parent = parent.map(Into::into);
    sample.store.snapshot_mut("default", "overlayfs", key).ok_or_else(not_found)?.parent = parent_name;
    Ok(())
}

/// Its row alone moves to another parent, and its entry of the index with it.
fn move_row(sample: &mut Sample, key: &str, parent: &str) -> io::Result<()> {
    let old = ids(sample, app_top(sample).1, key);
    let (new, parent) = (ids(sample, parent, key), name(sample, parent));
    edit_row(sample, key, Some("parent"), Change::Put(parent.into()));
    edit_index(sample, old, Change::Remove);
    edit_index(sample, new, Change::Put(name(sample, key).into()));
    Ok(())
}

fn edit_record(sample: &mut Sample, key: &str, field: &str, change: Change) {
    let path = ["v1", "default", "snapshots", "overlayfs", key, field].map(|part| part.as_bytes().to_vec());
    sample.store.edits.push(Edit { database: Database::Meta, path: path.to_vec(), change });
}

/// Changes a field of a row, or all of it.
fn edit_row(sample: &mut Sample, key: &str, field: Option<&str>, change: Change) {
    let name = name(sample, key);
    let path = ["v1", "snapshots", &name].into_iter().chain(field);
    let path = path.map(|part| part.as_bytes().to_vec()).collect();
    sample.store.edits.push(Edit { database: Database::Snapshotter("overlayfs".into()), path, change });
}

fn edit_index(sample: &mut Sample, (parent, child): (u64, u64), change: Change) {
    let path = vec![b"v1".to_vec(), b"parents".to_vec(), parents_key(parent, child)];
    sample.store.edits.push(Edit { database: Database::Snapshotter("overlayfs".into()), path, change });
}

/// Leaves a folder in `snapshots/` that was there long before.
fn left_over(root: &Path, name: &str) -> io::Result<()> {
    let holder = root.join(snapshotter_folder("overlayfs")).join("snapshots");
    fs::create_dir_all(holder.join(name).join("fs"))?;
    set_old(&holder)
}
