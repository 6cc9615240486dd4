//! The tree on disk, beside the model.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;

use super::difference::{Differences, as_path};
use super::lowers::{Facts, Inheritance, Lower};
use super::metadata::{AttributeComparison, Keeps, Wanted, compare_stat, major_minor};
use super::report::LayerError;
use super::request::LayerComparison;
use crate::Interrupt;
use crate::finding::DifferenceKind;
use crate::finding::NotCompared;
use crate::io::{Entry, FileKind, Folder, Stat, errno};
use crate::layer::Flavour;
use crate::layer::tree::{Attribute, Inherits, Inode, InodeId, NodeId, Outcome, Tree, is_comparable};

const OPAQUE: &[u8] = b"trusted.overlay.opaque";
const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";

pub(super) struct Walk<'a> {
    request: &'a LayerComparison<'a>,
    model: &'a mut Tree,
    /// What parents have from below.
    inheritance: &'a Inheritance,
    pub(super) differences: Differences,
    /// What parents lack because the layers were unpacked side by side.
    pub(super) bare: Differences,
    pub(super) not_compared: BTreeSet<NotCompared>,
    dev: u64,
    keeps: Keeps,
    /// Files with several names on disk: which of the model's they are, and one of the names.
    linked: HashMap<u64, (InodeId, NodeId)>,
    /// Files with several names in the model: their number on disk, and one of the names.
    links: HashMap<InodeId, (u64, NodeId)>,
    /// Folders of the model that are still to be read.
    pending: Vec<NodeId>,
    /// Whether `trusted.*` attributes show.
    sees_trusted: bool,
    interrupt: &'a Interrupt,
}

/// The folder that is being read.
struct Here<'a> {
    node: NodeId,
    folder: &'a Folder,
    default_acl: bool,
}

/// What a name should be, and is.
struct Name<'a> {
    inode: &'a Inode,
    stat: &'a Stat,
    /// Those that are compared; none where they could not be read.
    attributes: Option<&'a [Attribute]>,
    default_acl: bool,
}

