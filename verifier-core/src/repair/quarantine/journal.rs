//! What a run writes down before it does it.
//!
//! ```text
//! <root>/containerd-fsck/runs/<run>/journal   a line: `<number> <16 hex digits> <JSON object>`, numbers from 1
//!                                   items/    what was taken out of the store, and what is about to be put into it
//! ```
//!
//! The hex digits are the first of the SHA-256 of the number, a space and the object. Version 1 had objects only.
//!
//! Each line is on the medium before the step that it announces. Whether the step was made is told by the disk itself: by
//! where an item is, or by the number of the inode that has its name. So a run that was cut off anywhere can be undone.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::seen::Seen;
use crate::bolt::{Edits, text};
use crate::io::{Folder, Stat, Time};

/// The form of the lines described here.
pub(in crate::repair) const VERSION: u32 = 2;

/// The name of the file.
pub(in crate::repair) const FILE: &str = "journal";

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub(in crate::repair) enum Line {
    /// The run began.
    Begin {
        version: u32,
        /// RFC 3339.
        began: String,
        /// The folder of the items. Another one in its place is a copy, and so is all else.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        items: Option<Inode>,
    },
    /// What follows is part of this action, for people.
    Action { text: String },
    /// `path` becomes item `item`.
    Take {
        item: u64,
        path: RawPath,
        inode: Inode,
        parent: Moment,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<Seen>,
    },
    /// Item `item`, which is `inode`, becomes `path`; what had that name becomes the item.
    Put {
        item: u64,
        path: RawPath,
        inode: Inode,
        occupied: bool,
        parent: Moment,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<Seen>,
    },
    /// The attributes of `path`, which is `inode`, change; this is what they were.
    Change { path: RawPath, inode: Inode, before: Attributes },
    /// Item `item` is a copy of the database as it was before the run.
    Backup { item: u64, database: RawPath },
    /// Transaction `txid` changes rows; `inverse` puts them back.
    Rows { database: RawPath, txid: u64, inverse: Edits },
    /// The database is made anew, up to transaction `txid`; item `item` is a copy of it as it was just before.
    Rebuilt { item: u64, database: RawPath, txid: u64 },
    /// This is asked of a running containerd.
    Live { act: serde_json::Value },
    /// The retention deleted this run before this one began.
    Deleted { run: String, began: String, size_bytes: u64 },
    /// All was done.
    End { outcome: String },
}

/// A path below the root; text where it is UTF-8, else its bytes in hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::repair) struct RawPath(pub(in crate::repair) PathBuf);

impl Serialize for RawPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        text::serialize(self.0.as_os_str().as_bytes(), serializer)
    }
}

impl<'de> Deserialize<'de> for RawPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer).map(|bytes| RawPath(PathBuf::from(OsString::from_vec(bytes))))
    }
}

/// A time: seconds since 1970, and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::repair) struct Moment(i64, u32);

impl From<Time> for Moment {
    fn from(time: Time) -> Self {
        Moment(time.seconds, time.nanoseconds)
    }
}

impl From<Moment> for Time {
    fn from(Moment(seconds, nanoseconds): Moment) -> Self {
        Time { seconds, nanoseconds }
    }
}

/// An inode: its number, and when it was made where the file system tells. A number is given out again once it is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::repair) struct Inode {
    ino: u64,
    born: Option<Moment>,
}

impl Inode {
    pub(in crate::repair) fn new(ino: u64, born: Option<Time>) -> Inode {
        Inode { ino, born: born.map(Moment::from) }
    }
}

/// All that can be changed of an inode but its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::repair) struct Attributes {
    pub(in crate::repair) mode: u32,
    pub(in crate::repair) owner: (u32, u32),
    pub(in crate::repair) mtime: Moment,
    /// Names and values in hex: neither need be text.
    pub(in crate::repair) xattrs: BTreeMap<String, String>,
}

impl Attributes {
    /// Those of the name `name` in `folder`.
    pub(in crate::repair) fn of(folder: &Folder, name: &Path, stat: &Stat) -> io::Result<Attributes> {
        let xattrs = folder.xattrs(name)?;
        let xattrs = xattrs.iter().map(|(name, value)| (hex::encode(name), hex::encode(value))).collect();
        Ok(Attributes { mode: stat.mode, owner: (stat.uid, stat.gid), mtime: stat.mtime.into(), xattrs })
    }
}
