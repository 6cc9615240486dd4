//! What was looked at, how far, and what was left out.

use std::fmt;

use rustix::io::Errno;
use serde::Serialize;

use super::Subject;
use crate::layer::Refusal;
use crate::text::{count, errno, escape, size, thousands};

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
    /// The layer's file is gone although it is recorded (a finding of its own).
    LayerMissing,
    /// The tree holds all layers of its stack, and the file of one below its own is gone although it is recorded: nothing of the
    /// tree was compared.
    LayerBelowMissing,
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
        #[serde(serialize_with = "crate::text::as_text")]
        what: What,
    },
    /// The layer's blob is itself damaged (a finding of its own).
    LayerDamaged,
    /// The lower snapshots that this one builds on are not all here.
    LowerMissing,
    /// The layer is larger than the tree can account for; reading on was pointless.
    StoppedEarly {
        /// Why.
        #[serde(serialize_with = "crate::text::as_text")]
        why: StoppedEarly,
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
    /// It names so much that the run gave it up: what it leads to is unknown.
    MemoryLimit {
        /// What all of its kind together may take.
        limit_bytes: u64,
    },
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
            Reason::Interrupted
            | Reason::PermissionDenied
            | Reason::KeptChanging
            | Reason::LayerBelowMissing
            | Reason::MemoryLimit { .. }
            | Reason::System { .. } => true,
            Reason::UnknownSnapshotter { of_images, accepted, .. } => *of_images > 0 && !accepted,
            Reason::GraphDriver { instead, accepted, .. } => *instead && !accepted,
            _ => false,
        }
    }
}

/// Why, in a few words.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::UnknownAlgorithm => f.write_str("digests of that algorithm cannot be computed here"),
            Reason::LayerMissing => f.write_str("the layer's file is missing although it is recorded"),
            Reason::LayerBelowMissing => f.write_str(
                "the file of a layer below is missing although it is recorded, and this tree holds all of them",
            ),
            Reason::LayerDiscarded => f.write_str("the layer was discarded after unpacking, or never needed"),
            Reason::LayerNotPulled => {
                f.write_str("neither the layer nor its snapshot is here: only a part was pulled")
            }
            Reason::NoLayer => f.write_str("no layer made it: committed by hand, or a build's cache"),
            Reason::UnknownSnapshotter { snapshotter, snapshots, of_images, .. } => {
                let (all, name) = (count(*snapshots, "snapshot"), escape(snapshotter));
                let images = thousands(*of_images);
                write!(f, "{all} of {name}, {images} of them of images, cannot be read here")?;
                let is_in_part = snapshotter == "erofs";
                let in_part = "; that each layer is there and whole was checked, what is in it was not";
                f.write_str(if is_in_part { in_part } else { "" })
            }
            Reason::GraphDriver { folder, driver, images, layers, .. } => write!(
                f,
                "Docker's own store in {} ({}): {} in {}, not read",
                escape(folder),
                escape(driver),
                count(*images, "image"),
                count(*layers, "layer")
            ),
            Reason::NotComparable { what } => write!(f, "cannot be compared: {what}"),
            Reason::LayerDamaged => f.write_str("the layer's own blob is damaged"),
            Reason::LowerMissing => f.write_str("snapshots below it are missing"),
            Reason::StoppedEarly { why } => write!(f, "not read to the end: {why}"),
            Reason::NotAtRisk { blobs, snapshots } => {
                let (blobs, snapshots) = (count(*blobs, "blob"), count(*snapshots, "snapshot"));
                write!(f, "not at risk, so not read: {blobs} and {snapshots}")
            }
            Reason::VerifiedBefore { subjects } => {
                write!(f, "verified within the period: {}", count(*subjects, "subject"))
            }
            Reason::LeftForLater { subjects } => {
                write!(f, "left for the next sweep: {}", count(*subjects, "subject"))
            }
            Reason::Interrupted => f.write_str("the run was stopped"),
            Reason::PermissionDenied => f.write_str("permission denied"),
            Reason::MemoryLimit { limit_bytes } => write!(
                f,
                "given up, and all that it names: it names more than fits into {}",
                size(*limit_bytes)
            ),
            Reason::KeptChanging => f.write_str("it kept changing"),
            Reason::System { errno: number } if *number == Errno::LOOP.raw_os_error() => f.write_str(
                "a symbolic link leads to it, and none inside a root is followed (a bind mount is)",
            ),
            Reason::System { errno: number } if *number == Errno::NOSYS.raw_os_error() => {
                write!(f, "{}; is /proc mounted?", errno(*number))
            }
            Reason::System { errno: number } => f.write_str(&errno(*number)),
        }
    }
}

/// What of a tree could not be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// One property of it.
    #[error(transparent)]
    Property(#[from] NotCompared),
    /// All of it.
    #[error(transparent)]
    Tree(#[from] StoppedEarly),
}

/// Why a tree was not compared, though nothing is known to be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "why", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StoppedEarly {
    /// The tar goes on beyond the limit.
    #[error("the layer's tar is larger than {limit_bytes} bytes")]
    TarTooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// The model has more names, or longer ones, than it may.
    #[error("the layer has more names than fit into memory")]
    TooManyNames,
    /// A good tar with an entry that containerd's own apply fails on: something else must have made the snapshot.
    #[error("containerd refuses the entry at byte {offset} of the layer's tar: {refusal}")]
    Refused {
        /// Where in the tar: the start of the entry's header.
        offset: u64,
        /// Why it is refused.
        refusal: Refusal,
    },
    /// No layer that containerd applies without a stream processor of the operator's (an encrypted one, say).
    #[error("the layer's media type is none that containerd decompresses by itself")]
    MediaType,
}

/// A property that was not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NotCompared {
    /// Owners are shifted, or the namespace's.
    #[error("owners")]
    Owners,
    /// No user namespace can make devices.
    #[error("devices")]
    Devices,
    /// In a user namespace the kernel makes them as it sees fit.
    #[error("whiteouts")]
    Whiteouts,
    /// `trusted.overlay.opaque` shows only to who may administer the system (`CAP_SYS_ADMIN`, outside of any user
    /// namespace).
    #[error("opaque folders: this process may not see their mark")]
    Opaque,
    /// In a user namespace, names whose parents are links in lower layers: containerd wrote behind those.
    #[error("names behind links of lower layers")]
    BehindLinks,
    /// The file system does not keep some kind of extended attribute, or shows none to this user.
    #[error("extended attributes")]
    Attributes,
    /// Attributes of parents that the layer does not mention: a lower layer could not be read.
    #[error("inherited attributes of parents")]
    Inherited,
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
