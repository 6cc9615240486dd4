//! containerd's own small files: what keeps it, or its health check, from working, and what interrupted work left.

use super::candidate::{Examination, Witness};
use crate::finding::{
    BlastRadius, CriLeftover, FindingKind, RootEntryForeign, Subject, TmpmountLeftover, UuidEmpty,
    UuidInvalid,
};
use crate::scan::{Inventory, LeftPath, Mode, UuidState};

/// Judges them.
pub(super) fn examine(inventory: &Inventory, into: &mut Examination) {
    let files = &inventory.own_files;
    for (path, found) in &files.foreign {
        let kind = RootEntryForeign { found: *found };
        into.find(kind, Subject::Path { path: path.clone() }, BlastRadius::default());
    }
    if let Some((path, state)) = &files.uuid {
        let kind = match *state {
            UuidState::Empty => FindingKind::from(UuidEmpty {}),
            UuidState::Invalid(why) => UuidInvalid { why }.into(),
        };
        into.find(kind, Subject::Path { path: path.clone() }, BlastRadius::default());
    }
    for left in &files.cri_left {
        if inventory.is_settled(left.modified) {
            find_left(left, CriLeftover {}.into(), into);
        }
    }
    // A containerd that runs makes and removes them at each pull.
    if inventory.mode == Mode::Stopped {
        for left in &files.tmpmounts {
            find_left(left, TmpmountLeftover {}.into(), into);
        }
    }
}

fn find_left(left: &LeftPath, kind: FindingKind, into: &mut Examination) {
    let witness = left.modified.map_or(Witness::None, |time| Witness::File(0, time));
    into.find_with(witness, kind, Subject::Path { path: left.path.clone() }, BlastRadius::default());
}
