//! What a name stands for.

use super::arena::NodeId;
use crate::io::FileKind;
use crate::layer::tar::Time;

/// An inode of a [`super::Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InodeId(pub(super) u32);

/// What comparing a file's bytes came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Outcome {
    /// They were not compared: the file is empty, or not there, or of another length.
    #[default]
    None,
    /// They are the same.
    Same,
    /// The first byte that differs.
    Differs {
        /// Bytes from the start of the file.
        offset: u64,
    },
    /// The system did not give them back.
    Unreadable {
        /// The error's number.
        errno: i32,
    },
}

/// What a folder that no entry made has from a lower layer, until an entry says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Inherits {
    /// Permissions.
    pub mode: bool,
    /// The owner.
    pub uid: bool,
    /// The group.
    pub gid: bool,
    /// Extended attributes beyond those that entries set.
    pub attributes: bool,
}

impl Inherits {
    /// All that a folder has which no entry made.
    pub(crate) const ALL: Inherits = Inherits { mode: true, uid: true, gid: true, attributes: true };

    /// What both have from below.
    pub(crate) fn and(self, other: Inherits) -> Inherits {
        Inherits {
            mode: self.mode && other.mode,
            uid: self.uid && other.uid,
            gid: self.gid && other.gid,
            attributes: self.attributes && other.attributes,
        }
    }

    /// Whether there is anything.
    #[must_use]
    pub fn is_any(self) -> bool {
        self != Inherits::default()
    }
}

const INHERITS_MODE: u16 = 1;
const OPAQUE: u16 = 2;
const WHITEOUT: u16 = 4;
const MTIME: u16 = 8;
const GROUP_UNKNOWN: u16 = 16;
const INHERITS_UID: u16 = 32;
const INHERITS_GID: u16 = 64;
const INHERITS_ATTRIBUTES: u16 = 128;
const SETTLED: u16 = 256;

/// A file, folder, link or device as the layer makes it.
#[derive(Debug, Clone)]
pub struct Inode {
    kind: FileKind,
    flags: u16,
    pub(super) mode: u16,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// A file's or a link target's length in bytes, or a device's number.
    pub(super) size: u64,
    mtime_ns: u64,
    /// Its set of extended attributes.
    pub(super) attributes: u32,
    /// Where a link's target is in the arena.
    pub(super) target_at: u32,
    /// How many names it has.
    pub(super) names: u32,
    /// 0 none, 1 same, otherwise 2 and more: a place in the tree's list of outcomes.
    pub(super) outcome: u32,
    /// The name under which its bytes were compared.
    pub(super) compared_at: NodeId,
    /// The entry of the archive that its bytes are in.
    pub(super) entry: u32,
    /// The layer that archive is.
    pub(super) layer: u16,
}

impl Inode {
    pub(super) fn new(kind: FileKind, mode: u16) -> Inode {
        Inode {
            kind,
            flags: 0,
            mode,
            uid: 0,
            gid: 0,
            size: 0,
            mtime_ns: 0,
            attributes: 0,
            target_at: 0,
            names: 0,
            outcome: 0,
            compared_at: NodeId::ROOT,
            entry: 0,
            layer: 0,
        }
    }

    /// The type.
    #[must_use]
    pub fn kind(&self) -> FileKind {
        self.kind
    }

    /// Permissions, set-id and sticky bits; a symbolic link's have no meaning.
    #[must_use]
    pub fn mode(&self) -> u32 {
        u32::from(self.mode)
    }

    /// The owner's number.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The group's number.
    #[must_use]
    pub fn gid(&self) -> u32 {
        self.gid
    }

