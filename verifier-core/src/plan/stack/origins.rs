//! Which blobs made a committed snapshot's tree.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::layers::{LayerSource, Stacked};
use super::stacks::Stacks;
use crate::digest::{ChainId, DiffId};
use crate::finding::Reason;
use crate::io::FileKind;
use crate::metadata::Snapshots;
use crate::oci::Descriptor;
use crate::plan::snapshots::chain_of;
use crate::scan::Inventory;

/// A snapshot's row in its snapshotter's database.
#[derive(Clone, Copy)]
pub(in crate::plan) struct Row<'a> {
    pub(in crate::plan) snapshotter: &'a str,
    pub(in crate::plan) rows: &'a Snapshots,
    pub(in crate::plan) key: &'a str,
    /// Whether its tree holds what all layers of the stack make.
    pub(in crate::plan) is_whole: bool,
}

/// Finds layers, and keeps what it found.
pub(in crate::plan) struct Origins<'a> {
    inventory: &'a Inventory,
    stacks: Stacks<'a>,
    layers: Stacked,
    /// By snapshotter and backend key: the place of the topmost layer, or why there is none. Each is found once, and not again for
    /// each tree above.
    known: BTreeMap<(&'a str, &'a str), Result<usize, Reason>>,
}

/// A layer on the way down, with the snapshotter and backend key that it is known by.
type Step<'a> = (Option<(&'a str, &'a str)>, LayerSource);

impl<'a> Origins<'a> {
    pub(in crate::plan) fn new(inventory: &'a Inventory) -> Self {
        let stacks = Stacks::new(inventory);
        Origins { inventory, stacks, layers: Stacked::default(), known: BTreeMap::new() }
    }

    /// The place of the topmost layer of the snapshot `chain_id`, which no circle leads down from.
    pub(in crate::plan) fn find(&mut self, row: Row<'a>, chain_id: ChainId) -> Result<usize, Reason> {
        let mut steps = Vec::new();
        let name = (chain_of(row.key).as_ref() == Some(&chain_id)).then_some((row.snapshotter, row.key));
        let mut top = self.walk(row, chain_id, &mut steps);
        if !steps.is_empty() && top == Err(Reason::LayerMissing) {
            top = Err(Reason::LayerBelowMissing);
        }
        for (name, source) in steps.into_iter().rev() {
            top = top.map(|below| Some(self.layers.push(source, below)));
            if let (Some(name), Some(known)) = (name, top.clone().transpose()) {
                self.known.insert(name, known);
            }
        }
        let top = top.and_then(|top| top.ok_or(Reason::NoLayer));
        if let Some(name) = name {
            self.known.entry(name).or_insert_with(|| top.clone());
        }
        top
    }

    /// What was found, for [`Stacked::layers`].
    pub(in crate::plan) fn into_layers(self) -> Arc<Stacked> {
        Arc::new(self.layers)
    }

    /// Walks down from a snapshot to its lowest layer, to one that is known, which is returned, or to one that is not to be had.
    fn walk(
        &mut self,
        mut row: Row<'a>,
        mut chain_id: ChainId,
        steps: &mut Vec<Step<'a>>,
    ) -> Result<Option<usize>, Reason> {
        loop {
            // Only in a damaged database does a snapshot have another name than its row.
            let is_named = chain_of(row.key).as_ref() == Some(&chain_id);
            let name = is_named.then_some((row.snapshotter, row.key));
            if let Some(known) = name.and_then(|name| self.known.get(&name)) {
                return known.clone().map(Some);
            }
            let below = row.below();
            let (source, parent) = self.layer(&chain_id, below)?;
            steps.push((name, source));
            match (below, parent) {
                (Some(below), Some(parent)) if row.is_whole => (row, chain_id) = (below, parent),
                _ => return Ok(None),
            }
        }
    }

    /// The layer of the snapshot `chain_id`, and the ChainID of the one `below`.
    fn layer(
        &mut self,
        chain_id: &ChainId,
        below: Option<Row<'_>>,
    ) -> Result<(LayerSource, Option<ChainId>), Reason> {
        let parent = below.map(|below| chain_of(below.key).ok_or(Reason::NoLayer)).transpose()?;
        let layer = self.stacks.layer(chain_id, parent.as_ref()).ok_or(Reason::NoLayer)?;
        if layer.parent != parent {
            // The snapshots are not stacked as the name says; nothing can be said of what the tree should be.
            return Err(Reason::LowerMissing);
        }
        Ok((self.source(&layer.diff_id, &layer.blobs)?, parent))
    }

    /// A blob that is there to be read.
    fn source(&self, diff_id: &DiffId, blobs: &[Descriptor]) -> Result<LayerSource, Reason> {
        let files = &self.inventory.blobs.files;
        let there = blobs.iter().find_map(|blob| {
            let file = files.get(&blob.digest).filter(|file| file.kind == FileKind::File)?;
            let (digest, media_type) = (blob.digest.clone(), blob.media_type.clone());
            Some(LayerSource { digest, media_type, diff_id: diff_id.clone(), size_bytes: file.size_bytes })
        });
        let namespaces = &self.inventory.metadata().namespaces;
        let is_recorded =
            |blob: &Descriptor| namespaces.values().any(|records| records.blobs.contains_key(&blob.digest));
        there.ok_or_else(|| match blobs.iter().any(is_recorded) {
            true => Reason::LayerMissing,
            false => Reason::LayerDiscarded,
        })
    }
}

impl Row<'_> {
    fn below(self) -> Option<Self> {
        let parent = self.rows.by_key.get(self.key)?.parent.as_str();
        Some(Row { key: parent, ..self }).filter(|_| !parent.is_empty())
    }
}
