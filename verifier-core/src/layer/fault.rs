//! Why a blob gives no tree.

use serde::Serialize;

/// Why a blob is no layer. Offsets are bytes from the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "fault", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LayerFault {
    /// The compressed stream is wrong at this place of the blob.
    #[error("{format} stream is corrupt at byte {offset} of the blob: {why}")]
    Compressed {
        /// `gzip` or `zstd`.
        format: &'static str,
        /// Where in the blob.
        offset: u64,
        /// What the decompressor says.
        why: String,
    },
    /// The blob ends before its compressed stream does.
    #[error("{format} stream is cut off: the blob ends at byte {offset}")]
    Cut {
        /// `gzip` or `zstd`.
        format: &'static str,
        /// The blob's length.
        offset: u64,
    },
    /// What came out is no tar.
    #[error("bad tar at byte {offset}: {why}")]
    Tar {
        /// Where in the tar: the start of the entry's header.
        offset: u64,
        /// What is wrong with it.
        why: TarFault,
    },
}

/// What is wrong with a tar, as Go's `archive/tar` sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TarFault {
    /// It ends in the middle of an entry.
    #[error("it ends within an entry")]
    Cut,
    /// Wrong checksum, a number that is none, a negative size, or one block of zeros alone.
    #[error("no valid header")]
    Header,
    /// A PAX record that breaks the format.
    #[error("no valid PAX records")]
    Pax,
    /// A PAX header, a long name or a sparse map of more than 1 MiB.
    #[error("extension larger than 1 MiB")]
    TooLong,
    /// A sparse map that does not fit the file, or data that does not fit the map.
    #[error("no valid sparse file")]
    Sparse,
}

/// Why containerd's apply fails on an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Refusal {
    /// Old GNU sparse files, continuous files, and whatever else has no meaning for containerd.
    #[error("entry of a type that containerd does not know")]
    EntryType,
    /// Something on the way to the entry is neither a folder nor a link to one.
    #[error("a parent is no folder")]
    ParentNotFolder,
    /// More than 255 links on the way to the entry.
    #[error("too many links on the way")]
    TooManyLinks,
    /// A component of more than 255 bytes, a path of more than 4095, or a NUL in it.
    #[error("a name that no file can have")]
    Name,
    /// `.wh.` alone, or followed by `.` or `..`.
    #[error("whiteout of nothing")]
    WhiteoutName,
    /// Overlay only: what is to be whited out was written by this layer.
    #[error("whiteout of what the layer has already written")]
    WhiteoutExists,
    /// A hard link to nothing.
    #[error("hard link to nothing")]
    LinkTargetMissing,
    /// A hard link to a folder.
    #[error("hard link to a folder")]
    LinkToFolder,
    /// A symbolic link with an empty target, or one of more than 4095 bytes.
    #[error("symbolic link with an impossible target")]
    LinkTarget,
    /// A folder's time is to be set at the end, but nothing has its name any more.
    #[error("a folder of the layer is gone at the end")]
    FolderGone,
    /// An extended attribute that no kernel takes: an empty name, or one of more than 255 bytes, or a value of more
    /// than 64 KiB.
    #[error("impossible extended attribute")]
    Xattr,
}
