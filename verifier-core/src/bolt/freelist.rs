//! The checks of the freelist page.

use super::page::{HEADER_BYTES, u64_at};
use super::page_set::PageSet;
use super::{FaultKind, Pgid};

/// The header count that says the real one follows.
const COUNT_FOLLOWS: u16 = 0xFFFF;
const ID_BYTES: usize = 8;

/// Checks the list in `bytes`, a freelist page with its overflow, and adds what it names to `listed`.
/// Each kind of fault is reported once. Returns whether the whole list could be read.
pub(super) fn check(
    bytes: &[u8],
    count: u16,
    high_water: Pgid,
    listed: &mut PageSet,
    report: &mut dyn FnMut(FaultKind),
) -> bool {
    let (count, from) = match (count, u64_at(bytes, HEADER_BYTES)) {
        (COUNT_FOLLOWS, Some(count)) => (count, HEADER_BYTES + ID_BYTES),
        (count, _) => (u64::from(count), HEADER_BYTES),
    };
    let (ids, _) = bytes.get(from..).unwrap_or_default().as_chunks::<ID_BYTES>();
    let Some((ids, rest)) = usize::try_from(count).ok().and_then(|count| ids.split_at_checked(count)) else {
        report(FaultKind::Count { count, room: ids.len() as u64 });
        return false;
    };
    let (mut before, mut order_seen, mut range_seen) = (0, false, false);
    for (id, index) in ids.iter().zip(0u64..) {
        let pgid = Pgid::from_le_bytes(*id);
        if !range_seen && !(2..high_water).contains(&pgid) {
            range_seen = true;
            report(FaultKind::FreelistRange { index, pgid, high_water });
        } else if !order_seen && !range_seen && pgid <= before {
            order_seen = true;
            report(FaultKind::FreelistOrder { index, pgid });
        }
        before = pgid;
        listed.insert(pgid);
    }
    if let Some(at) = rest.iter().position(|id| *id != [0; ID_BYTES]) {
        report(FaultKind::Trailing { offset: (from + (ids.len() + at) * ID_BYTES) as u64 });
    }
    true
}
