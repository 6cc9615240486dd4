//! The tree below the root bucket, with an explicit stack: pages, nested buckets, inline buckets.

use super::fault::Faults;
use super::load::{Bytes, Loaded, Pages};
use super::node::{self, Expected};
use super::page::{BRANCH, BUCKET, Element, HEADER_BYTES, Header, LEAF, Node, u64_at};
use super::{Database, FaultKind, Pgid, Visitor, Walk};

/// Most pages from the root to the current one, those of the enclosing buckets included. Containerd nests seven buckets.
const MAX_DEPTH: usize = 256;
/// Bytes of a bucket's value before its inline page.
const BUCKET_BYTES: usize = 16;

/// A walk under way.
pub(super) struct Tree<'w, 'a> {
    pages: &'w mut Pages<'a>,
    faults: &'w mut Faults,
    out: &'w mut Walk,
    visitor: &'w mut dyn Visitor,
    path: Path,
    /// The nodes above the current one.
    stack: Vec<Frame<'a>>,
    stack_bytes: u64,
}

/// A node that is being worked on.
struct Frame<'a> {
    pgid: Pgid,
    bytes: Bytes<'a>,
    leaf: bool,
    count: u16,
    elements: Elements,
    /// Every key in it is smaller than this.
    upper: Option<KeyPlace>,
    /// Whether a bucket other than the root bucket ends with it.
    bucket: bool,
}

/// A key within a node on the stack.
#[derive(Clone, Copy)]
struct KeyPlace {
    depth: usize,
    element: Element,
}

/// A page to go down to.
struct Child {
    target: Pgid,
    lower: Option<KeyPlace>,
    upper: Option<KeyPlace>,
    /// It is the root page of a bucket (which may be empty).
    root: bool,
    /// A bucket other than the root bucket ends with it.
    bucket: bool,
}

impl<'a> Frame<'a> {
    fn node(&self) -> Node<'_> {
        Node { bytes: self.bytes.as_slice(), leaf: self.leaf, count: self.count }
    }
}

impl<'w, 'a> Tree<'w, 'a> {
    pub(super) fn new(
        pages: &'w mut Pages<'a>,
        faults: &'w mut Faults,
        out: &'w mut Walk,
        visitor: &'w mut dyn Visitor,
    ) -> Self {
        Self { pages, faults, out, visitor, path: Path::default(), stack: Vec::new(), stack_bytes: 0 }
    }

    pub(super) fn run(&mut self, db: &Database<'a>) {
        let target = db.meta().root;
        if self.in_range(db.slot() as Pgid, 0, target) {
            self.descend(Child { target, lower: None, upper: None, root: true, bucket: false });
        }
        while let Some(mut frame) = self.stack.pop() {
            if self.visitor.interrupted() {
                (self.out.interrupted, self.out.complete) = (true, false);
                return;
            }
            let child = if frame.leaf { self.leaf(&mut frame) } else { self.branch(&mut frame) };
            match child {
                Some(child) => {
                    self.stack.push(frame);
                    self.descend(child);
                }
                None => self.finish(frame),
            }
        }
    }

    fn finish(&mut self, frame: Frame<'a>) {
        self.stack_bytes -= frame.bytes.as_slice().len() as u64;
        self.pages.recycle(frame.bytes);
        if frame.bucket {
            self.leave();
        }
    }

    fn fault(&mut self, pgid: Pgid, kind: FaultKind) {
        self.faults.push(pgid, self.path.names(), false, kind);
    }

    /// Reports a fault that hides something.
    fn lose(&mut self, pgid: Pgid, kind: FaultKind) {
        self.out.complete = false;
        self.fault(pgid, kind);
    }

    /// Whether `target` can be a page of the tree; reports the reference if not.
    fn in_range(&mut self, pgid: Pgid, index: u16, target: Pgid) -> bool {
        let high_water = self.pages.high_water;
        let good = (2..high_water).contains(&target);
        if !good {
            self.lose(pgid, FaultKind::Reference { index, target, high_water });
        }
        good
    }

