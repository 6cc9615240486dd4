//! What one name on disk is, against what the layer makes of it.

use std::collections::BTreeSet;

use crate::finding::DifferenceKind;
use crate::finding::NotCompared;
use crate::io::{FileKind, Stat};
use crate::layer::tree::{Attribute, Inherits, Inode, effective_acl, is_comparable, without_owner};

/// The mode and the owner that a name is to have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) mode: u32,
    pub(super) uid: u32,
    /// `None`: nothing tells it.
    pub(super) gid: Option<u32>,
    /// What nobody knows: a layer below that could tell is not to be had.
    pub(super) unknown: Inherits,
}

impl Wanted {
    /// What the layer itself tells.
    pub(super) fn of(inode: &Inode, unknown: Inherits) -> Wanted {
        let gid = (!inode.is_group_unknown()).then_some(inode.gid());
        Wanted { mode: inode.mode(), uid: inode.uid(), gid, unknown }
    }
}

/// Mode, owner and time.
pub(super) fn compare_stat(
    inode: &Inode,
    wanted: &Wanted,
    stat: &Stat,
    compare_owners: bool,
    differ: &mut dyn FnMut(DifferenceKind),
) {
    let is_link = inode.kind() == FileKind::Symlink;
    if !is_link && stat.mode != wanted.mode && !wanted.unknown.mode {
        differ(DifferenceKind::Mode { expected: wanted.mode, actual: stat.mode });
    }
    let uid_right = stat.uid == wanted.uid || wanted.unknown.uid;
    let gid_right = wanted.gid.is_none_or(|gid| stat.gid == gid) || wanted.unknown.gid;
    if compare_owners && !(uid_right && gid_right) {
        let (expected, actual) = ((wanted.uid, wanted.gid.unwrap_or(stat.gid)), (stat.uid, stat.gid));
        differ(DifferenceKind::Owner { expected, actual });
    }
    if let Some(expected) = inode.mtime()
        && !same_time(expected, stat.mtime.seconds, stat.mtime.nanoseconds)
    {
        let actual = (stat.mtime.seconds, stat.mtime.nanoseconds);
        differ(DifferenceKind::Mtime { expected, actual });
    }
}

/// Whether a file system may show the time `expected` (nanoseconds since 1970) as this.
///
/// A file system without nanoseconds cuts them off; one that ends in 2038 (ext3, ext4 with inodes of 128 bytes, xfs
/// without `bigtime`) shows its last second instead, and kernels before 5.4 what is left of 32 bits.
fn same_time(expected: u64, seconds: i64, nanoseconds: u32) -> bool {
    const LAST: i64 = i32::MAX as i64;
    let expected_seconds = i64::try_from(expected / 1_000_000_000).unwrap_or(i64::MAX);
    let expected_nanoseconds = expected % 1_000_000_000;
    let granular = [1, 100, 1_000, 1_000_000, 1_000_000_000]
        .iter()
        .any(|unit| expected_nanoseconds - expected_nanoseconds % unit == u64::from(nanoseconds));
    let wrapped = seconds
        == i64::from(i32::from_ne_bytes(
            u32::try_from(expected_seconds & 0xffff_ffff).unwrap_or(0).to_ne_bytes(),
        ));
    (seconds == expected_seconds && granular) || (expected_seconds > LAST && (seconds == LAST || wrapped))
}

/// Which kinds of extended attribute a tree's file system is known to keep.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Keeps {
    pub(super) user: bool,
    pub(super) security: bool,
    pub(super) acl: bool,
}

impl Keeps {
    /// ext2 to ext4, xfs, btrfs and f2fs keep all of them, as distributions build and mount them.
    pub(super) fn by_file_system(magic: i64) -> Keeps {
        let all = matches!(magic, 0xef53 | 0x5846_5342 | 0x9123_683e | 0xf2f5_2010);
        Keeps { user: all, security: all, acl: all }
    }

    fn of(self, name: &[u8]) -> bool {
        match name {
            _ if name.starts_with(b"user.") => self.user,
            _ if name.starts_with(b"security.") => self.security,
            _ => self.acl,
        }
    }
}

