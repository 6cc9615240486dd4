//! Committed layers of the erofs snapshotter: is the image of the file system there, and was it written out?
//!
//! containerd takes such a snapshot for good, says that the image is unpacked, and fails when a container starts
//! (`failed to create fs: invalid argument`); pulling again changes nothing.

use super::Cross;
use super::key::row_subject;
use crate::digest::ChainId;
use crate::finding::ErofsLayerInvalid;
use crate::metadata::Kind;
use crate::snapshot::EROFS;
use crate::verify::candidate::{Examination, Witness};

impl Cross<'_> {
    pub(super) fn examine_erofs(&self, into: &mut Examination) {
        let Some(rows) = self.rows(EROFS) else { return };
        let committed = rows.by_key.iter().filter(|(_, row)| row.kind == Kind::Committed);
        for (key, row) in committed.filter(|(key, _)| self.has_row(key)) {
            let Some(layer) = self.inventory.erofs.get(&row.id) else { continue };
            let Some(why) = layer.fault(row.usage, row.created) else { continue };
            let chain_id = key.splitn(3, '/').nth(2).and_then(|key| key.parse().ok()).map(ChainId);
            let witness = Witness::Records(vec![row.created]);
            let kind = ErofsLayerInvalid { why, chain_id };
            into.find_with(witness, kind, row_subject(EROFS, key, row), self.reach(EROFS, key));
        }
    }
}
