//! The checks of one leaf or branch node, before anything in it is used.

use super::FaultKind;
use super::page::{BUCKET, ELEMENT_BYTES, HEADER_BYTES, Node};

/// The longest key that bolt's `Put` takes. Bucket names are not limited.
pub(super) const MAX_KEY_BYTES: u32 = 32768;

/// What the surroundings of a node say about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'k> {
    /// The parent's key for this node: no key may be smaller.
    pub(super) lower: Option<&'k [u8]>,
    /// The parent's next key: every key must be smaller.
    pub(super) upper: Option<&'k [u8]>,
    /// The page size, to tell how many pages the data needs. `None` for an inline page, which ends where its data ends.
    pub(super) page_size: Option<u32>,
}

/// Checks a node and reports each kind of fault once. Returns whether its elements lie where they should, all of them.
pub(super) fn check(node: &Node<'_>, expected: &Expected<'_>, report: &mut dyn FnMut(FaultKind)) -> bool {
    if !check_places(node, report) {
        return false;
    }
    check_keys(node, expected, report);
    check_end(node, expected, report);
    true
}

/// How many elements a node of so many bytes can have.
fn room(bytes: usize) -> u64 {
    (bytes.saturating_sub(HEADER_BYTES) / ELEMENT_BYTES) as u64
}

/// Each element's data begins where the one before it ends, and ends within the node. Only then is it worth looking at keys.
fn check_places(node: &Node<'_>, report: &mut dyn FnMut(FaultKind)) -> bool {
    if u64::from(node.count) > room(node.bytes.len()) {
        report(FaultKind::Count { count: u64::from(node.count), room: room(node.bytes.len()) });
        return false;
    }
    let bytes = node.bytes.len() as u64;
    let mut place = node.data_start();
    for index in 0..node.count {
        let Some(element) = node.element(index) else { return false };
        let kind = if element.start != place {
            FaultKind::ElementGap { index, expected: place, actual: element.start }
        } else if element.end() > bytes {
            FaultKind::ElementBounds { index, end: element.end(), bytes }
        } else {
            place = element.end();
            continue;
        };
        report(kind);
        return false;
    }
    true
}

fn check_keys(node: &Node<'_>, expected: &Expected<'_>, report: &mut dyn FnMut(FaultKind)) {
    let (mut size_seen, mut order_seen, mut flags_seen) = (false, false, false);
    let mut before: Option<&[u8]> = None;
    for index in 0..node.count {
        let Some(element) = node.element(index) else { return };
        let Some(key) = node.key(&element) else { return };
        let plain = node.leaf && element.flags & BUCKET == 0;
        if !size_seen && (key.is_empty() || plain && element.key_size > MAX_KEY_BYTES) {
            size_seen = true;
            report(FaultKind::KeySize { index, bytes: element.key_size });
        }
        if !flags_seen && element.flags & !BUCKET != 0 {
            flags_seen = true;
            report(FaultKind::ElementFlags { index, actual: element.flags });
        }
        if !order_seen && before.is_some_and(|before| before >= key) {
            order_seen = true;
            report(FaultKind::KeyOrder { index });
        }
        let below = index == 0 && expected.lower.is_some_and(|lower| key < lower);
        let above = index + 1 == node.count && expected.upper.is_some_and(|upper| key >= upper);
        if below || above {
            report(FaultKind::KeyRange { index });
        }
        before = Some(key);
    }
}

/// The node's length goes with where its data ends, and the rest is zero.
fn check_end(node: &Node<'_>, expected: &Expected<'_>, report: &mut dyn FnMut(FaultKind)) {
    let last = node.count.checked_sub(1).and_then(|last| node.element(last));
    let end = last.map_or(HEADER_BYTES as u64, |last| last.end());
    let bytes = node.bytes.len() as u64;
    if let Some(page_size) = expected.page_size {
        let (needed, actual) = (overflow_needed(end, page_size), bytes / u64::from(page_size) - 1);
        if !overflow_fits(end, page_size, actual) {
            return report(FaultKind::Overflow { needed, actual });
        }
    }
    let rest = usize::try_from(end).ok().and_then(|end| node.bytes.get(end..)).unwrap_or_default();
    let stray = match expected.page_size {
        Some(_) => first_non_zero(rest),
        None => (!rest.is_empty()).then_some(0),
    };
    if let Some(offset) = stray {
        report(FaultKind::Trailing { offset: end + offset as u64 });
    }
}

/// Where the first byte that is not zero stands; looks at whole words first, as most of a page is such a rest.
pub(super) fn first_non_zero(bytes: &[u8]) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<32>();
    let zero_words = words.iter().take_while(|word| **word == [0; 32]).count();
    let from = zero_words * 32;
    bytes.get(from..)?.iter().position(|byte| *byte != 0).map(|at| from + at)
}

/// How many overflow pages a node of `end` bytes needs.
pub(super) fn overflow_needed(end: u64, page_size: u32) -> u64 {
    end.div_ceil(u64::from(page_size)).saturating_sub(1)
}

/// Whether some release of bolt gives a node of `end` bytes this many overflow pages.
pub(super) fn overflow_fits(end: u64, page_size: u32, overflow: u64) -> bool {
    overflow == overflow_needed(end, page_size) || overflow == end / u64::from(page_size)
}
