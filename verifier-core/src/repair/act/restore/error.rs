//! Why a snapshot, or a path of it, was not restored.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::compare::{LayerError, StoppedEarly};
use crate::digest::Digest;
use crate::layout::RUNS;
use crate::repair::mounted::InUse;

/// Why a snapshot was not restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// It is no committed snapshot whose layers are all here.
    #[error("no layer tells what the snapshot should be")]
    NoLayer,
    /// btrfs: what is committed is a read-only subvolume, in which nothing can be changed, and which no rename replaces with
    /// a folder of the same meaning.
    #[error("a committed btrfs snapshot is a read-only subvolume")]
    ReadOnlySubvolume,
    /// containerd runs in a user namespace: owners, devices and whiteouts are what the kernel made of them there.
    #[error("the snapshot was unpacked in a user namespace: owners and whiteouts cannot be told")]
    UserNamespace,
    /// It is not on the file system of the root: nothing can be renamed from one to the other.
    #[error("the snapshot is on another file system than containerd's root")]
    OtherFileSystem,
    /// Something mounts it, or might.
    #[error(transparent)]
    InUse(#[from] InUse),
    /// A layer's bytes are not what its name, or its DiffID, says.
    #[error("layer {digest} is damaged itself")]
    LayerDamaged {
        /// The blob.
        digest: Digest,
    },
    /// A layer cannot be read.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The tree could not be compared.
    #[error(transparent)]
    NotCompared(#[from] StoppedEarly),
    /// A step failed: the disk is full, read-only or broken. What was done before it stands.
    #[error("{path}: {source}", path = .path.display())]
    System {
        /// Below the root.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Everything that could be was restored; these paths still differ.
    #[error("{paths} still {verb}{first}", paths = Count(*.paths), verb = if *.paths == 1 { "differs" } else { "differ" }, first = First(.tree, .left))]
    Left {
        /// The snapshot's tree, below the root.
        tree: PathBuf,
        /// How many paths differ.
        paths: u64,
        /// The first of them, below the snapshot's tree, and why.
        left: Vec<PathLeft>,
        /// The number of the error that keeps a part of the tree from being compared, if one does.
        unread: Option<i32>,
    },
    /// The run was asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// A path that still differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathLeft {
    /// Below the snapshot's tree.
    pub path: PathBuf,
    /// Why.
    pub why: Refused,
}

struct Count(u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, if self.0 == 1 { "path" } else { "paths" })
    }
}

/// The first of what is left, and why.
struct First<'a>(&'a Path, &'a [PathLeft]);

impl fmt::Display for First<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1.first() {
            Some(left) => write!(f, ": {}: {}", self.0.join(&left.path).display(), left.why),
            None => Ok(()),
        }
    }
}

/// Why a path was left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It, or the folder it is in, is immutable or append-only (`chattr`): somebody meant it to stay.
    #[error(
        "it, or the folder it is in, is immutable or append-only (lsattr shows it, chattr -i -a ends it)"
    )]
    Immutable,
    /// The snapshot's owners are shifted: whose a new file should be is not known.
    #[error("its owner is not known")]
    OwnerUnknown,
    /// What it has from the layers below cannot be told: one of them cannot be read.
    #[error("what it has from lower layers is not known: a lower layer cannot be read")]
    InheritedUnknown,
    /// The top of the tree cannot be read.
    #[error("the snapshot's top folder cannot be read")]
    TopUnreadable,
    /// The system refuses.
    #[error("{}", io::Error::from_raw_os_error(*.errno))]
    System {
        /// The error's number.
        errno: i32,
    },
    /// All was done, and it differs still.
    #[error("it still differs after it was restored")]
    StillDiffers,
}

impl RestoreError {
    /// The empty path is the run's own folder.
    pub(super) fn system(path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path: PathBuf = path.into();
        let path = if path.as_os_str().is_empty() { RUNS.into() } else { path };
        RestoreError::System { path, source }
    }
}
