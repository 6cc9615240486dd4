//! Writes that were begun: will anything finish them?

use std::collections::BTreeSet;

use super::candidate::{Examination, Witness};
use crate::finding::{BlastRadius, IngestStale, StaleIngest, Subject};
use crate::scan::Inventory;

/// Judges the ingests: one whose ref no record names is stale.
pub(super) fn examine(inventory: &Inventory, into: &mut Examination) {
    let records = inventory.metadata().namespaces.values().flat_map(|namespace| namespace.ingests.values());
    let known: BTreeSet<&str> = records.map(|record| record.backend_ref.as_str()).collect();
    for ingest in &inventory.ingests {
        let why = match &ingest.backend_ref {
            None => StaleIngest::NoRef,
            Some(backend_ref) if known.contains(backend_ref.as_str()) => continue,
            Some(_) => StaleIngest::NoRecord,
        };
        // backend ref: namespace/sequence/ref
        let namespace = ingest.backend_ref.as_deref().and_then(|text| text.split('/').next());
        let blast = BlastRadius {
            namespaces: namespace.into_iter().map(str::to_owned).collect(),
            ..BlastRadius::default()
        };
        let witness = ingest.modified.map_or(Witness::None, |time| Witness::File(0, time));
        let kind = IngestStale { why, size_bytes: ingest.size_bytes };
        into.find_with(witness, kind, Subject::Ingest { folder: ingest.name.clone().into() }, blast);
    }
}