/// What came of one name.
#[derive(Default)]
struct Judged {
    odd: Vec<DifferenceKind>,
    /// What it lacks because the layers were unpacked side by side.
    bare: Vec<DifferenceKind>,
    not_compared: BTreeSet<NotCompared>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        request: &'a LayerComparison<'a>,
        (model, inheritance): (&'a mut Tree, &'a Inheritance),
        dev: u64,
        interrupt: &'a Interrupt,
    ) -> Walk<'a> {
        let magic = rustix::fs::fstatfs(request.tree.fd()).map_or(0, |found| found.f_type);
        Walk {
            request,
            model,
            inheritance,
            differences: Differences::new(request.options.max_differences),
            bare: Differences::new(request.options.max_differences),
            not_compared: BTreeSet::new(),
            dev,
            keeps: Keeps::by_file_system(magic),
            linked: HashMap::new(),
            links: HashMap::new(),
            pending: vec![NodeId::ROOT],
            sees_trusted: sees_trusted(),
            interrupt,
        }
    }

    /// Walks the whole tree.
    pub(super) fn run(&mut self) -> Result<(), LayerError> {
        while let Some(node) = self.pending.pop() {
            if self.interrupt.is_raised() {
                return Err(LayerError::Interrupted);
            }
            let path = self.model.path(node);
            if let Err(error) = self.folder(node, &path) {
                if self.interrupt.is_raised() {
                    return Err(LayerError::Interrupted);
                }
                self.differences.add(path, DifferenceKind::Unreadable { errno: errno(&error) });
            }
        }
        Ok(())
    }

    fn folder(&mut self, node: NodeId, path: &[u8]) -> io::Result<()> {
        let opened;
        let folder = if node == NodeId::ROOT {
            self.request.tree
        } else {
            opened = self.request.tree.folder(as_path(path))?;
            &opened
        };
        // What is in it can be compared even if its attributes cannot be read.
        let attributes = folder.xattrs("").map_err(|error| {
            self.differ(node, DifferenceKind::Unreadable { errno: errno(&error) });
        });
        if let (NodeId::ROOT, Ok(attributes)) = (node, &attributes) {
            // The snapshotter made it; all that a layer can do to it is hide what is below.
            self.opaque(node, attributes);
        }
        let has_list = |attributes: Vec<Attribute>| attributes.iter().any(|(name, _)| name == DEFAULT_ACL);
        let default_acl = attributes.is_ok_and(has_list);
        let here = Here { node, folder, default_acl };
        folder.list(&mut |entry| self.entry(&here, &entry))?;
        self.missing(node);
        Ok(())
    }

    fn entry(&mut self, here: &Here<'_>, entry: &Entry<'_>) -> io::Result<()> {
        if self.interrupt.is_raised() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let Some(node) = self.model.child(here.node, entry.name.as_bytes()) else {
            self.unexpected(here, entry);
            return Ok(());
        };
        self.model.mark_seen(node);
        if self.model.is_settled(node) {
            return Ok(());
        }
        let compared = here.folder.stat(entry.name).and_then(|stat| self.compare(here, node, &stat));
        if let Err(error) = compared {
            self.differ(node, DifferenceKind::Unreadable { errno: errno(&error) });
        }
        Ok(())
    }

    fn differ(&mut self, node: NodeId, kind: DifferenceKind) {
        let size_bytes = self.model.inode(node).map_or(0, |(_, inode)| inode.size_bytes());
        self.differences.costs(cost(&kind, size_bytes));
        self.differences.add(self.model.path(node), kind);
    }

    fn unexpected(&mut self, here: &Here<'_>, entry: &Entry<'_>) {
        if self.request.flavour == Flavour::OverlayUserNamespace {
            // A whiteout, a folder that was copied up, what containerd wrote behind a link of a lower layer.
            self.not_compared.insert(NotCompared::Whiteouts);
            return;
        }
        let actual = here.folder.stat(entry.name).map_or(entry.kind, |stat| stat.kind);
        let mut path = self.model.path(here.node);
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(entry.name.as_bytes());
        self.differences.add(path, DifferenceKind::Unexpected { actual });
    }

    /// What is left of a folder of the model, and all that is in it.
    fn missing(&mut self, folder: NodeId) {
        let mut missing: Vec<NodeId> =
            self.model.names_in(folder).filter(|node| !self.model.is_seen(*node)).collect();
        while let Some(node) = missing.pop() {
            missing.extend(self.model.names_in(node));
            if self.request.flavour == Flavour::OverlayUserNamespace && self.is_behind_link(node) {
                self.not_compared.insert(NotCompared::BehindLinks);
            } else if let Some((_, inode)) = self.model.inode(node) {
                let kind = if inode.is_whiteout() {
                    DifferenceKind::Whiteout { actual: None }
                } else {
                    DifferenceKind::Missing { expected: inode.kind() }
                };
                self.differ(node, kind);
            }
        }
    }

    /// Whether a lower layer has a link on the way to a name, or instead of it.
    fn is_behind_link(&self, node: NodeId) -> bool {
        let path = self.model.path(node);
        let ways = as_path(&path).ancestors().filter(|path| !path.as_os_str().is_empty());
        let ways: Vec<&[u8]> = ways.map(|path| path.as_os_str().as_bytes()).collect();
        let mut lowers = self.request.lowers.nearest_first();
        // Where a layer cannot be asked it may have one.
        lowers.any(|lower| lower.is_none_or(|lower| ways.iter().any(|path| lower.is_link(path))))
    }

    fn compare(&mut self, here: &Here<'_>, node: NodeId, stat: &Stat) -> io::Result<()> {
        let Some((id, inode)) = self.model.inode(node) else { return Ok(()) };
        if stat.dev != self.dev {
            // Something is mounted there. What it hides cannot be seen from here.
            return Err(Errno::XDEV.into());
        }
        let mut found = Vec::new();
        let mut differ = |kind| found.push(kind);
        if inode.is_whiteout() && !is_whiteout(stat) {
            differ(DifferenceKind::Whiteout { actual: Some(stat.kind) });
        } else if inode.kind() != stat.kind {
            differ(DifferenceKind::Type { expected: inode.kind(), actual: stat.kind });
        } else {
            compare_kind(self.model, inode, stat, &mut differ);
            if inode.kind() == FileKind::Symlink {
                match here.folder.read_link(as_path(self.model.name(node))) {
                    Ok(actual) if actual != self.model.target(inode) => {
                        let expected = self.model.target(inode).to_vec();
                        differ(DifferenceKind::LinkTarget { expected, actual });
                    }
                    Ok(_) => {}
                    Err(error) => differ(DifferenceKind::Unreadable { errno: errno(&error) }),
                }
            }
            let attributes = here.folder.xattrs(as_path(self.model.name(node))).map_err(|error| {
                differ(DifferenceKind::Unreadable { errno: errno(&error) });
            });
            let comparable = attributes.as_ref().ok().map(|attributes| comparable(attributes));
            let (attributes_shown, default_acl) = (comparable.as_deref(), here.default_acl);
            let name = Name { inode, stat, attributes: attributes_shown, default_acl };
            let Judged { odd, bare, not_compared } = self.judge(node, &name);
            self.not_compared.extend(not_compared);
            if !bare.is_empty() {
                let path = self.model.path(node);
                bare.into_iter().for_each(|kind| self.bare.add(path.clone(), kind));
            }
            odd.into_iter().for_each(&mut differ);
            let several = inode.names() > 1 || stat.nlink > 1;
            if stat.kind == FileKind::Folder {
                self.pending.push(node);
                if let Ok(attributes) = &attributes {
                    self.opaque(node, attributes);
                }
            } else if several {
                self.links(id, node, stat);
            }
        }
        if stat.kind != FileKind::Folder {
            self.missing(node);
        }
        for kind in found {
            self.differ(node, kind);
        }
        Ok(())
    }

    /// What is odd about a name's stat and attributes.
    fn judge(&self, node: NodeId, name: &Name<'_>) -> Judged {
        let inode = name.inode;
        let (whole, bare) = match self.inheritance.get(node) {
            None => return self.against(None, Inherits::default(), name),
            Some(Lower::Unknown) => {
                let mut judged = self.against(None, inode.inherits(), name);
                judged.not_compared.insert(NotCompared::Inherited);
                return judged;
            }
            Some(Lower::Known { whole, bare }) => (whole, bare),
        };
        let mut judged = self.against(Some(whole), Inherits::default(), name);
        if judged.odd.is_empty() || self.request.options.bare_parents_differ {
            return judged;
        }
        // A layer that was unpacked without those below: what it then has must be all that is odd, and nothing else may be.
        let left = bare.iter().map(|bare| self.against(Some(bare), Inherits::default(), name).odd);
        let explained = left.filter(|left| left.len() < judged.odd.len());
        let explained = explained.filter(|left| left.iter().all(|kind| judged.odd.contains(kind)));
        if let Some(left) = explained.min_by_key(Vec::len) {
            let odd = std::mem::replace(&mut judged.odd, left);
            if self.request.flavour != Flavour::OverlayUserNamespace {
                judged.bare = odd.into_iter().filter(|kind| !judged.odd.contains(kind)).collect();
            }
        }
        judged
    }

    /// What is odd if the name is to have `facts`; without them, what its own layer tells and is not `unknown`.
    fn against(&self, facts: Option<&Facts>, unknown: Inherits, name: &Name<'_>) -> Judged {
        let mut judged = Judged::default();
        let Name { inode, stat, attributes, default_acl } = *name;
        let wanted = match facts {
            Some(facts) => Wanted { mode: facts.mode, uid: facts.uid, gid: facts.gid, unknown },
            None => Wanted::of(inode, unknown),
        };
        let odd = &mut |kind| judged.odd.push(kind);
        compare_stat(inode, &wanted, stat, self.request.options.compare_owners, odd);
        let Some(attributes) = attributes else { return judged };
        let in_overlay = self.request.flavour == Flavour::OverlayUserNamespace;
        let copied_up = in_overlay && stat.kind == FileKind::Folder;
        let own = self.model.attributes(inode);
        let comparison = AttributeComparison {
            expected: facts.filter(|_| !copied_up).map_or(own, |facts| &facts.attributes),
            actual: attributes,
            mode: wanted.mode,
            unknown: unknown.attributes,
            default_acl_above: default_acl,
            keeps: self.keeps,
            user_namespace: in_overlay || self.request.options.user_namespace,
            copied_up,
        };
        comparison.compare(&mut judged.not_compared, odd);
        judged
    }

    /// Whether names that share an inode in the model do so on disk, and no others.
    fn links(&mut self, id: InodeId, node: NodeId, stat: &Stat) {
        let (ino, expected) = *self.links.entry(id).or_insert((stat.ino, node));
        let (same, actual) = *self.linked.entry(stat.ino).or_insert((id, node));
        let (expected, other) = match (same == id, ino == stat.ino) {
            (false, _) => (false, actual),
            (true, false) => (true, expected),
            (true, true) => return,
        };
        let other = as_path(&self.model.path(other)).to_path_buf();
        self.differ(node, DifferenceKind::HardLink { expected, other });
    }

    fn opaque(&mut self, node: NodeId, attributes: &[Attribute]) {
        let Some((_, inode)) = self.model.inode(node) else { return };
        if self.request.flavour == Flavour::OverlayUserNamespace {
            return;
        }
        let expected = inode.is_opaque();
        let actual = attributes.iter().any(|(name, value)| name == OPAQUE && value == b"y");
        if expected && !actual && !self.sees_trusted {
            self.not_compared.insert(NotCompared::Opaque);
        } else if expected != actual {
            self.differ(node, DifferenceKind::Opaque { expected });
        }
    }
}

