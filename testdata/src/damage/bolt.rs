//! Damages to bolt files (F11).

use std::fs;
use std::io;
use std::path::Path;

use super::hit;
use super::kind::Damage;
use super::pages::{PAGE, Pages};
use super::reach::Reach;
use super::subject::{Subject, metadata_db};
use crate::builder::META_DB;

const UNUSABLE: &str = "metadata-unusable";
const SNAPSHOTTER: &str = "snapshotter-database-unusable";
const META: &str = "bolt-meta-invalid";
const INVALID: &str = "bolt-page-invalid";

/// Damages that leave no usable database, once for each kind of database.
macro_rules! unusable {
    ($name:literal, $change:expr) => {
        [
            Damage::files(
                concat!("meta-db-", $name),
                |_| Subject::Store,
                |_, root| {
                    let change: fn(&Path, &Path) -> io::Result<()> = $change;
                    change(&root.join(META_DB), root)
                },
            )
            .always(UNUSABLE),
            Damage::files(
                concat!("metadata-db-", $name),
                |_| Subject::metadata_db("overlayfs"),
                |_, root| {
                    let change: fn(&Path, &Path) -> io::Result<()> = $change;
                    change(&root.join(metadata_db("overlayfs")), root)
                },
            )
            .always(SNAPSHOTTER),
        ]
    };
}

/// Damages that leave a database usable in part.
macro_rules! page {
    ($name:literal, $code:expr, |$pages:ident| $page:expr, $change:expr) => {
        Damage::files(
            concat!("meta-db-", $name),
            |_| Subject::meta_db(),
            |_, root| hit_page(&root.join(META_DB), |$pages| $page, $change),
        )
        .always($code)
    };
    (in metadata $name:literal, $code:expr, |$pages:ident| $page:expr, $change:expr) => {
        Damage::files(
            concat!("metadata-db-", $name),
            |_| Subject::metadata_db("overlayfs"),
            |_, root| hit_page(&root.join(metadata_db("overlayfs")), |$pages| $page, $change),
        )
        .always($code)
    };
}

/// The same to a page of a bucket of `default`.
macro_rules! page_of_default {
    ($name:literal, |$pages:ident| $page:expr, $change:expr) => {
        page!($name, INVALID, |$pages| $page, $change).reaching(Reach::DEFAULT)
    };
}

/// Databases that are not usable at all.
pub(super) const WHOLE: &[[Damage; 2]] = &[
    unusable!("absent", |path, _| fs::remove_file(path)),
    unusable!("empty", |path, _| hit::empty(path)),
    unusable!("zeroed", |path, _| hit::rewrite(path, |bytes| bytes.fill(0))),
    unusable!("metas-zeroed", |path, _| hit::rewrite(path, |bytes| bytes
        .iter_mut()
        .take(2 * PAGE)
        .for_each(|byte| *byte = 0))),
    unusable!("short", |path, _| hit::rewrite(path, |bytes| bytes.truncate(50))),
    unusable!("fifo", |path, _| hit::fifo(path)),
    unusable!("folder", |path, _| hit::folder(path)),
];

/// Databases that are usable in part.
pub(super) const PARTS: &[Damage] = &[
    Damage::files("meta-db-cut-in-half", |_| Subject::meta_db(), |_, root| cut_in_half(&root.join(META_DB)))
        .always(INVALID)
        .several(),
    Damage::files(
        "metadata-db-cut-in-half",
        |_| Subject::metadata_db("overlayfs"),
        |_, root| cut_in_half(&root.join(metadata_db("overlayfs"))),
    )
    .always(INVALID)
    .several(),
    page!("latest-meta-zeroed", META, |p| Some(p.latest_meta()? * PAGE), zero),
    page!("older-meta-zeroed", META, |p| Some((1 - p.latest_meta()?) * PAGE), zero),
    page!("meta-flipped", META, |p| Some(p.latest_meta()? * PAGE), |page| flip(page, 33)),
    page!("checksum-flipped", META, |p| Some(p.latest_meta()? * PAGE), |page| flip(page, 72)),
    page!(in metadata "latest-meta-zeroed", META, |p| Some(p.latest_meta()? * PAGE), zero),
    page!(in metadata "older-meta-zeroed", META, |p| Some((1 - p.latest_meta()?) * PAGE), zero),
    page!("root-zeroed", INVALID, |p| p.bucket(&[]), zero),
    page_of_default!("leaf-of-leases-zeroed", |p| p.bucket(LEASES), zero),
    page_of_default!("leaf-of-images-zeroed", |p| p.bucket(IMAGES), zero),
    page_of_default!("leaf-of-blobs-zeroed", |p| p.bucket(BLOBS), zero),
    page_of_default!("branch-zeroed", |p| p.bucket(LABELS), zero),
    page_of_default!("leaf-below-a-branch-zeroed", |p| p.first_child(p.bucket(LABELS)?), zero),
    page!("freelist-zeroed", INVALID, |p| p.freelist(), zero),
    page_of_default!("leaf-with-another-id", |p| p.bucket(LEASES), |page| flip(page, 0)),
    page_of_default!("leaf-with-another-kind", |p| p.bucket(LEASES), |page| flip(page, 8)),
    page_of_default!("leaf-with-too-many-elements", |p| p.bucket(LEASES), |page| flip(page, 11)),
    page_of_default!("leaf-with-overflow", |p| p.bucket(LEASES), |page| flip(page, 13)),
    page_of_default!("element-out-of-place", |p| p.bucket(LEASES), |page| flip(page, 16 + 4)),
    page_of_default!("element-too-long", |p| p.bucket(LEASES), |page| flip(page, 16 + 13)),
    page_of_default!("branch-to-nowhere", |p| p.bucket(LABELS), |page| flip(page, 16 + 8 + 6)),
    page!(in metadata "root-zeroed", INVALID, |p| p.bucket(&[]), zero),
    page!(in metadata "leaf-zeroed", INVALID, |p| p.bucket(&["v1", "snapshots"]), zero),
    page!(in metadata "freelist-zeroed", INVALID, |p| p.freelist(), zero),
];

/// The file ends in the middle: whatever was behind it is lost, page by page.
fn cut_in_half(path: &Path) -> io::Result<()> {
    let used = Pages::read(path)?.used().ok_or(io::ErrorKind::NotFound)?;
    hit::rewrite(path, |bytes| bytes.truncate(used / 2 * PAGE))
}

const LEASES: &[&str] = &["v1", "default", "leases"];
const IMAGES: &[&str] = &["v1", "default", "images"];
const BLOBS: &[&str] = &["v1", "default", "content", "blob"];
/// Many enough to need several pages.
const LABELS: &[&str] = &["v1", "default", "labels"];

fn hit_page(
    path: &Path,
    find: impl FnOnce(&Pages) -> Option<usize>,
    change: impl FnOnce(&mut [u8]),
) -> io::Result<()> {
    let at = find(&Pages::read(path)?).ok_or(io::ErrorKind::NotFound)?;
    hit::rewrite(path, |bytes| change(bytes.get_mut(at..at + PAGE).unwrap_or_default()))
}

fn zero(page: &mut [u8]) {
    page.fill(0);
}

fn flip(page: &mut [u8], at: usize) {
    if let Some(byte) = page.get_mut(at) {
        *byte ^= 1;
    }
}
