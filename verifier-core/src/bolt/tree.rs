//! The tree below the root bucket, with an explicit stack: pages, nested buckets, inline buckets.

use super::fault::{At, Faults, Hides};
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
    /// Pages that break any rule are not visited at all.
    strict: bool,
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
        Self {
            pages,
            faults,
            out,
            visitor,
            path: Path::default(),
            stack: Vec::new(),
            stack_bytes: 0,
            strict: false,
        }
    }

    /// Visits no page that breaks a rule: for pages that nothing vouches for.
    pub(super) fn strict(self) -> Self {
        Self { strict: true, ..self }
    }

    pub(super) fn run(&mut self, db: &Database<'a>) {
        let target = db.meta().root;
        match self.out_of_range(0, target) {
            Some(fault) => self.lose(db.slot() as Pgid, (None, None), fault),
            None => self.below(target),
        }
    }

    /// Visits the page `target`, as the root page of a bucket, and all below it.
    pub(super) fn below(&mut self, target: Pgid) {
        self.descend(Child { target, lower: None, upper: None, root: true, bucket: false });
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

    /// Reports a fault that hides what the keys of `range` lead to.
    fn lose(&mut self, pgid: Pgid, range: (Option<&[u8]>, Option<&[u8]>), kind: FaultKind) {
        self.out.complete = false;
        let at = At { range, hides: Hides::Unknown, ..At::bucket(pgid, self.path.names()) };
        self.faults.push(at, kind);
    }

    /// The fault of a reference to `target`, if that cannot be a page of the tree.
    fn out_of_range(&self, index: u16, target: Pgid) -> Option<FaultKind> {
        let high_water = self.pages.high_water;
        let good = (2..high_water).contains(&target);
        (!good).then_some(FaultKind::Reference { index, target, high_water })
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
        let key = |place: Option<KeyPlace>| place.and_then(|key| resolve(&self.stack, &key));
        let range = (key(child.lower), key(child.upper));
        let at = At { range, hides: Hides::Unknown, ..At::bucket(pgid, self.path.names()) };
        let (mark, count) = (self.faults.kept.len(), self.faults.count());
        let mut report = |kind| self.faults.push(at, kind);
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
        let (lower, upper) = range;
        let expected = Expected { lower, upper, page_size: Some(self.pages.page_size()) };
        let sound = node::check(&node, &expected, &mut |kind| {
            if !cut {
                report(kind);
            }
        });
        self.out.complete &= sound;
        self.faults.hide(mark, hides(&node, sound));
        if self.strict && self.faults.count() > count {
            return None;
        }
        // The header may claim more.
        self.out.pages_read += bytes.as_slice().len() as u64 / u64::from(self.pages.page_size());
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
                let next = frame.node().element(frame.elements.next);
                if let Some(fault) = self.out_of_range(index, element.child) {
                    let above = || resolve(&self.stack, &frame.upper?);
                    let to = next.map_or_else(above, |next| frame.node().key(&next));
                    let range = (frame.node().key(&element), to);
                    let at = At { range, hides: Hides::Unknown, ..At::bucket(frame.pgid, self.path.names()) };
                    self.out.complete = false;
                    self.faults.push(at, fault);
                    continue;
                }
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
            self.lose_bucket(pgid, key, size);
            return None;
        };
        if root != 0 && value.len() == BUCKET_BYTES {
            let fault = self.out_of_range(index, root);
            if let Some(fault) = fault {
                self.lose_bucket(pgid, key, fault);
            }
            self.enter(key, sequence);
            if fault.is_none() {
                return Some(root);
            }
            self.leave();
            return None;
        }
        let page = value.get(BUCKET_BYTES..).unwrap_or_default();
        if root != 0 || page.len() < HEADER_BYTES {
            self.lose_bucket(pgid, key, size);
            return None;
        }
        if page.len() as u64 > u64::from(self.pages.page_size() / 4) {
            self.faults.push(At::bucket(pgid, self.path.names()), size);
        }
        self.enter(key, sequence);
        self.inline(pgid, page);
        self.leave();
        None
    }

    /// Reports that nothing of the bucket `key` can be visited: no other key lies before the next possible one.
    fn lose_bucket(&mut self, pgid: Pgid, key: &[u8], kind: FaultKind) {
        let next = [key, &[0]].concat();
        self.lose(pgid, (Some(key), Some(&next)), kind);
    }

    /// Visits the keys of an inline bucket's page.
    fn inline(&mut self, pgid: Pgid, page: &[u8]) {
        let Some(header) = Header::read(page) else { return };
        let at = At { inline: true, ..At::bucket(pgid, self.path.names()) };
        let mark = self.faults.kept.len();
        let mut report = |kind| self.faults.push(at, kind);
        if header.id != 0 {
            report(FaultKind::Id { actual: header.id });
        }
        if header.overflow != 0 {
            report(FaultKind::Overflow { needed: 0, actual: u64::from(header.overflow) });
        }
        if header.flags != LEAF {
            report(FaultKind::Flags { expected: LEAF, actual: header.flags });
            self.faults.hide(mark, Hides::Unknown);
            self.out.complete = false;
            return;
        }
        let node = Node { bytes: page, leaf: true, count: header.count };
        let expected = Expected { lower: None, upper: None, page_size: None };
        let sound = node::check(&node, &expected, &mut report);
        self.out.complete &= sound;
        self.faults.hide(mark, hides(&node, sound));
        let mut elements = Elements::new(sound);
        while let Some((index, element)) = elements.next(&node) {
            let (Some(key), Some(value)) = (node.key(&element), node.value(&element)) else { continue };
            if element.flags & BUCKET != 0 {
                self.out.complete = false;
                let at = At { inline: true, hides: Hides::Unknown, ..At::bucket(pgid, self.path.names()) };
                self.faults.push(at, FaultKind::BucketInline { index });
                continue;
            }
            self.out.keys += 1;
            self.visitor.value(self.path.names(), key, value);
        }
    }
}

/// What of a node is not visited. Of a branch node, whose children may be right though their keys are not, nobody knows.
fn hides(node: &Node<'_>, sound: bool) -> Hides {
    if sound {
        return Hides::Nothing;
    }
    if !node.leaf {
        return Hides::Unknown;
    }
    let mut elements = Elements::new(false);
    let whole =
        std::iter::from_fn(|| elements.next(node)).filter(|(_, element)| node.value(element).is_some());
    let read = whole.count() as u64;
    Hides::Elements { claimed: u64::from(node.count), read }
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
