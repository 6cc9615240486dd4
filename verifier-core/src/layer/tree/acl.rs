//! POSIX access control lists, as far as the kernel rewrites them.
//!
//! ```text
//! 0  u32  version, 2
//! 4  entries of 8 bytes, little-endian: u16 tag, u16 permissions, u32 id (all ones where the tag needs none)
//!    tags: 1 owner, 2 a user, 4 group, 8 a group, 16 mask, 32 others       (uapi/linux/posix_acl_xattr.h)
//! ```

const OWNER: u16 = 1;
const GROUP: u16 = 4;
const MASK: u16 = 16;
const OTHERS: u16 = 32;

/// Whether `value` has more to say than a mode can: the kernel keeps no other list of access.
pub(super) fn is_extended(value: &[u8]) -> bool {
    entries(value).any(|(tag, _, _)| !matches!(tag, OWNER | GROUP | OTHERS))
}

/// What the list `value` reads as on a file of `mode`: `chmod` changes the owner's entry, the others', and the mask,
/// or the group's where there is no mask.
#[must_use]
pub fn effective_acl(value: &[u8], mode: u32) -> Vec<u8> {
    let masked = entries(value).any(|(tag, _, _)| tag == MASK);
    let mut effective = value.get(..4).unwrap_or_default().to_vec();
    for (tag, permissions, id) in entries(value) {
        let shift = match tag {
            OWNER => Some(6),
            MASK => Some(3),
            GROUP if !masked => Some(3),
            OTHERS => Some(0),
            _ => None,
        };
        let permissions = shift.map_or(permissions, |shift| u16::try_from(mode >> shift & 7).unwrap_or(0));
        let id = if matches!(tag, OWNER | GROUP | MASK | OTHERS) { u32::MAX } else { id };
        effective.extend_from_slice(&tag.to_le_bytes());
        effective.extend_from_slice(&permissions.to_le_bytes());
        effective.extend_from_slice(&id.to_le_bytes());
    }
    effective
}

fn entries(value: &[u8]) -> impl Iterator<Item = (u16, u16, u32)> {
    value.get(4..).unwrap_or_default().chunks_exact(8).filter_map(|entry| match entry {
        [t0, t1, p0, p1, i0, i1, i2, i3] => Some((
            u16::from_le_bytes([*t0, *t1]),
            u16::from_le_bytes([*p0, *p1]),
            u32::from_le_bytes([*i0, *i1, *i2, *i3]),
        )),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut value = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            value.extend([tag.to_le_bytes(), permissions.to_le_bytes()].concat());
            value.extend(id.to_le_bytes());
        }
        value
    }

    #[test]
    fn chmod_rewrites_a_list() {
        let none = u32::MAX;
        let value =
            list(&[(OWNER, 7, none), (2, 6, 1000), (GROUP, 5, none), (MASK, 7, none), (OTHERS, 7, none)]);
        let expected =
            list(&[(OWNER, 6, none), (2, 6, 1000), (GROUP, 5, none), (MASK, 4, none), (OTHERS, 0, none)]);
        assert_eq!(effective_acl(&value, 0o640), expected);
        assert!(is_extended(&value));
        assert!(!is_extended(&list(&[(OWNER, 7, none), (GROUP, 5, none), (OTHERS, 5, none)])));
        assert!(!is_extended(b""));
    }
}
