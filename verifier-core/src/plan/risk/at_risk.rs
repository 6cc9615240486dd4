//! What a crash may have taken: what was made so shortly before it that the kernel need not have written it yet.
//!
//! Blobs and databases are synced when containerd commits them; unpacked files are not (unless it was told to). The
//! kernel writes them within `dirty_expire_centisecs` (30 s) and an interval of the flusher, and the file system's journal
//! commits some seconds later. So of a node that had run for days, the last two minutes are in doubt and the rest is not.
//!
//! The moment of the crash is not recorded. The newest trace of life before it is as good, as long as it is not too late:
//! one that is too early makes the selection larger, never smaller.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::stamp::Stamp;
use crate::digest::Digest;
use crate::io::Time;
use crate::metadata::{Kind, Metadata};
use crate::oci::Document;
use crate::plan::snapshots::SnapshotTask;
use crate::scan::{DocumentFact, Inventory, children};
use crate::time::Timestamp;

/// What is known of the last shutdown, for a check of what it put at risk.
#[derive(Debug, Clone, Default)]
pub struct AtRisk {
    /// How long before the last sign of life something must have been made to be safe; [`AtRisk::WINDOW`] if zero.
    pub window: Duration,
    /// When this boot began: what was written since is no sign of life of the one before.
    pub booted: Option<Timestamp>,
    /// When somebody last wrote down that the machine was alive.
    pub heartbeat: Option<Timestamp>,
    /// Whether the clock is known to have been set by a jump since it was last known to be right.
    pub clock_jumped: bool,
    /// The mark of a clean shutdown, if there is one.
    pub stamp: Option<Stamp>,
}

impl AtRisk {
    /// Twice what the kernel's defaults come to: 30 s until dirty pages expire, 5 s between two rounds of the flusher, and
    /// 25 s for the file system's own journal.
    pub const WINDOW: Duration = Duration::from_secs(120);
}

/// What is at risk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "selected", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Selection {
    /// Nothing: containerd was stopped, and all was on the disk.
    Nothing {
        /// When that was, in seconds since 1970.
        stopped_seconds: i64,
    },
    /// What was made since some moment.
    Since {
        /// That moment, in seconds since 1970.
        since_seconds: i64,
        /// The last sign of life, in seconds since 1970.
        last_sign_seconds: i64,
        /// What the last sign of life was.
        sign: Sign,
    },
    /// Everything: it cannot be told.
    Everything {
        /// Why.
        why: Distrust,
    },
}

/// A trace of the machine being alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Sign {
    /// A record was made or changed.
    Record,
    /// A database was written.
    Database,
    /// A download went on.
    Ingest,
    /// It was written down.
    Heartbeat,
}

/// Why times say nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Distrust {
    /// Something was made later than it is now: the clock is, or was, wrong.
    InTheFuture {
        /// By how many seconds.
        seconds: i64,
    },
    /// An image was pulled before it was made.
    BeforeItsImage {
        /// The image.
        image: String,
    },
    /// A snapshot was made before one that was begun long before it.
    Backwards {
        /// The snapshotter.
        snapshotter: String,
        /// The later snapshot's number.
        id: u64,
    },
    /// The clock was set while the machine ran.
    Jumped,
    /// Records are lost, and with them the times.
    RecordsLost,
    /// There is no sign of life at all.
    NoSign,
}

/// Clocks of two machines, or of one before and after it asked for the time, may differ by so much.
const SKEW_SECONDS: i64 = 60;
/// A build machine's clock may be so far ahead of ours.
const BUILD_SKEW_SECONDS: i64 = 3600;
/// Snapshots of parallel pulls are committed in another order than they were begun in; no unpacking takes longer.
const UNPACK_SECONDS: i64 = 3 * 3600;

impl Selection {
    /// What of `inventory` is at risk, by what is known.
    #[must_use]
    pub fn new(inventory: &Inventory, known: &AtRisk) -> Selection {
        if let Some(stamp) = known.stamp.as_ref().filter(|stamp| stamp.holds(inventory)) {
            return Selection::Nothing { stopped_seconds: stamp.written_seconds };
        }
        let signs = signs(inventory, known);
        if let Some(why) = distrust(inventory, known, &signs) {
            return Selection::Everything { why };
        }
        let before = |sign: &&(Sign, i64)| known.booted.is_none_or(|booted| sign.1 < booted.seconds);
        let last = signs.iter().filter(before).max_by_key(|(_, seconds)| *seconds);
        // All of it was made since the machine came up.
        let last = last.or_else(|| signs.iter().max_by_key(|(_, seconds)| *seconds));
        let Some(&(sign, last_sign_seconds)) = last else {
            return Selection::Everything { why: Distrust::NoSign };
        };
        let window = if known.window.is_zero() { AtRisk::WINDOW } else { known.window };
        let window = i64::try_from(window.as_secs()).unwrap_or(i64::MAX);
        Selection::Since { since_seconds: last_sign_seconds.saturating_sub(window), last_sign_seconds, sign }
    }

    /// Whether something made at `made` is at risk; what has no time is, unless nothing is.
    fn has(&self, made: Option<i64>) -> bool {
        match self {
            Selection::Nothing { .. } => false,
            Selection::Since { since_seconds, .. } => made.is_none_or(|made| made >= *since_seconds),
            Selection::Everything { .. } => true,
        }
    }

    pub(in crate::plan) fn has_snapshot(&self, task: &SnapshotTask) -> bool {
        self.has(task.created.map(seconds)) || self.has(task.committed.map(seconds))
    }

