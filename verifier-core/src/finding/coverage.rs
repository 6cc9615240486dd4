//! What was looked at, how far, and what was left out.

use serde::Serialize;

use super::Subject;

/// How far a check goes; each depth includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Depth {
    /// Records, names and sizes; of content only indexes, manifests and configs.
    Quick,
    /// And every blob rehashed.
    Blobs,
    /// And every unpacked snapshot compared with its layer.
    #[default]
    Full,
}

/// Why something was not verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// This library cannot compute that algorithm.
    UnknownAlgorithm,
    /// The layer is not here although its snapshot is: discarded after unpacking, or never needed.
    LayerDiscarded,
    /// The layer is not here and nor is its snapshot: a pull that fetched only a part of the image.
    LayerNotPulled,
    /// No layer made this snapshot: it was committed by hand, or is a build's cache.
    NoLayer,
    /// A snapshotter whose snapshots this library does not read, or not in full.
    UnknownSnapshotter {
        /// Its name.
        snapshotter: String,
        /// How many snapshots it has.
        snapshots: u64,
        /// How many of them are images': unpacked layers that nobody looked at.
        of_images: u64,
        /// Whether the caller takes that as it is.
        accepted: bool,
    },
    /// Docker keeps images in a store of its own beside this root, and that is not read.
    GraphDriver {
        /// Where, as it was found.
        folder: String,
        /// The driver.
        driver: String,
        /// How many images it has.
        images: u64,
        /// How many unpacked layers.
        layers: u64,
        /// Whether this root has no image of its own: then the other one is Docker's.
        instead: bool,
        /// Whether the caller takes that as it is.
        accepted: bool,
    },
    /// Some property of the tree cannot be compared on such a store.
    NotComparable {
        /// Which, and why.
        what: String,
    },
    /// The layer's blob is itself damaged (a finding of its own).
    LayerDamaged,
    /// The lower snapshots that this one builds on are not all here.
    LowerMissing,
    /// The layer is larger than the tree can account for; reading on was pointless.
    StoppedEarly {
        /// Why.
        why: String,
    },
    /// It was on the disk long before the crash, and the check was of what the crash put at risk.
    NotAtRisk {
        /// Blobs that were not rehashed.
        blobs: u64,
        /// Snapshots that were not compared with their layers.
        snapshots: u64,
    },
    /// A sweep verified it within its period.
    VerifiedBefore {
        /// How many blobs and snapshots.
        subjects: u64,
    },
    /// A sweep's time was up.
    LeftForLater {
        /// How many blobs and snapshots.
        subjects: u64,
    },
    /// The run was asked to stop.
    Interrupted,
    /// It may not be read by this user.
    PermissionDenied,
    /// It changed while it was looked at, again and again.
    KeptChanging,
    /// The system did not answer.
    System {
        /// The error's number.
        errno: i32,
    },
}

impl Reason {
    /// Whether this makes a run incomplete; the others are how stores are.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        match self {
            Reason::Interrupted | Reason::PermissionDenied | Reason::KeptChanging | Reason::System { .. } => {
                true
            }
            Reason::UnknownSnapshotter { of_images, accepted, .. } => *of_images > 0 && !accepted,
            Reason::GraphDriver { instead, accepted, .. } => *instead && !accepted,
            _ => false,
        }
    }
}

/// Something that was not verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unverified {
    /// What.
    pub subject: Subject,
    /// Why.
    pub reason: Reason,
}

/// How many of one kind were looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Verified, whatever came of it.
    pub checked: u64,
    /// Not verified.
    pub skipped: u64,
    /// Bytes read for it.
    pub bytes: u64,
}

/// What was looked at and what not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Blobs, by their bytes.
    pub blobs: Tally,
    /// Committed snapshots, by their trees.
    pub snapshots: Tally,
    /// What was left out, and why.
    pub unverified: Vec<Unverified>,
}

impl Coverage {
    /// What should have been looked at and could not be: nobody knows whether that is well.
    pub fn gaps(&self) -> impl Iterator<Item = &Unverified> {
        self.unverified.iter().filter(|unverified| unverified.reason.is_failure())
    }
}