    fn enter(&mut self, name: &[u8], sequence: u64) {
        self.path.push(name);
        self.out.buckets += 1;
        self.visitor.enter(self.path.names(), sequence);
    }

    fn leave(&mut self) {
        self.visitor.leave(self.path.names());
        self.path.pop();
    }

    /// Puts a page on the stack; if that fails, its bucket ends here.
    fn descend(&mut self, child: Child) {
        match self.load(&child) {
            Some(frame) => {
                self.stack_bytes += frame.bytes.as_slice().len() as u64;
                self.stack.push(frame);
            }
            None => {
                self.out.complete = false;
                if child.bucket {
                    self.leave();
                }
            }
        }
    }

    fn load(&mut self, child: &Child) -> Option<Frame<'a>> {
        let pgid = child.target;
        let path = self.path.names();
        let mut report = |kind| self.faults.push(pgid, path, false, kind);
        if self.stack.len() >= MAX_DEPTH {
            report(FaultKind::TooDeep { limit: MAX_DEPTH as u64 });
            return None;
        }
        let loaded = self.pages.load(pgid, BRANCH | LEAF, self.stack_bytes, &mut report)?;
        let Loaded { header, bytes, cut } = loaded;
        let node = Node { bytes: bytes.as_slice(), leaf: header.flags == LEAF, count: header.count };
        if node.count == 0 && !(node.leaf && child.root) {
            report(FaultKind::Empty);
        }
        let expected = Expected {
            lower: child.lower.and_then(|key| resolve(&self.stack, &key)),
            upper: child.upper.and_then(|key| resolve(&self.stack, &key)),
            page_size: Some(self.pages.page_size()),
        };
        let sound = node::check(&node, &expected, &mut |kind| {
            if !cut {
                report(kind);
            }
        });
        self.out.complete &= sound;
        let (leaf, count) = (node.leaf, node.count);
        let elements = Elements::new(sound);
        Some(Frame { pgid, bytes, leaf, count, elements, upper: child.upper, bucket: child.bucket })
    }

    /// The next child of a branch node.
    fn branch(&mut self, frame: &mut Frame<'a>) -> Option<Child> {
        let depth = self.stack.len();
        loop {
            let index = frame.elements.next;
            let element = frame.node().element(index)?;
            frame.elements.next += 1;
            let (root, bucket) = (false, false);
            if frame.elements.sound {
                if !self.in_range(frame.pgid, index, element.child) {
                    continue;
                }
                let next = frame.node().element(frame.elements.next);
                let upper = next.map_or(frame.upper, |element| Some(KeyPlace { depth, element }));
                let lower = Some(KeyPlace { depth, element });
                return Some(Child { target: element.child, lower, upper, root, bucket });
            }
            // In a damaged node a child may still be right though its key is not.
            if (2..self.pages.high_water).contains(&element.child) {
                return Some(Child { target: element.child, lower: None, upper: None, root, bucket });
            }
        }
    }

    /// Visits keys and inline buckets up to the next bucket with pages of its own.
    fn leaf(&mut self, frame: &mut Frame<'a>) -> Option<Child> {
        let node = Node { bytes: frame.bytes.as_slice(), leaf: true, count: frame.count };
        while let Some((index, element)) = frame.elements.next(&node) {
            let (Some(key), Some(value)) = (node.key(&element), node.value(&element)) else { continue };
            if element.flags & BUCKET == 0 {
                self.out.keys += 1;
                self.visitor.value(self.path.names(), key, value);
                continue;
            }
            if let Some(target) = self.bucket(frame.pgid, index, key, value) {
                return Some(Child { target, lower: None, upper: None, root: true, bucket: true });
            }
        }
        None
    }

    /// Visits a bucket, or only enters it and returns its root page if it has one.
    fn bucket(&mut self, pgid: Pgid, index: u16, key: &[u8], value: &[u8]) -> Option<Pgid> {
        let bytes = value.len() as u64;
        let size = FaultKind::BucketSize { index, bytes };
        let (Some(root), Some(sequence)) = (u64_at(value, 0), u64_at(value, 8)) else {
            self.lose(pgid, size);
            return None;
        };
        if root != 0 && value.len() == BUCKET_BYTES {
            let good = self.in_range(pgid, index, root);
            self.enter(key, sequence);
            if good {
                return Some(root);
            }
            self.leave();
            return None;
        }
        let page = value.get(BUCKET_BYTES..).unwrap_or_default();
        if root != 0 || page.len() < HEADER_BYTES {
            self.lose(pgid, size);
            return None;
        }
        if page.len() as u64 > u64::from(self.pages.page_size() / 4) {
            self.fault(pgid, size);
        }
        self.enter(key, sequence);
        self.inline(pgid, page);
        self.leave();
        None
    }

    /// Visits the keys of an inline bucket's page.
    fn inline(&mut self, pgid: Pgid, page: &[u8]) {
        let Some(header) = Header::read(page) else { return };
        let path = self.path.names();
        let mut report = |kind| self.faults.push(pgid, path, true, kind);
        if header.id != 0 {
            report(FaultKind::Id { actual: header.id });
        }
        if header.overflow != 0 {
            report(FaultKind::Overflow { needed: 0, actual: u64::from(header.overflow) });
        }
        if header.flags != LEAF {
            report(FaultKind::Flags { expected: LEAF, actual: header.flags });
            self.out.complete = false;
            return;
        }
        let node = Node { bytes: page, leaf: true, count: header.count };
        let expected = Expected { lower: None, upper: None, page_size: None };
        let sound = node::check(&node, &expected, &mut report);
        self.out.complete &= sound;
        let mut elements = Elements::new(sound);
        while let Some((index, element)) = elements.next(&node) {
            let (Some(key), Some(value)) = (node.key(&element), node.value(&element)) else { continue };
            if element.flags & BUCKET != 0 {
                self.out.complete = false;
                self.faults.push(pgid, self.path.names(), true, FaultKind::BucketInline { index });
                continue;
            }
            self.out.keys += 1;
            self.visitor.value(self.path.names(), key, value);
        }
    }
}

