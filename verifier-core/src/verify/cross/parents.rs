//! What snapshots build on: parents that are missing, circles, parents that are not committed, and stacks that are not
//! those of the name.

use std::collections::{BTreeMap, BTreeSet};

use super::Cross;
use super::key::{in_scope, row_subject};
use crate::digest::{ChainId, Digest};
use crate::finding::{
    FindingKind, SnapshotChainWrong, SnapshotKind, SnapshotKindWrong, SnapshotParentLoop,
    SnapshotParentMissing,
};
use crate::metadata::{BackendSnapshot, Kind, SnapshotRecord, Snapshots};
use crate::snapshot::Driver;
use crate::time::Timestamp;
use crate::verify::candidate::{Examination, Witness};

/// What is wrong with a graph in which each key has one parent or, with an empty one, none.
#[derive(Debug, PartialEq, Eq)]
enum Fault<'a> {
    /// A key whose parent is not there.
    Missing { key: &'a str, parent: &'a str },
    /// Keys that lead round in a circle, the lowest one first.
    Loop(Vec<&'a str>),
}

/// The faults of the graph that leads from each key to its parent.
fn faults<'a>(parents: &BTreeMap<&'a str, &'a str>) -> Vec<Fault<'a>> {
    let mut faults = Vec::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for &start in parents.keys() {
        let mut way = Vec::new();
        let mut key = start;
        while seen.insert(key) {
            way.push(key);
            match parents.get(key) {
                Some(&"") | None => break,
                Some(&parent) if !parents.contains_key(parent) => {
                    faults.push(Fault::Missing { key, parent });
                    break;
                }
                Some(&parent) => key = parent,
            }
        }
        // A way that leads on and yet ends on itself is a circle from there.
        let leads_on = parents.get(key).is_some_and(|parent| parents.contains_key(parent));
        if let Some(at) = way.iter().position(|other| *other == key).filter(|_| leads_on) {
            let mut keys = way.split_off(at);
            let lowest = keys.iter().enumerate().min_by_key(|(_, key)| **key).map_or(0, |(index, _)| index);
            keys.rotate_left(lowest);
            faults.push(Fault::Loop(keys));
        }
    }
    faults
}

impl Cross<'_> {
    pub(super) fn examine_parents(&self, into: &mut Examination) {
        for (namespace, records) in self.namespaces() {
            for (snapshotter, snapshots) in &records.snapshots {
                let parents =
                    snapshots.iter().map(|(key, record)| (key.as_str(), record.parent.as_str())).collect();
                for fault in faults(&parents) {
                    let key = fault.key();
                    let Some(record) = snapshots.get(key).filter(|_| in_scope(self.scope, namespace, key))
                    else {
                        continue;
                    };
                    let subject = self.snapshot_record(namespace, snapshotter, key);
                    let blast = self.record_reach(namespace, snapshotter, key, record);
                    into.find_with(witness(record.created), fault.kind(), subject, blast);
                }
            }
        }
        for (namespace, snapshotter, key, record) in self.records() {
            self.examine_chain(namespace, snapshotter, key, record, into);
        }
    }

    /// The same within a snapshotter's database.
    pub(super) fn examine_row_parents(&self, snapshotter: &str, rows: &Snapshots, into: &mut Examination) {
        let parents = rows.by_key.iter().map(|(key, row)| (key.as_str(), row.parent.as_str())).collect();
        let names: BTreeSet<&str> = self.names(snapshotter).collect();
        for fault in faults(&parents) {
            // A parent that has a record in meta.db is reported as that record's missing row.
            let known = matches!(fault, Fault::Missing { parent, .. } if names.contains(parent));
            let key = fault.key();
            let Some(row) = rows.by_key.get(key).filter(|_| !known && self.has_row(key)) else { continue };
            let subject = row_subject(snapshotter, key, row);
            into.find_with(witness(row.created), fault.kind(), subject, self.reach(snapshotter, key));
        }
        self.examine_kinds(snapshotter, rows, into);
    }

    /// Only what is committed can be built on (storage.CreateSnapshot).
    fn examine_kinds(&self, snapshotter: &str, rows: &Snapshots, into: &mut Examination) {
        let mut children: BTreeMap<&str, u64> = BTreeMap::new();
        for row in rows.by_key.values() {
            *children.entry(row.parent.as_str()).or_default() += 1;
        }
        for (key, row) in rows.by_key.iter().filter(|(key, _)| self.has_row(key)) {
            let found = match row.kind {
                Kind::View => SnapshotKind::View,
                Kind::Active => SnapshotKind::Active,
                Kind::Committed | Kind::Unknown => continue,
            };
            if let Some(&children) = children.get(key.as_str()) {
                let kind = SnapshotKindWrong { found, children };
                let subject = row_subject(snapshotter, key, row);
                into.find_with(witness(row.created), kind, subject, self.reach(snapshotter, key));
            }
        }
    }

    /// A ChainID hashes the one below it: if some stack of DiffIDs ends in this name, no other stack does.
    fn examine_chain(
        &self,
        namespace: &str,
        snapshotter: &str,
        key: &str,
        record: &SnapshotRecord,
        into: &mut Examination,
    ) {
        let Some((chain_id, expected)) = self.known_chain(key) else { return };
        let Some(row) = self.row_that_agrees(namespace, snapshotter, record) else { return };
        let actual = match record.parent.as_str() {
            "" => None,
            // A builder may give a layer's parent a name of its own: it says nothing of what is in it.
            parent => match parent.parse::<Digest>() {
                Ok(digest) => Some(ChainId(digest)),
                Err(_) => return,
            },
        };
        if row.kind == Kind::Committed && actual != expected {
            let kind = SnapshotChainWrong { chain_id, expected, actual };
            let blast = self.record_reach(namespace, snapshotter, key, record);
            let subject = row_subject(snapshotter, &record.backend_key, row);
            let witness = Witness::Records(vec![record.created, row.created]);
            into.find_with(witness, kind, subject, blast);
        }
    }

    fn known_chain(&self, key: &str) -> Option<(ChainId, Option<ChainId>)> {
        let chain_id = ChainId(key.parse().ok()?);
        let layer = self.inventory.documents.chains.get(&chain_id)?;
        Some((chain_id, layer.parent.clone()))
    }

    /// The row of a record of a snapshotter that stacks trees as it is told, if both have the same parent.
    fn row_that_agrees(
        &self,
        namespace: &str,
        snapshotter: &str,
        record: &SnapshotRecord,
    ) -> Option<&BackendSnapshot> {
        Driver::of(snapshotter)?;
        let row = self.rows(snapshotter)?.by_key.get(&record.backend_key)?;
        let snapshots = self.inventory.metadata().namespaces.get(namespace)?.snapshots.get(snapshotter)?;
        let parent = match record.parent.as_str() {
            "" => "",
            parent => snapshots.get(parent)?.backend_key.as_str(),
        };
        (row.parent == parent).then_some(row)
    }
}