/// Overlay's sign for "nothing": a character device 0:0.
/// Bytes to be written, at most, to put right what differs of an inode with so many bytes.
fn cost(kind: &DifferenceKind, size_bytes: u64) -> u64 {
    /// What an inode, a name or an attribute takes on the disk.
    const BLOCK_BYTES: u64 = 4096;
    match kind {
        DifferenceKind::Missing { .. }
        | DifferenceKind::Type { .. }
        | DifferenceKind::Size { .. }
        | DifferenceKind::Content { .. }
        | DifferenceKind::HardLink { .. }
        | DifferenceKind::Unreadable { .. } => size_bytes.saturating_add(BLOCK_BYTES),
        DifferenceKind::Unexpected { .. } => 0,
        _ => BLOCK_BYTES,
    }
}

fn is_whiteout(stat: &Stat) -> bool {
    stat.kind == FileKind::CharDevice && stat.rdev == 0
}

/// What only files or only devices have.
fn compare_kind(model: &Tree, inode: &Inode, stat: &Stat, differ: &mut dyn FnMut(DifferenceKind)) {
    match inode.kind() {
        FileKind::File if inode.size_bytes() != stat.size_bytes => {
            differ(DifferenceKind::Size { expected: inode.size_bytes(), actual: stat.size_bytes });
        }
        FileKind::File => match model.outcome(inode) {
            Outcome::None | Outcome::Same => {}
            Outcome::Differs { offset } => differ(DifferenceKind::Content { first_offset: offset }),
            Outcome::Unreadable { errno } => differ(DifferenceKind::Unreadable { errno }),
        },
        FileKind::CharDevice | FileKind::BlockDevice if inode.device() != stat.rdev => {
            let (expected, actual) = (major_minor(inode.device()), major_minor(stat.rdev));
            differ(DifferenceKind::Device { expected, actual });
        }
        _ => {}
    }
}

fn comparable(attributes: &[Attribute]) -> Vec<Attribute> {
    attributes.iter().filter(|(name, _)| is_comparable(name)).cloned().collect()
}

/// Whether this process sees `trusted.*` attributes (fs/xattr.c: `CAP_SYS_ADMIN` in the first user namespace).
fn sees_trusted() -> bool {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    administers(&read("/proc/self/status"), &read("/proc/self/uid_map"))
}

fn administers(status: &str, uid_map: &str) -> bool {
    const SYS_ADMIN: u32 = 21;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let capabilities = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    let is_first = uid_map.split_whitespace().eq(["0", "0", "4294967295"]);
    is_first && capabilities >> SYS_ADMIN & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sees_trusted_attributes() {
        let map = "         0          0 4294967295\n";
        assert!(administers("Name:\tx\nCapEff:\t000001ffffffffff\n", map));
        assert!(!administers("CapEff:\t00000000a80425fb\n", map), "a container's usual set");
        assert!(!administers("CapEff:\t000001ffffffffff\n", "0 100000 65536\n"));
        assert!(!administers("", ""));
    }
}
