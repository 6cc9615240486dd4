//! An entry of a tar, as it is to be written.

/// How a header is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `ustar\0`, with PAX records for what does not fit.
    Pax,
    /// `ustar `, with `L` and `K` headers for long names, and base-256 numbers.
    Gnu,
    /// No magic at all.
    V7,
}

/// An entry. Whatever has no setter is a sensible default: mode 0755 for folders and 0644 otherwise, owner 0:0, a
/// fixed time.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The name, as it is written.
    pub name: Vec<u8>,
    /// The type flag.
    pub flag: u8,
    /// A link's target.
    pub link: Vec<u8>,
    /// A file's bytes.
    pub data: Vec<u8>,
    /// The size field, where it is not the data's length.
    pub size: Option<i64>,
    /// Mode bits.
    pub mode: u32,
    /// Owner.
    pub uid: i64,
    /// Group.
    pub gid: i64,
    /// Seconds since 1970 and nanoseconds.
    pub mtime: (i64, u32),
    /// Major and minor number.
    pub device: (u32, u32),
    /// Extended attributes.
    pub xattrs: Vec<(String, Vec<u8>)>,
    /// Further PAX records.
    pub records: Vec<(String, Vec<u8>)>,
    /// How the header is written.
    pub dialect: Dialect,
}

impl Entry {
    fn new(name: impl AsRef<[u8]>, flag: u8, mode: u32) -> Entry {
        Entry {
            name: name.as_ref().to_vec(),
            flag,
            link: Vec::new(),
            data: Vec::new(),
            size: None,
            mode,
            uid: 0,
            gid: 0,
            mtime: (1_600_000_000, 0),
            device: (0, 0),
            xattrs: Vec::new(),
            records: Vec::new(),
            dialect: Dialect::Pax,
        }
    }

    /// A regular file.
    pub fn file(name: impl AsRef<[u8]>, data: impl AsRef<[u8]>) -> Entry {
        Entry { data: data.as_ref().to_vec(), ..Entry::new(name, b'0', 0o644) }
    }

    /// A folder.
    pub fn folder(name: impl AsRef<[u8]>) -> Entry {
        Entry::new(name, b'5', 0o755)
    }

    /// A symbolic link.
    pub fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Entry {
        Entry { link: target.as_ref().to_vec(), ..Entry::new(name, b'2', 0o777) }
    }

    /// A hard link.
    pub fn hard_link(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Entry {
        Entry { link: target.as_ref().to_vec(), ..Entry::new(name, b'1', 0o644) }
    }

    /// A character device.
    pub fn char_device(name: impl AsRef<[u8]>, major: u32, minor: u32) -> Entry {
        Entry { device: (major, minor), ..Entry::new(name, b'3', 0o600) }
    }

    /// A block device.
    pub fn block_device(name: impl AsRef<[u8]>, major: u32, minor: u32) -> Entry {
        Entry { device: (major, minor), ..Entry::new(name, b'4', 0o600) }
    }

    /// A fifo.
    pub fn fifo(name: impl AsRef<[u8]>) -> Entry {
        Entry::new(name, b'6', 0o600)
    }

    /// The whiteout of `path`.
    pub fn whiteout(path: &str) -> Entry {
        let (folder, name) =
            path.rsplit_once('/').map_or((String::new(), path), |(a, b)| (format!("{a}/"), b));
        Entry::file(format!("{folder}.wh.{name}"), b"")
    }

    /// The marker that makes `folder` opaque; the top's is that of "".
    pub fn opaque(folder: &str) -> Entry {
        let slash = if folder.is_empty() { "" } else { "/" };
        Entry::file(format!("{folder}{slash}.wh..wh..opq"), b"")
    }

    /// Sets the type flag.
    pub fn flag(mut self, flag: u8) -> Entry {
        self.flag = flag;
        self
    }

    /// Sets the size field, whatever data there is.
    pub fn size(mut self, size: i64) -> Entry {
        self.size = Some(size);
        self
    }

    /// Sets the mode bits.
    pub fn mode(mut self, mode: u32) -> Entry {
        self.mode = mode;
        self
    }

    /// Sets owner and group.
    pub fn owner(mut self, uid: i64, gid: i64) -> Entry {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    /// Sets the time: seconds since 1970 and nanoseconds.
    pub fn mtime(mut self, seconds: i64, nanoseconds: u32) -> Entry {
        self.mtime = (seconds, nanoseconds);
        self
    }

    /// Adds an extended attribute.
    pub fn xattr(mut self, name: &str, value: impl AsRef<[u8]>) -> Entry {
        self.xattrs.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Adds a PAX record.
    pub fn record(mut self, key: &str, value: impl AsRef<[u8]>) -> Entry {
        self.records.push((key.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Sets how the header is written.
    pub fn dialect(mut self, dialect: Dialect) -> Entry {
        self.dialect = dialect;
        self
    }
}
