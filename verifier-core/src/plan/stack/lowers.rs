//! What snapshots stand on: the trees below their own.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::compare::LowerTrees;
use crate::io::Folder;
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
}

#[derive(Debug)]
struct Row {
    id: u64,
    kind: Kind,
    /// How many are below; `None` when one of them has no record, or they go round in a circle.
    height: Option<usize>,
    below: Below,
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
        let rows =
            rows.map(|row| Row { id: row.id, kind: row.kind, height: None, below: below(&row.parent) });
        let mut rows: Vec<Row> = rows.collect();
        measure(&mut rows);
        Stacking { keys, shared: Arc::new(Shared { folder: folder.into(), driver, rows }) }
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
        let Shared { folder, driver, rows } = &*self.shared;
        let below = |row: &Row| match row.below {
            Below::Row(below) => rows.get(below),
            Below::Nothing | Below::NoRecord => None,
        };
        let nearest = rows.get(self.top).and_then(below);
        std::iter::successors(nearest, move |row| below(row))
            .map(|row| folder.join(driver.tree(row.kind, row.id)))
    }
}

/// The trees below a snapshot, in a root.
pub(crate) struct LowersIn<'a> {
    pub(crate) root: &'a Folder,
    pub(crate) lowers: Option<&'a Lowers>,
}

impl LowerTrees for LowersIn<'_> {
    fn nearest_first(&self) -> Box<dyn Iterator<Item = io::Result<Folder>> + '_> {
        let paths = self.lowers.into_iter().flat_map(Lowers::paths);
        Box::new(paths.map(|path| self.root.folder(path)))
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
