//! Sets of extended attributes, each distinct one kept once.

use std::collections::HashMap;
use std::sync::Arc;

/// Name and value.
pub type Attribute = (Vec<u8>, Vec<u8>);

pub(super) const CAPABILITY: &[u8] = b"security.capability";
pub(super) const ACL_ACCESS: &[u8] = b"system.posix_acl_access";
pub(super) const ACL_DEFAULT: &[u8] = b"system.posix_acl_default";

/// What the host's own modules set.
const HOSTS: [&[u8]; 5] =
    [b"security.selinux", b"security.ima", b"security.evm", b"security.SMACK64", b"security.apparmor"];

/// Whether an attribute belongs to the layer. The others are the host's (`security.selinux`, `.ima`, `.evm`, and what Smack and
/// AppArmor put on every file), the kernel's (`trusted.overlay.*`, `user.overlay.*`), or another name for the same thing
/// (`trusted.SGI_ACL_*` on xfs).
#[must_use]
pub fn is_comparable(name: &[u8]) -> bool {
    (name.starts_with(b"user.") && !name.starts_with(b"user.overlay."))
        || matches!(name, ACL_ACCESS | ACL_DEFAULT)
        || (name.starts_with(b"security.") && !HOSTS.iter().any(|host| name.starts_with(host)))
}

/// The sets of a tree. Number 0 is the empty one.
#[derive(Debug, Clone)]
pub(super) struct Attributes {
    sets: Vec<Arc<[Attribute]>>,
    numbers: HashMap<Arc<[Attribute]>, u32>,
    bytes: usize,
}

impl Attributes {
    pub(super) fn new() -> Attributes {
        Attributes { sets: vec![Arc::from([])], numbers: HashMap::new(), bytes: 0 }
    }

    pub(super) fn get(&self, number: u32) -> &[Attribute] {
        self.sets.get(number as usize).map_or(&[], |set| &**set)
    }

    /// The set `number` changed by `change`, which keeps it sorted; `None` if there are too many.
    pub(super) fn change(
        &mut self,
        number: u32,
        bytes_max: usize,
        change: impl FnOnce(&mut Vec<Attribute>),
    ) -> Option<u32> {
        let mut set = self.get(number).to_vec();
        change(&mut set);
        if set.is_empty() {
            return Some(0);
        }
        if let Some(number) = self.numbers.get(&*set) {
            return Some(*number);
        }
        self.bytes += set.iter().map(|(name, value)| name.len() + value.len() + 64).sum::<usize>();
        let number = u32::try_from(self.sets.len()).ok().filter(|_| self.bytes <= bytes_max)?;
        let set: Arc<[Attribute]> = set.into();
        self.sets.push(Arc::clone(&set));
        self.numbers.insert(set, number);
        Some(number)
    }
}

/// Sets one attribute of a sorted set.
pub(super) fn set(set: &mut Vec<Attribute>, name: &[u8], value: Vec<u8>) {
    match set.binary_search_by(|(other, _)| (**other).cmp(name)) {
        Ok(at) => {
            if let Some((_, old)) = set.get_mut(at) {
                *old = value;
            }
        }
        Err(at) => set.insert(at, (name.to_vec(), value)),
    }
}

/// A capability of revision 3 that belongs to user 0 reads back as one of revision 2 (security/commoncap.c).
pub(super) fn readable_capability(value: &[u8]) -> Vec<u8> {
    match value {
        [flags, _, _, 3, sets @ .., 0, 0, 0, 0] if sets.len() == 16 => [&[*flags, 0, 0, 2], sets].concat(),
        other => other.to_vec(),
    }
}

/// A capability without the user that it belongs to: in a user namespace that is the namespace's root.
#[must_use]
pub fn without_owner(value: &[u8]) -> Vec<u8> {
    match value {
        [flags, _, _, 3, sets @ .., _, _, _, _] if sets.len() == 16 => [&[*flags, 0, 0, 2], sets].concat(),
        other => other.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_set_is_kept_once() {
        let mut attributes = Attributes::new();
        let put =
            |name: &'static [u8]| move |attributes: &mut Vec<Attribute>| set(attributes, name, b"v".to_vec());
        let b = attributes.change(0, 1000, put(b"user.b")).unwrap();
        let ab = attributes.change(b, 1000, put(b"user.a")).unwrap();
        let a = attributes.change(0, 1000, put(b"user.a")).unwrap();
        assert_eq!(attributes.change(a, 1000, put(b"user.b")), Some(ab));
        assert_eq!(attributes.get(ab)[0].0, b"user.a");
        assert_eq!(attributes.change(ab, 1000, Vec::clear), Some(0));
        assert_eq!(attributes.change(ab, 10, put(b"user.c")), None);
    }
}