    /// Whether a blob is at risk that a record was made for, or whose file was written, at any of `made`.
    pub(in crate::plan) fn has_blob(&self, made: &BTreeMap<&Digest, i64>, digest: &Digest) -> bool {
        self.has(made.get(digest).copied())
    }
}

/// When each blob was made: the newest of its records and its file; a record without a time counts as never old.
pub(in crate::plan) fn blobs_made(inventory: &Inventory) -> BTreeMap<&Digest, i64> {
    let files = inventory.blobs.files.iter().map(|(digest, file)| (digest, file.mtime.seconds));
    let mut made: BTreeMap<&Digest, i64> = files.collect();
    for records in inventory.metadata().namespaces.values() {
        for (digest, record) in &records.blobs {
            let created = record.created.map_or(i64::MAX, seconds);
            made.entry(digest).and_modify(|made| *made = created.max(*made)).or_insert(created);
        }
    }
    made
}

fn seconds(time: Timestamp) -> i64 {
    time.seconds
}

/// Every trace of life, the newest of its kind.
fn signs(inventory: &Inventory, known: &AtRisk) -> Vec<(Sign, i64)> {
    let databases = inventory.snapshotters.values().filter_map(|snapshotter| snapshotter.database.as_ref());
    let modified = databases.clone().map(|database| database.modified).chain([inventory.meta_db.modified]);
    let file = |sign| move |time: Time| (sign, time.seconds);
    let mut signs: Vec<(Sign, i64)> = modified.flatten().map(file(Sign::Database)).collect();
    signs.extend(inventory.ingests.iter().filter_map(|ingest| ingest.modified).map(file(Sign::Ingest)));
    signs.extend(known.heartbeat.map(|time| (Sign::Heartbeat, time.seconds)));
    signs.extend(recorded(inventory.metadata()).map(|time| (Sign::Record, time.seconds)));
    let rows =
        databases.filter_map(|database| database.records()).flat_map(|records| records.by_key.values());
    let times = rows.flat_map(|row| [row.created, row.updated]).flatten();
    signs.extend(times.map(|time| (Sign::Record, time.seconds)));
    signs
}

/// The times of meta.db's records.
fn recorded(metadata: &Metadata) -> impl Iterator<Item = Timestamp> {
    let namespaces = metadata.namespaces.values();
    let times = namespaces.flat_map(|records| {
        let blobs = records.blobs.values().flat_map(|record| [record.created, record.updated]);
        let snapshots = records.snapshots.values().flat_map(BTreeMap::values);
        let snapshots = snapshots.flat_map(|record| [record.created, record.updated]);
        let images = records.images.values().flat_map(|image| [image.created, image.updated]);
        blobs.chain(snapshots).chain(images)
    });
    times.flatten()
}

fn distrust(inventory: &Inventory, known: &AtRisk, signs: &[(Sign, i64)]) -> Option<Distrust> {
    let newest = signs.iter().map(|(_, seconds)| *seconds).max().unwrap_or(i64::MIN);
    let ahead = newest.saturating_sub(inventory.began.seconds);
    if ahead > SKEW_SECONDS {
        return Some(Distrust::InTheFuture { seconds: ahead });
    }
    if known.clock_jumped {
        return Some(Distrust::Jumped);
    }
    let rows_lost = |snapshotter: &&crate::scan::Snapshotter| {
        snapshotter.database.is_some() && snapshotter.all_rows().is_none()
    };
    if !inventory.has_all_records() || inventory.snapshotters.values().any(|one| rows_lost(&one)) {
        return Some(Distrust::RecordsLost);
    }
    before_its_image(inventory).or_else(|| backwards(inventory))
}

/// An image that was pulled before it was made: the clock was behind then.
fn before_its_image(inventory: &Inventory) -> Option<Distrust> {
    for records in inventory.metadata().namespaces.values() {
        for (name, image) in &records.images {
            let (Some(target), Some(pulled)) = (&image.target.digest, image.created) else { continue };
            let documents = &inventory.documents;
            let document = documents.facts.get(target).and_then(DocumentFact::document);
            let manifests = match document {
                Some(document @ Document::Index(_)) => {
                    children(document).into_iter().map(|child| &child.digest).collect()
                }
                _ => vec![target],
            };
            let configs = manifests.into_iter().filter_map(|manifest| documents.config(manifest));
            let made = configs.filter_map(|config| config.created()).map(seconds).max();
            if made.is_some_and(|made| made.saturating_sub(pulled.seconds) > BUILD_SKEW_SECONDS) {
                return Some(Distrust::BeforeItsImage { image: name.clone() });
            }
        }
    }
    None
}

/// Numbers only grow: a snapshot with a time long before that of one with a smaller number was made by a clock set back.
fn backwards(inventory: &Inventory) -> Option<Distrust> {
    for (name, snapshotter) in &inventory.snapshotters {
        let Some(rows) = snapshotter.all_rows() else { continue };
        // What was committed by hand may have been begun long before; its time is that of the commit.
        let timely =
            |key: &str, kind| kind != Kind::Committed || crate::plan::snapshots::chain_of(key).is_some();
        let rows = rows.by_key.iter().filter(|(key, row)| timely(key, row.kind));
        let times = rows.filter_map(|(_, row)| Some((row.id, row.created?.seconds)));
        let by_id: BTreeMap<u64, i64> = times.collect();
        let mut newest = i64::MIN;
        for (id, made) in by_id {
            if newest.saturating_sub(made) > UNPACK_SECONDS {
                return Some(Distrust::Backwards { snapshotter: name.clone(), id });
            }
            newest = newest.max(made);
        }
    }
    None
}
