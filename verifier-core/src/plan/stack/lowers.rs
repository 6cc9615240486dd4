//! What snapshots stand on: the snapshots below, and the layers that made those.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::layers::{LayerSource, Stacked};
use crate::metadata::{Kind, Snapshots};
use crate::snapshot::Driver;
use crate::texts::Text;

/// All snapshots of one snapshotter, and what each stands on. They share it: written out for each snapshot, stacks would take
/// memory by the square of their height.
#[derive(Debug)]
pub(in crate::plan) struct Stacking<'a> {
    keys: Vec<&'a str>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    driver: Driver,
    rows: Vec<Row>,
    /// The layers that made the rows that others stand on, in their order; told when all are found.
    layers: OnceLock<RowLayers>,
}

/// Where the layers of rows are among all of a plan; none for one that is not to be had.
#[derive(Debug)]
struct RowLayers {
    stacked: Arc<Stacked>,
    tops: Vec<Option<usize>>,
}

#[derive(Debug)]
struct Row {
    id: u64,
    kind: Kind,
    /// How many are below; `None` when one of them has no record, or they go round in a circle.
    height: Option<usize>,
    below: Below,
    /// Whether a committed one stands on it.
    carries: bool,
}

#[derive(Debug, Clone, Copy)]
enum Below {
    Nothing,
    NoRecord,
    Row(usize),
}

/// The trees of the snapshots below one.
#[derive(Debug, Clone)]
pub struct Lowers {
    shared: Arc<Shared>,
    top: usize,
    height: usize,
}

impl<'a> Stacking<'a> {
    /// Of the snapshotter that keeps its things in `folder`, below the root.
    pub(in crate::plan) fn new(folder: &Path, driver: Driver, snapshots: &'a Snapshots) -> Self {
        let keys: Vec<&str> = snapshots.by_key.keys().map(Text::as_str).collect();
        let below = |parent: &str| match parent {
            "" => Below::Nothing,
            parent => keys.binary_search(&parent).map_or(Below::NoRecord, Below::Row),
        };
        let rows = snapshots.by_key.values();
        let rows = rows.map(|row| {
            let below = below(&row.parent);
            Row { id: row.id, kind: row.kind, height: None, below, carries: false }
        });
        let mut rows: Vec<Row> = rows.collect();
        measure(&mut rows);
        for at in 0..rows.len() {
            if let Some(Row { below: Below::Row(below), kind: Kind::Committed, .. }) = rows.get(at)
                && let below = *below
                && let Some(below) = rows.get_mut(below)
            {
                below.carries = true;
            }
        }
        let shared = Shared { folder: folder.into(), driver, rows, layers: OnceLock::new() };
        Stacking { keys, shared: Arc::new(shared) }
    }

    /// The keys of all rows, and whether a committed one stands on each.
    pub(in crate::plan) fn rows(&self) -> impl Iterator<Item = (&'a str, bool)> {
        self.keys.iter().copied().zip(self.shared.rows.iter().map(|row| row.carries))
    }

    /// Says which layers made the rows, in the order of [`Stacking::rows`].
    pub(in crate::plan) fn set_layers(&self, stacked: &Arc<Stacked>, tops: Vec<Option<usize>>) {
        // Told once.
        let _ = self.shared.layers.set(RowLayers { stacked: Arc::clone(stacked), tops });
    }

    /// What the snapshot `backend_key` stands on; `None` when one of them has no record.
    pub(in crate::plan) fn lowers(&self, backend_key: &str) -> Option<Lowers> {
        let top = self.keys.binary_search(&backend_key).ok()?;
        let height = self.shared.rows.get(top)?.height?;
        Some(Lowers { shared: Arc::clone(&self.shared), top, height })
    }
}

/// Counts what is below each row, each once.
fn measure(rows: &mut [Row]) {
    let mut seen = vec![false; rows.len()];
    for start in 0..rows.len() {
        let (mut way, mut at) = (Vec::new(), start);
        let mut height = loop {
            match (rows.get(at), seen.get_mut(at)) {
                (Some(row), Some(seen)) if !*seen => {
                    *seen = true;
                    way.push(at);
                    match row.below {
                        Below::Nothing => break Some(0),
                        Below::NoRecord => break None,
                        Below::Row(below) => at = below,
                    }
                }
                // Measured before; or on this very way, which then is a circle, and not measured yet.
                (row, _) => break row.and_then(|row| row.height).map(|height| height + 1),
            }
        };
        for at in way.into_iter().rev() {
            if let Some(row) = rows.get_mut(at) {
                row.height = height;
            }
            height = height.map(|height| height + 1);
        }
    }
}

