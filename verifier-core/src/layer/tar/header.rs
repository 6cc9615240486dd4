//! An entry's header, after all extensions are taken in.

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time {
    /// Seconds since 1970, negative before.
    pub seconds: i64,
    /// Nanoseconds within that second, 0 to 999,999,999.
    pub nanoseconds: u32,
}

impl Time {
    /// Go's `time.Unix`: nanoseconds may be negative or more than a second.
    pub(super) fn new(seconds: i64, nanoseconds: i64) -> Time {
        let carry = nanoseconds.div_euclid(1_000_000_000);
        let rest = nanoseconds.rem_euclid(1_000_000_000);
        Time { seconds: seconds.wrapping_add(carry), nanoseconds: u32::try_from(rest).unwrap_or(0) }
    }
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EntryKind {
    /// A regular file.
    #[default]
    File,
    /// Another name of an earlier entry.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A folder.
    Folder,
    /// A fifo.
    Fifo,
    /// Records for all that follows. Go forgets them, but it is an entry with a name.
    Global,
    /// Anything else.
    Other(u8),
}

impl EntryKind {
    pub(super) fn of(flag: u8) -> EntryKind {
        match flag {
            b'0' | 0 => EntryKind::File,
            b'1' => EntryKind::HardLink,
            b'2' => EntryKind::Symlink,
            b'3' => EntryKind::CharDevice,
            b'4' => EntryKind::BlockDevice,
            b'5' => EntryKind::Folder,
            b'6' => EntryKind::Fifo,
            b'g' => EntryKind::Global,
            other => EntryKind::Other(other),
        }
    }

    /// Whether no data follows, whatever the size says.
    pub(super) fn is_header_only(self) -> bool {
        !matches!(self, EntryKind::File | EntryKind::Global | EntryKind::Other(_))
    }
}

/// An entry of the archive. Its buffers are used again for the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// What it is.
    pub kind: EntryKind,
    /// Where it goes, as it is written.
    pub name: Vec<u8>,
    /// A link's target, as it is written.
    pub link: Vec<u8>,
    /// The file's length in bytes, holes included. Never negative for what has data.
    pub size_bytes: i64,
    /// Permissions, set-id and sticky bits, and whatever else stands there.
    pub mode: i64,
    /// The owner.
    pub uid: i64,
    /// The group.
    pub gid: i64,
    /// When it was changed.
    pub mtime: Time,
    /// A device's major number.
    pub device_major: i64,
    /// A device's minor number.
    pub device_minor: i64,
    /// Extended attributes, by name; each name once.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where the header begins in the tar, in bytes; that of its first extension, if it has any.
    pub offset: u64,
}