    /// A file's or a link target's length in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        if matches!(self.kind, FileKind::File | FileKind::Symlink) { self.size } else { 0 }
    }

    /// A device's number, as the kernel packs it (12 bits of major, 20 of minor).
    #[must_use]
    pub fn device(&self) -> u64 {
        if matches!(self.kind, FileKind::CharDevice | FileKind::BlockDevice) { self.size } else { 0 }
    }

    /// Nanoseconds since 1970, if the layer sets the time; otherwise it is the clock's.
    #[must_use]
    pub fn mtime(&self) -> Option<u64> {
        (self.flags & MTIME != 0).then_some(self.mtime_ns)
    }

    /// What is not the layer's own, but that of the same folder in the nearest lower layer, if that has it; or else
    /// 0755, user and group 0, and no attributes.
    #[must_use]
    pub fn inherits(&self) -> Inherits {
        let has = |flag| self.flags & flag != 0;
        Inherits {
            mode: has(INHERITS_MODE),
            uid: has(INHERITS_UID),
            gid: has(INHERITS_GID),
            attributes: has(INHERITS_ATTRIBUTES),
        }
    }

    /// Whether the folder hides what lower layers have in it.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        self.flags & OPAQUE != 0
    }

    /// Whether it is an overlay whiteout.
    #[must_use]
    pub fn is_whiteout(&self) -> bool {
        self.flags & WHITEOUT != 0
    }

    /// Whether the layer alone does not tell the group: no entry does, and a parent that comes from a lower layer
    /// may hand its own on.
    #[must_use]
    pub fn is_group_unknown(&self) -> bool {
        self.flags & GROUP_UNKNOWN != 0
    }

    /// How many names it has in the tree.
    #[must_use]
    pub fn names(&self) -> u32 {
        self.names
    }

    /// Where a file's bytes are: the layer, and the entry of its archive (both from 0).
    #[must_use]
    pub fn source(&self) -> (u16, u32) {
        (self.layer, self.entry)
    }

    fn set(&mut self, flag: u16, on: bool) {
        self.flags = if on { self.flags | flag } else { self.flags & !flag };
    }

    pub(super) fn set_inherited(&mut self) {
        self.set(INHERITS_MODE | INHERITS_UID | INHERITS_GID | INHERITS_ATTRIBUTES, true);
    }

    pub(super) fn set_opaque(&mut self) {
        self.set(OPAQUE, true);
    }

    pub(super) fn set_settled(&mut self, settled: bool) {
        self.set(SETTLED, settled);
    }

    pub(super) fn is_settled(&self) -> bool {
        self.flags & SETTLED != 0
    }

    pub(super) fn set_whiteout(&mut self) {
        self.set(WHITEOUT, true);
    }

    /// What is made in a set-gid folder belongs to the folder's group.
    pub(super) fn take_group(&mut self, folder: &Inode) {
        let inherits = folder.inherits();
        let set_gid = folder.mode & 0o2000 != 0;
        if inherits.mode || inherits.gid || (set_gid && folder.is_group_unknown()) {
            self.set(GROUP_UNKNOWN, true);
        } else if set_gid {
            self.gid = folder.gid;
        }
    }

    /// `lchown`: the kernel sees 32 bits, and leaves alone what is all ones.
    pub(super) fn chown(&mut self, uid: i64, gid: i64) {
        if let Some(uid) = owner(uid) {
            self.uid = uid;
            self.set(INHERITS_UID, false);
        }
        if let Some(gid) = owner(gid) {
            self.gid = gid;
            self.set(GROUP_UNKNOWN | INHERITS_GID, false);
        }
    }

    /// `chmod` by the header's mode.
    pub(super) fn chmod(&mut self, mode: i64) {
        self.mode = u16::try_from(mode & 0o7777).unwrap_or(0);
        self.set(INHERITS_MODE, false);
    }

    /// What lies before 1970 or after 2262 becomes 1970 (pkg/archive/time.go, `boundTime`).
    pub(super) fn set_mtime(&mut self, time: Time) {
        let nanoseconds = u64::try_from(time.seconds)
            .ok()
            .and_then(|seconds| seconds.checked_mul(1_000_000_000)?.checked_add(u64::from(time.nanoseconds)))
            .filter(|nanoseconds| i64::try_from(*nanoseconds).is_ok());
        self.mtime_ns = nanoseconds.unwrap_or(0);
        self.set(MTIME, true);
    }

    /// The clock set the time.
    pub(super) fn forget_mtime(&mut self) {
        self.set(MTIME, false);
    }
}

/// Whom `lchown` makes the owner: none if all of the 32 bits that the kernel sees are ones.
fn owner(id: i64) -> Option<u32> {
    let low = u32::try_from(id & i64::from(u32::MAX)).ok()?;
    (low != u32::MAX).then_some(low)
}
