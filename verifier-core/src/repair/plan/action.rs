//! What can be done.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::digest::Digest;
use crate::finding::{BlastRadius, Code, Named, Role, Subject};
use crate::text::{count, escape, escape_path};

/// Kinds of actions, in the order in which they are carried out: databases first, because everything else is told by them;
/// then what stands in the collector's way; then what puts right; last what takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Makes a damaged database anew, or puts right what one of its rows says.
    Rebuild,
    /// Moves waste out.
    Clean,
    /// Puts right bytes in the place of wrong ones.
    Replace,
    /// Puts an unpacked snapshot right from its layer's blob, or an empty folder where one must be.
    Restore,
    /// Takes out what has to be pulled again.
    Evict,
}

impl Verb {
    /// All of them.
    pub const ALL: [Verb; 5] = [Verb::Rebuild, Verb::Clean, Verb::Replace, Verb::Restore, Verb::Evict];

    /// Its stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Rebuild => "rebuild",
            Verb::Clean => "clean",
            Verb::Replace => "replace",
            Verb::Restore => "restore",
            Verb::Evict => "evict",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A snapshot by all its names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SnapshotName {
    /// Its namespace.
    pub namespace: String,
    /// Its snapshotter.
    pub snapshotter: String,
    /// Its key in meta.db; `None` when there is no record of it.
    pub key: Option<String>,
    /// Its key in the snapshotter's database.
    pub backend_key: String,
    /// Its number there; `None` when there is no row of it.
    pub id: Option<u64>,
    /// Its folder below the root, where there is one.
    pub folder: Option<PathBuf>,
}

/// Its snapshotter and its key there. Both are escaped.
impl fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", escape(&self.snapshotter), escape(&self.backend_key))
    }
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ActionKind {
    /// Make a damaged database anew.
    Rebuild {
        /// Where it is, below the root.
        database: PathBuf,
    },
    /// Have the records of a blob say how long it is.
    SetBlobSize {
        /// Its digest.
        digest: Digest,
        /// Its length.
        size_bytes: u64,
    },
    /// Have a database count on from above all numbers that are in use.
    SetSequence {
        /// Where it is, below the root.
        database: PathBuf,
        /// The bucket that counts.
        bucket: Vec<String>,
        /// The last number in use.
        sequence: u64,
    },
    /// Write a metadata.db's index of parents as its rows say.
    IndexParents {
        /// Where it is, below the root.
        database: PathBuf,
    },
    /// Take a value out that does not decode and that its record can do without.
    DropValue {
        /// Where it is, below the root.
        database: PathBuf,
        /// The names of the buckets, and the key.
        path: Vec<String>,
    },
    /// Take out a sandbox's record that keeps CRI from starting.
    ForgetSandbox {
        /// Its namespace.
        namespace: String,
        /// Its id.
        sandbox: String,
    },
    /// Move something that nothing needs out of the store.
    TakeOut {
        /// Where it is, below the root.
        path: PathBuf,
    },
    /// Make an empty folder where containerd needs one.
    MakeFolder {
        /// Where, below the root.
        path: PathBuf,
    },
    /// Put a blob's right bytes in its place.
    Replace {
        /// Its digest.
        digest: Digest,
        /// The source that has it.
        source: String,
    },
    /// Put the paths of a committed snapshot right that differ from its layer.
    Restore {
        /// How many snapshots it stands on: these are restored first.
        depth: usize,
        /// Its snapshotter.
        snapshotter: String,
        /// Its key in the snapshotter's database.
        backend_key: String,
        /// Its number there.
        id: u64,
    },
    /// Take out snapshots, so that they are unpacked again: the topmost first.
    EvictSnapshots {
        /// All that has to go.
        snapshots: Vec<SnapshotName>,
        /// The blobs that they are unpacked from, which must be right, or come with the next pull.
        blobs: Vec<Digest>,
    },
    /// Take out a blob, so that it is pulled again: its records in all namespaces, and its file.
    EvictBlob {
        /// Its digest.
        digest: Digest,
        /// What it is to the images.
        role: Option<Role>,
    },
    /// Take out the name of an image that could not be pulled again otherwise; its intact blobs stay.
    ForgetImage {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl ActionKind {
    /// Whether it changes what containerd's metadata says.
    #[must_use]
    pub fn is_of_rows(&self) -> bool {
        !matches!(
            self,
            ActionKind::TakeOut { .. }
                | ActionKind::MakeFolder { .. }
                | ActionKind::Replace { .. }
                | ActionKind::Restore { .. }
        )
    }

    /// What kind of action it is.
    #[must_use]
    pub fn verb(&self) -> Verb {
        match self {
            ActionKind::Rebuild { .. }
            | ActionKind::SetBlobSize { .. }
            | ActionKind::SetSequence { .. }
            | ActionKind::IndexParents { .. }
            | ActionKind::DropValue { .. } => Verb::Rebuild,
            ActionKind::ForgetSandbox { .. } | ActionKind::TakeOut { .. } => Verb::Clean,
            ActionKind::Replace { .. } => Verb::Replace,
            ActionKind::MakeFolder { .. } | ActionKind::Restore { .. } => Verb::Restore,
            ActionKind::EvictSnapshots { .. }
            | ActionKind::EvictBlob { .. }
            | ActionKind::ForgetImage { .. } => Verb::Evict,
        }
    }
}

/// What it does, in one line. Names are escaped.
impl fmt::Display for ActionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ActionKind::Rebuild { database } => {
                write!(f, "make {} anew from what is readable", escape_path(database))
            }
            ActionKind::SetBlobSize { digest, size_bytes } => {
                write!(f, "correct the recorded size of blob {digest} to {size_bytes} bytes")
            }
            ActionKind::SetSequence { database, bucket, sequence } => {
                let (database, bucket) = (escape_path(database), escape(bucket.join("/")));
                write!(f, "have {database} count on from {sequence} ({bucket})")
            }
            ActionKind::IndexParents { database } => {
                write!(f, "write the index of parents in {} anew from its rows", escape_path(database))
            }
            ActionKind::DropValue { database, path } => {
                write!(f, "drop the value {} from {}", escape(path.join("/")), escape_path(database))
            }
            ActionKind::ForgetSandbox { namespace, sandbox } => {
                write!(f, "take out the record of sandbox {} ({})", escape(sandbox), escape(namespace))
            }
            ActionKind::MakeFolder { path } => write!(f, "make the folder {}, empty", escape_path(path)),
            ActionKind::TakeOut { path } => write!(f, "move {} out", escape_path(path)),
            ActionKind::Replace { digest, source } => {
                write!(f, "put the right bytes of blob {digest} in its place, from {}", escape(source))
            }
            ActionKind::Restore { snapshotter, backend_key, id, .. } => {
                let (snapshotter, key) = (escape(snapshotter), escape(backend_key));
                write!(f, "put {snapshotter} snapshot {id} ({key}) right from its layer")
            }
            ActionKind::EvictSnapshots { snapshots, .. } => {
                let names: Vec<String> = snapshots.iter().map(ToString::to_string).collect();
                let (count, names) = (count(names.len() as u64, "snapshot"), names.join(", "));
                write!(f, "take out {count}, to be unpacked again: {names}")
            }
            ActionKind::EvictBlob { digest, role } => {
                let role = role.filter(|role| *role != Role::Other).map(|role| format!(" ({role})"));
                write!(f, "take out blob {digest}{}, to be pulled again", role.unwrap_or_default())
            }
            ActionKind::ForgetImage { namespace, name } => {
                let (namespace, name) = (escape(namespace), escape(name));
                write!(
                    f,
                    "take out the image name {name} ({namespace}), to be pulled again; its intact blobs stay"
                )
            }
        }
    }
}

