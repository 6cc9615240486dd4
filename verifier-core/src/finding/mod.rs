//! What can be wrong with a store: data, and the one home of all that is known of it.
//!
//! A [`Finding`] is a [`FindingKind`] with its evidence, the [`Subject`] it is about and the [`BlastRadius`]: the
//! namespaces, images and containers that the damage reaches. [`Code`] names each kind for scripts; codes are stable.
//! The letters F1 to F18 in the comments are the failure modes that were reproduced on real containerds; each has a
//! damage in the `testdata` crate that causes exactly it.
//!
//! # One home for each kind
//!
//! A kind is a struct with its evidence in the file of its family, and its [`Fault`] beside it says all that is to be said of
//! it: how bad it is, the sentence, what to do by hand, the [`Cure`] and the page. The compiler asks for each of these.
//!
//! | file | family |
//! |---|---|
//! | `blob.rs` | committed content: files, bytes, names |
//! | `image.rs` | images: targets, documents, layers that were made wrong |
//! | `snapshot.rs` | snapshots on disk: folders and trees |
//! | `rows.rs` | the records of snapshots in the two databases |
//! | `metadata.rs` | databases as a whole, single values, labels |
//! | `bolt.rs` | pages of a database |
//! | `owners.rs` | containers, sandboxes, leases |
//! | `own_files.rs` | containerd's own files, and CRI's |
//! | `absent.rs` | parts that are gone as a whole, layers of erofs, images for other machines |
//! | `kept.rs` | what leases and labels alone keep |
//! | `path.rs` | ingests, and what cannot be read |
//!
//! A new kind is: its struct and its line in `kind.rs` (one line: name, type, code), its page in `pages/`, the check that finds
//! it (`verify/`), its damage (`testdata/src/damage/`), and its evidence in the schema of the report, which the command's tests
//! ask for. A new *cure* is a variant in `cure.rs`, and an arm in `repair/plan/mod.rs` that the compiler asks for.
//!
//! # Who escapes names
//!
//! Evidence and subjects hold names as they are. Each `Display` here escapes what it writes, once (see [`crate::text`]): the
//! text is one line that is safe on a terminal, and nobody escapes it again.

mod absent;
mod blob;
mod bolt;
mod code;
mod coverage;
mod cure;
mod difference;
mod evidence;
mod image;
mod kept;
mod kind;
mod metadata;
mod own_files;
mod owners;
mod page;
mod path;
mod rows;
mod snapshot;
mod subject;

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::text::{escape, thousands};

pub use absent::{ContentMissing, ErofsFault, ErofsLayerInvalid, ImageNotRunnable, SnapshotterMissing};
pub use blob::{
    BlobDigestMismatch, BlobMissing, BlobNameInvalid, BlobNotRegular, BlobRecordSizeWrong, BlobSizeMismatch,
    BlobUnreadable, BlobUnreferenced, BlobUnreferencedCorrupt,
};
pub use bolt::{BoltMetaInvalid, BoltPageInvalid, LastTransaction};
pub use code::{Severity, UnknownCode};
pub use coverage::{Coverage, Depth, NotCompared, Reason, StoppedEarly, Tally, Unverified, What};
pub use cure::{Cure, NoCure};
pub use difference::{Difference, DifferenceKind};
pub use evidence::{Role, Usage};
pub use image::{
    ImageConfigMissing, ImageTargetMissing, JsonFault, JsonFaultKind, LayerDiffIdMismatch, LayerInvalid,
    ManifestUnparsable, Unparsable,
};
pub use kept::{GcRootUnreached, Kept, LeaseEndless};
pub use kind::{Code, Fault, FindingKind};
pub use metadata::{
    LabelWrong, MetadataUnusable, MetadataValueInvalid, NoMeta, SnapshotterDatabaseUnusable, Unusable,
    ValueError,
};
pub use own_files::{
    ContainerFolderMissing, ContainerStatusInvalid, CriLeftover, RootEntryForeign, StatusFault,
    TmpmountLeftover, UuidEmpty, UuidFault, UuidInvalid,
};
pub use owners::{
    ContainerSnapshotMissing, LeaseExpired, LeaseResourceMissing, SandboxFault, SandboxInvalid,
};
pub use path::{IngestStale, PathUnreadable, StaleIngest};
pub use rows::{
    IndexEntry, SnapshotChainWrong, SnapshotIdShared, SnapshotIndexWrong, SnapshotKind, SnapshotKindWrong,
    SnapshotParentDiffers, SnapshotParentLoop, SnapshotParentMissing, SnapshotRowMissing,
    SnapshotSequenceBehind, SnapshotUnreferenced, SnapshotUsageMissing,
};
pub use snapshot::{
    LeftOver, SnapshotFolderMissing, SnapshotFolderUnreferenced, SnapshotParentsBare, SnapshotUnowned,
    SnapshotUsageDiffers, TreeDamage,
};
pub(crate) use subject::lossy;
pub use subject::{BlastRadius, Named, Names, Subject};

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong, with the evidence.
    pub kind: FindingKind,
    /// What it is about.
    pub subject: Subject,
    /// Where that is below the root, if it has a place of its own; the report has it.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "lossy_path")]
    pub path: Option<PathBuf>,
    /// What it reaches.
    pub blast: BlastRadius,
}

fn lossy_path<S: serde::Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.to_string_lossy()).serialize(serializer)
}

impl Finding {
    /// The stable name of the kind.
    #[must_use]
    pub fn code(&self) -> Code {
        self.kind.code()
    }

    /// How bad it is: a function of the kind.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.code().severity()
    }

    /// The subject, and what it is to an image where that is known.
    #[must_use]
    pub fn heading(&self) -> String {
        let role = self.kind.role().map(|role| format!(" ({role})")).unwrap_or_default();
        format!("{}{role}", self.subject)
    }

    /// What to do now: by hand, and by `repair` where that may help. A plan can refuse, so nothing more is promised.
    #[must_use]
    pub fn advice(&self) -> String {
        let (by_hand, cure) = (self.kind.by_hand(), self.kind.cure());
        if !cure.is_known() {
            return by_hand.into();
        }
        format!(
            "{by_hand} 'containerd-fsck repair' may put it right; without --yes it only shows what it can."
        )
    }
}

/// What is wrong and with what, in one line that names the subject first.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.heading(), self.kind)
    }
}

/// The first names of a list, and how many there are beyond them.
fn first_names(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = names.iter().take(SHOWN).map(escape).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {} more", shown.join(", "), thousands(more as u64)),
    }
}