fn resolve<'k>(stack: &'k [Frame<'_>], key: &KeyPlace) -> Option<&'k [u8]> {
    stack.get(key.depth)?.node().key(&key.element)
}

/// Goes over the elements of a leaf. In a node where some element is not where it should be, only those count that begin
/// where the one before ends and end where the next begins: of these both the key and the value are whole.
struct Elements {
    next: u16,
    sound: bool,
    /// Where the data ends that was handed out: none of it is handed out twice, however the elements overlap.
    done: u64,
}

impl Elements {
    fn new(sound: bool) -> Self {
        Self { next: 0, sound, done: 0 }
    }

    #[inline]
    fn next(&mut self, node: &Node<'_>) -> Option<(u16, Element)> {
        loop {
            let index = self.next;
            let element = node.element(index)?;
            self.next += 1;
            if self.sound || self.fits(node, index, &element) {
                self.done = element.end();
                return Some((index, element));
            }
        }
    }

    fn fits(&self, node: &Node<'_>, index: u16, element: &Element) -> bool {
        let before = match index.checked_sub(1) {
            Some(before) => node.element(before).map(|before| before.end()),
            None => Some(node.data_start()),
        };
        let next = node.element(index + 1).map(|next| next.start);
        before == Some(element.start)
            && next.is_none_or(|next| next == element.end())
            && element.start >= self.done.max(node.data_start())
    }
}

/// The names of the buckets down to the current one. Names that were popped keep their allocation for the next push.
#[derive(Default)]
struct Path {
    names: Vec<Vec<u8>>,
    spare: Vec<Vec<u8>>,
}

impl Path {
    fn names(&self) -> &[Vec<u8>] {
        &self.names
    }

    fn push(&mut self, name: &[u8]) {
        let mut owned = self.spare.pop().unwrap_or_default();
        owned.clear();
        owned.extend_from_slice(name);
        self.names.push(owned);
    }

    fn pop(&mut self) {
        self.spare.extend(self.names.pop());
    }
}