/// A finding that an action heals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Because {
    /// Its code.
    #[serde(serialize_with = "code_text")]
    pub code: Code,
    /// What it is about.
    pub subject: Subject,
}

pub(super) fn code_text<S: serde::Serializer>(code: &Code, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.as_str())
}

/// One thing to do, why, and what it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Action {
    /// What.
    #[serde(flatten)]
    pub kind: ActionKind,
    /// The findings that it heals.
    pub because: Vec<Because>,
    /// Images and containers concerned.
    #[serde(flatten)]
    pub blast: BlastRadius,
    /// Bytes to write, at most.
    pub write_bytes: u64,
    /// Bytes that containerd will have to pull.
    pub pull_bytes: u64,
    /// Images that have to be pulled again once it is done.
    pub pull: BTreeSet<Named>,
    /// Those of them that no registry is known to have: they come back only from where they were made.
    pub unpullable: BTreeSet<Named>,
}

impl Action {
    pub(super) fn add(&mut self, because: Because, blast: &BlastRadius) {
        if !self.because.contains(&because) {
            self.because.push(because);
        }
        self.blast.namespaces.extend(blast.namespaces.iter().cloned());
        self.blast.images.add(&blast.images);
        self.blast.containers.add(&blast.containers);
        self.blast.containers_left_out = self.blast.containers_left_out.max(blast.containers_left_out);
    }
}
