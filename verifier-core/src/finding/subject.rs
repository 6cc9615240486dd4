//! What a finding is about, and what it reaches.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::text::{escape, escape_path};

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Subject {
    /// The store as a whole.
    Store,
    /// Committed content.
    Blob {
        /// Its digest.
        digest: Digest,
    },
    /// An image record.
    Image {
        /// Its namespace.
        namespace: String,
        /// Its name (a reference, usually).
        name: String,
    },
    /// A write that was begun.
    Ingest {
        /// The name of its folder below `ingest/`.
        #[serde(serialize_with = "lossy")]
        folder: PathBuf,
    },
    /// A snapshot of a snapshotter.
    Snapshot {
        /// The snapshotter's name.
        snapshotter: String,
        /// The key in the snapshotter's own database: `namespace/sequence/key`.
        key: String,
        /// Its number there: the folder's name.
        id: u64,
    },
    /// A bolt file.
    Database {
        /// Where it is below the root.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
    },
    /// A record in a bolt file.
    Record {
        /// Where the file is below the root.
        #[serde(serialize_with = "lossy")]
        database: PathBuf,
        /// The buckets on the way, then the key. What is not UTF-8 is written with U+FFFD.
        path: Vec<String>,
    },
    /// Anything else on disk.
    Path {
        /// Where it is below the root.
        #[serde(serialize_with = "lossy")]
        path: PathBuf,
    },
}

/// What it is about, as the operator would name it. Names are escaped.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Store => f.write_str("the store"),
            Subject::Blob { digest } => write!(f, "blob {digest}"),
            Subject::Image { namespace, name } => {
                write!(f, "image {} in {}", escape(name), escape(namespace))
            }
            Subject::Ingest { folder } => write!(f, "ingest {}", escape_path(folder)),
            Subject::Snapshot { snapshotter, key, id } => {
                write!(f, "{} snapshot {id} ({})", escape(snapshotter), escape(key))
            }
            Subject::Database { path } => write!(f, "database {}", escape_path(path)),
            Subject::Record { database, path } => {
                let path: Vec<String> = path.iter().map(escape).collect();
                write!(f, "record {} in {}", path.join(" / "), escape_path(database))
            }
            Subject::Path { path } => f.write_str(&escape_path(path)),
        }
    }
}

/// Paths need not be UTF-8, and serde's own way with those is to fail; what is not is written with U+FFFD.
pub(crate) fn lossy<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// What the damage reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BlastRadius {
    /// Namespaces that hold a record of the subject.
    pub namespaces: BTreeSet<String>,
    /// Images that need it, by all their names.
    pub images: Names,
    /// Containers that need it: the first of them, if they are very many.
    pub containers: Names,
    /// How many more containers need it.
    #[serde(skip_serializing_if = "is_zero")]
    pub containers_left_out: u64,
}

/// Names whose copies share their memory: a thousand damaged layers of one image reach the same thousand containers.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Names(Arc<BTreeSet<Named>>);

impl Names {
    /// Whether they are in the same memory as `other`, and so the same.
    #[must_use]
    pub fn is_shared_with(&self, other: &Names) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Adds others; what is shared stays so where nothing is added.
    pub fn add(&mut self, others: &Names) {
        if self.is_empty() {
            *self = others.clone();
        } else if !self.is_shared_with(others) && !others.is_subset(self) {
            self.extend(others.iter().cloned());
        }
    }
}

impl Serialize for Names {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Deref for Names {
    type Target = BTreeSet<Named>;

    fn deref(&self) -> &BTreeSet<Named> {
        &self.0
    }
}

impl DerefMut for Names {
    fn deref_mut(&mut self) -> &mut BTreeSet<Named> {
        Arc::make_mut(&mut self.0)
    }
}

impl From<BTreeSet<Named>> for Names {
    fn from(names: BTreeSet<Named>) -> Self {
        Names(Arc::new(names))
    }
}

impl<const N: usize> From<[Named; N]> for Names {
    fn from(names: [Named; N]) -> Self {
        names.into_iter().collect()
    }
}

impl FromIterator<Named> for Names {
    fn from_iter<I: IntoIterator<Item = Named>>(names: I) -> Self {
        Names(Arc::new(names.into_iter().collect()))
    }
}

impl<'a> IntoIterator for &'a Names {
    type Item = &'a Named;
    type IntoIter = std::collections::btree_set::Iter<'a, Named>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A name within a namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Named {
    /// The namespace.
    pub namespace: String,
    /// An image's name or a container's id.
    pub name: String,
}

/// With its namespace. Both are escaped.
impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", escape(&self.name), escape(&self.namespace))
    }
}