impl Lowers {
    /// How many there are.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Where they are, below the root, the nearest first.
    pub fn paths(&self) -> impl Iterator<Item = PathBuf> {
        let Shared { folder, driver, .. } = &*self.shared;
        self.rows().map(move |(_, row)| folder.join(driver.tree(row.kind, row.id)))
    }

    /// Their layers, the nearest first: none for one that is not to be had; and whether it is the lowest.
    pub(crate) fn layers(&self) -> impl Iterator<Item = (Option<&LayerSource>, bool)> {
        let layers = self.shared.layers.get();
        self.rows().map(move |(at, row)| {
            let source = layers.and_then(|layers| layers.stacked.source((*layers.tops.get(at)?)?));
            (source, matches!(row.below, Below::Nothing))
        })
    }

    /// Whether committed snapshots stand on this one.
    pub(crate) fn carries(&self) -> bool {
        self.shared.rows.get(self.top).is_some_and(|row| row.carries)
    }

    fn rows(&self) -> impl Iterator<Item = (usize, &Row)> {
        let rows = &self.shared.rows;
        let below = move |(_, row): &(usize, &Row)| match row.below {
            Below::Row(below) => rows.get(below).map(|row| (below, row)),
            Below::Nothing | Below::NoRecord => None,
        };
        let top = rows.get(self.top).map(|row| (self.top, row));
        std::iter::successors(top, below).skip(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::BackendSnapshot;

    fn snapshots(rows: &[(&str, &str)]) -> Snapshots {
        let mut snapshots = Snapshots::default();
        for (id, (key, parent)) in (1..).zip(rows) {
            let row = BackendSnapshot { id, parent: (*parent).into(), ..BackendSnapshot::default() };
            snapshots.by_key.insert((*key).into(), row);
        }
        snapshots
    }

    fn below(snapshots: &Snapshots, key: &str) -> Option<Vec<PathBuf>> {
        let lowers = Stacking::new(Path::new("s"), Driver::Overlayfs, snapshots).lowers(key)?;
        assert_eq!(lowers.paths().count(), lowers.height());
        Some(lowers.paths().collect())
    }

    #[test]
    fn the_nearest_comes_first() {
        let rows = snapshots(&[("c", "b"), ("a", ""), ("b", "a"), ("d", "b")]);
        let paths = |ids: &[u64]| Some(ids.iter().map(|id| format!("s/snapshots/{id}/fs").into()).collect());
        assert_eq!(below(&rows, "a"), paths(&[]));
        assert_eq!(below(&rows, "c"), paths(&[3, 2]));
        assert_eq!(below(&rows, "d"), paths(&[3, 2]));
        assert_eq!(below(&rows, "x"), None);
    }

    #[test]
    fn what_leads_to_no_end_has_none() {
        let rows =
            snapshots(&[("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"), ("e", "x"), ("f", "e"), ("g", "g")]);
        for key in ["a", "b", "c", "d", "e", "f", "g"] {
            assert_eq!(below(&rows, key), None, "{key}");
        }
    }

    #[test]
    fn a_stack_of_a_hundred_thousand_takes_neither_stack_nor_memory() {
        let names: Vec<String> = (0..100_000).map(|number| format!("{number:06}")).collect();
        let mut rows = vec![("000000", "")];
        rows.extend(names.iter().skip(1).zip(&names).map(|(key, parent)| (key.as_str(), parent.as_str())));
        let rows = snapshots(&rows);
        let stacking = Stacking::new(Path::new(""), Driver::Overlayfs, &rows);
        let all: Vec<Lowers> = names.iter().filter_map(|key| stacking.lowers(key)).collect();
        assert_eq!(all.last().map(Lowers::height), Some(99_999));
        assert_eq!(all.len(), 100_000);
    }
}
