//! What a thing looks like, for a root that was copied: there, every inode is another one.

use std::ffi::OsStr;
use std::io;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::disk::Dir;
use super::journal::Moment;
use crate::io::{FileKind, ReadAt as _, Stat};

/// Bytes that are looked at from either end of a file: the damage of a power cut and the file that replaces it may have the
/// same size and time.
const EDGE: usize = 1 << 20;

/// What a copy that keeps attributes (`cp -a`) keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::repair) struct Seen {
    kind: String,
    /// A folder's says nothing.
    size_bytes: Option<u64>,
    mode: u32,
    owner: (u32, u32),
    mtime: Moment,
    /// The first hex digits of the SHA-256 of a file's two ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ends: Option<String>,
}

impl Seen {
    /// By what `stat` tells.
    pub(in crate::repair) fn of(stat: &Stat) -> Seen {
        Seen {
            kind: stat.kind.to_string(),
            size_bytes: (stat.kind != FileKind::Folder).then_some(stat.size_bytes),
            mode: stat.mode,
            owner: (stat.uid, stat.gid),
            mtime: stat.mtime.into(),
            ends: None,
        }
    }

    /// And by a file's ends.
    pub(in crate::repair) fn with_ends(dir: &Dir<'_>, name: &OsStr) -> io::Result<Option<Seen>> {
        let Some(stat) = dir.stat(name)? else { return Ok(None) };
        let mut seen = Seen::of(&stat);
        if stat.kind == FileKind::File {
            seen.ends = Some(ends(dir, name)?);
        }
        Ok(Some(seen))
    }

    /// Whether that is what has the name now.
    pub(in crate::repair) fn is_at(&self, dir: &Dir<'_>, name: &OsStr) -> io::Result<bool> {
        let now = match &self.ends {
            Some(_) => Seen::with_ends(dir, name)?,
            None => dir.stat(name)?.map(|stat| Seen::of(&stat)),
        };
        Ok(now.as_ref() == Some(self))
    }
}

fn ends(dir: &Dir<'_>, name: &OsStr) -> io::Result<String> {
    let file = dir.folder().file(name)?;
    let mut buffer = vec![0; EDGE];
    let mut hasher = Sha256::new();
    for offset in [0, file.len()?.saturating_sub(EDGE as u64)] {
        let count = crate::io::read_full_at(&file, &mut buffer, offset)?;
        hasher.update(buffer.get(..count).unwrap_or_default());
    }
    Ok(hex::encode(hasher.finalize().get(..8).unwrap_or_default()))
}