impl Fault<'_> {
    fn key(&self) -> &str {
        match self {
            Fault::Missing { key, .. } => key,
            Fault::Loop(keys) => keys.first().copied().unwrap_or_default(),
        }
    }

    fn kind(&self) -> FindingKind {
        match self {
            Fault::Missing { parent, .. } => SnapshotParentMissing { parent: (*parent).into() }.into(),
            Fault::Loop(keys) => {
                SnapshotParentLoop { keys: keys.iter().map(|key| (*key).to_owned()).collect() }.into()
            }
        }
    }
}

fn witness(created: Option<Timestamp>) -> Witness {
    Witness::Records(vec![created])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(links: &[(&'a str, &'a str)]) -> Vec<Fault<'a>> {
        faults(&links.iter().copied().collect())
    }

    #[test]
    fn a_tree_has_no_fault() {
        assert_eq!(of(&[]), []);
        assert_eq!(of(&[("a", ""), ("b", "a"), ("c", "a"), ("d", "c"), ("aa", "d")]), []);
    }

    #[test]
    fn a_missing_parent_is_told_once_for_each_that_names_it() {
        let missing = |key, parent| Fault::Missing { key, parent };
        assert_eq!(of(&[("a", "x"), ("b", "a"), ("c", "x")]), [missing("a", "x"), missing("c", "x")]);
        assert_eq!(of(&[("b", "x"), ("a", "b")]), [missing("b", "x")]);
    }

    #[test]
    fn a_circle_is_told_once() {
        assert_eq!(of(&[("a", "a")]), [Fault::Loop(vec!["a"])]);
        assert_eq!(of(&[("c", "a"), ("a", "b"), ("b", "c"), ("z", "b")]), [Fault::Loop(vec!["a", "b", "c"])]);
        // Entered from outside, from before and after it.
        let loops = of(&[("b", "d"), ("c", "d"), ("d", "e"), ("e", "c"), ("x", "y"), ("y", "x")]);
        assert_eq!(loops, [Fault::Loop(vec!["c", "d", "e"]), Fault::Loop(vec!["x", "y"])]);
    }

    #[test]
    fn long_chains_take_no_stack() {
        let names: Vec<String> = (0..100_000).map(|number| format!("{number:06}")).collect();
        let mut links: BTreeMap<&str, &str> = names
            .iter()
            .zip(names.iter().skip(1))
            .map(|(key, parent)| (key.as_str(), parent.as_str()))
            .collect();
        links.insert("099999", "");
        assert_eq!(faults(&links), []);
        links.insert("099999", "000000");
        assert!(matches!(faults(&links).as_slice(), [Fault::Loop(keys)] if keys.len() == 100_000));
    }
}