/// The extended attributes of one name.
pub(super) struct AttributeComparison<'a> {
    pub(super) expected: &'a [Attribute],
    /// Those that are comparable, by name.
    pub(super) actual: &'a [Attribute],
    /// The mode that the name is to have.
    pub(super) mode: u32,
    /// There may be more from layers below, and nobody knows what.
    pub(super) unknown: bool,
    /// The folder it is in, or it itself, has a default list: what is made in it takes that over.
    pub(super) default_acl_above: bool,
    pub(super) keeps: Keeps,
    /// Made in a user namespace: capabilities belong to its root, lists name users as it maps them.
    pub(super) user_namespace: bool,
    /// The kernel may have copied it up from a lower layer, attributes and all.
    pub(super) copied_up: bool,
}

impl AttributeComparison<'_> {
    pub(super) fn compare(
        &self,
        not_compared: &mut BTreeSet<NotCompared>,
        differ: &mut dyn FnMut(DifferenceKind),
    ) {
        let find = |set: &[Attribute], name: &[u8]| {
            set.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
        };
        for (name, value) in self.expected.iter().filter(|(name, _)| is_comparable(name)) {
            let expected = if name == b"system.posix_acl_access" {
                effective_acl(value, self.mode)
            } else {
                value.clone()
            };
            let actual = find(self.actual, name);
            if actual.as_ref() == Some(&expected) {
                continue;
            }
            if self.user_namespace {
                let same = actual.as_ref().is_some_and(|actual| without_owner(actual) == expected);
                if !same && !name.starts_with(b"user.") {
                    not_compared.insert(NotCompared::Attributes);
                }
                if same || !name.starts_with(b"user.") {
                    continue;
                }
            }
            if actual.is_none() && !self.keeps.of(name) {
                not_compared.insert(NotCompared::Attributes);
                continue;
            }
            differ(DifferenceKind::Xattr { name: name.clone(), expected: Some(expected), actual });
        }
        if self.unknown {
            return;
        }
        for (name, value) in self.actual.iter().filter(|(name, _)| find(self.expected, name).is_none()) {
            let acl_from_above = self.default_acl_above && name.starts_with(b"system.posix_acl_");
            if !acl_from_above && !self.copied_up {
                let (name, actual) = (name.clone(), Some(value.clone()));
                differ(DifferenceKind::Xattr { name, expected: None, actual });
            }
        }
    }
}

/// Major and minor of a device's number, as Linux packs them into 32 bits.
pub(super) fn major_minor(device: u64) -> (u32, u32) {
    let low = |bits: u64| u32::try_from(bits & 0xffff_ffff).unwrap_or(0);
    (low(device >> 8 & 0xfff), low((device & 0xff) | (device >> 12 & 0xf_ff00)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_file_systems_show_them() {
        let second = 1_000_000_000_u64;
        let time = 1_700_000_000 * second + 123_456_789;
        for (expected, seconds, nanoseconds, same) in [
            (time, 1_700_000_000, 123_456_789, true),
            (time, 1_700_000_000, 0, true),
            (time, 1_700_000_000, 123_456_700, true),
            (time, 1_700_000_000, 123_456_788, false),
            (time, 1_700_000_001, 123_456_789, false),
            (time, i64::from(i32::MAX), 0, false),
            (4_000_000_000 * second, 4_000_000_000, 0, true),
            (4_000_000_000 * second, i64::from(i32::MAX), 0, true),
            (4_000_000_000 * second, -294_967_296, 0, true),
            (4_000_000_000 * second, 0, 0, false),
        ] {
            assert_eq!(same_time(expected, seconds, nanoseconds), same, "{expected} {seconds}");
        }
    }

    #[test]
    fn device_numbers() {
        assert_eq!(major_minor(0x0801), (8, 1));
        assert_eq!(major_minor(rustix::fs::makedev(0xabc, 0xfedcb)), (0xabc, 0xfedcb));
    }
}
