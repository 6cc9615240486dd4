//! What a running containerd's metadata says, changed through its own API.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use super::contract::Rows;
use super::keep::{Keeper, is_kept, keep_rows};
use crate::Interrupt;
use crate::check::Checked;
use crate::content::BlobFile;
use crate::digest::Digest;
use crate::layout::META_DB;
use crate::live::{Evictions, Held, Live, LiveError, LiveStore, SnapshotEviction};
use crate::repair::act::evict::{
    EvictError, first_wrong, take, without_blob, without_image, without_snapshots,
};
use crate::repair::apply::{ApplyError, Outcome, note};
use crate::repair::plan::{Action, ActionKind, SnapshotName, Verb};
use crate::repair::quarantine::run::Run;

/// The API of a running containerd. All that is to be taken out goes at once: one lease on all that stays, before the first
/// delete.
#[derive(Debug)]
pub struct LiveRows<'a> {
    live: &'a Live,
    checked: &'a Checked,
}

impl<'a> LiveRows<'a> {
    /// The API of the containerd that holds what `checked` found.
    #[must_use]
    pub fn new(live: &'a Live, checked: &'a Checked) -> Self {
        LiveRows { live, checked }
    }
}

/// What had to be left, and why.
type Left = BTreeMap<ActionKind, ApplyError>;

/// Actions that are done together.
struct Batch<'a> {
    live: &'a Live,
    checked: &'a Checked,
    actions: &'a [&'a Action],
}

impl<'a> Batch<'a> {
    fn kinds(&self) -> impl Iterator<Item = &'a ActionKind> {
        self.actions.iter().map(|action| &action.kind)
    }

    fn is_taking_out(&self) -> bool {
        self.kinds().any(|kind| kind.verb() == Verb::Evict)
    }

    /// Takes out all that is to be taken out.
    fn evict(&self, run: &mut Run<'_>, left: &mut Left) -> Result<(), ApplyError> {
        for kind in self.kinds() {
            let ActionKind::EvictSnapshots { blobs, .. } = kind else { continue };
            if let Some(digest) = first_wrong(run.disk().root(), blobs)? {
                left.insert(kind.clone(), EvictError::LayerDamaged(digest.clone()).into());
            }
        }
        self.keep_rows(run, left)?;
        // Nobody can adopt a wrong file that is out of the way.
        for digest in self.blobs() {
            take(run, &BlobFile::path(digest))?;
        }
        let snapshots: Vec<&SnapshotName> = self.snapshots(left).collect();
        let mut keeper = Keeper::new(&self.checked.inventory, snapshots.into_iter());
        let asked = self.ask(run, &mut keeper, left);
        keeper.give_back(run)?;
        asked
    }

    /// Asks containerd for all of it, with everything else held meanwhile.
    fn ask(&self, run: &mut Run<'_>, keeper: &mut Keeper<'_>, left: &mut Left) -> Result<(), ApplyError> {
        let id = run.id().to_owned();
        let store = LiveStore::new(self.live, &id, |act| keeper.before(run, act));
        let snapshotters: Vec<String> = self.checked.inventory.snapshotters.keys().cloned().collect();
        let mut held = store.hold(&self.evictions(left), &snapshotters)?;
        self.evict_snapshots_of(&mut held, left)?;
        let root = &self.checked.report.root;
        let files: Vec<(String, PathBuf)> =
            self.blobs().map(|digest| (digest.to_string(), root.join(BlobFile::path(digest)))).collect();
        held.evict_blobs(&files)?;
        self.remove_names(&mut held)?;
        Ok(held.release()?)
    }

    /// Notes the rows that are to go, for whoever undoes the run.
    fn keep_rows(&self, run: &mut Run<'_>, left: &Left) -> io::Result<()> {
        let inventory = &self.checked.inventory;
        let kept = self.snapshots(left).filter(|name| is_kept(name));
        let (mut records, rows) = without_snapshots(inventory, kept);
        for digest in self.blobs() {
            records.extend(without_blob(inventory.metadata(), digest).0);
        }
        for (namespace, name) in self.names() {
            records.extend(without_image(namespace, name).0);
        }
        keep_rows(run, META_DB.as_ref(), &records)?;
        rows.iter().try_for_each(|(database, rows)| keep_rows(run, database, rows))
    }

    /// The snapshots that are to go.
    fn snapshots(&self, left: &Left) -> impl Iterator<Item = &'a SnapshotName> {
        let kinds = self.kinds().filter(|kind| !left.contains_key(*kind));
        kinds.flat_map(|kind| match kind {
            ActionKind::EvictSnapshots { snapshots, .. } => snapshots.as_slice(),
            _ => &[],
        })
    }

    /// The names of images that are to go: namespace and name.
    fn names(&self) -> impl Iterator<Item = (&'a String, &'a String)> {
        self.kinds().filter_map(|kind| match kind {
            ActionKind::ForgetImage { namespace, name } => Some((namespace, name)),
            _ => None,
        })
    }

    fn blobs(&self) -> impl Iterator<Item = &'a Digest> {
        self.kinds().filter_map(|kind| match kind {
            ActionKind::EvictBlob { digest, .. } => Some(digest),
            _ => None,
        })
    }

    fn evictions(&self, left: &Left) -> Evictions {
        let keys = self
            .snapshots(left)
            .filter_map(|name| Some((name.namespace.clone(), name.snapshotter.clone(), name.key.clone()?)));
        Evictions::new(self.blobs().map(ToString::to_string), keys)
    }

    fn evict_snapshots_of(&self, held: &mut Held<'_>, left: &mut Left) -> Result<(), LiveError> {
        for kind in self.kinds() {
            let ActionKind::EvictSnapshots { snapshots, .. } = kind else { continue };
            if left.contains_key(kind) {
                continue;
            }
            let mut of: BTreeMap<(&str, &str), Vec<SnapshotEviction>> = BTreeMap::new();
            for name in snapshots {
                let Some(key) = name.key.clone() else { continue };
                let dangling = self.dangling(name, &key);
                let place = (name.namespace.as_str(), name.snapshotter.as_str());
                of.entry(place).or_default().push(SnapshotEviction { key, dangling });
            }
            for ((namespace, snapshotter), evictions) in of {
                let done = held.evict_snapshots(namespace, snapshotter, &evictions)?;
                if !done.left.is_empty() {
                    let by: BTreeSet<&String> = done.left.values().flat_map(|by| &by.containers).collect();
                    let snapshots = done.left.keys().cloned().collect();
                    let containers = by.into_iter().cloned().collect();
                    left.insert(kind.clone(), ApplyError::InUse { snapshots, containers });
                }
            }
        }
        Ok(())
    }

    /// Children that the record names and that have no record.
    fn dangling(&self, name: &SnapshotName, key: &str) -> Vec<String> {
        let namespaces = &self.checked.inventory.metadata().namespaces;
        let records = namespaces.get(&name.namespace).and_then(|ns| ns.snapshots.get(&name.snapshotter));
        let Some(records) = records else { return Vec::new() };
        let children = records.get(key).map(|record| &record.children).into_iter().flatten();
        children.filter(|child| !records.contains_key(child.as_str())).map(ToString::to_string).collect()
    }

    fn remove_names(&self, held: &mut Held<'_>) -> Result<(), LiveError> {
        let mut names: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (namespace, name) in self.names() {
            names.entry(namespace).or_default().push(name.clone());
        }
        let evicted: BTreeSet<&Digest> = self.blobs().collect();
        for (namespace, names) in names {
            let Some(records) = self.checked.inventory.metadata().namespaces.get(namespace) else { continue };
            let kept = records.blobs.keys().filter(|digest| !evicted.contains(digest));
            let digests: Vec<String> = kept.map(ToString::to_string).collect();
            let snapshots: Vec<(String, String)> = records
                .snapshots
                .iter()
                .flat_map(|(snapshotter, of)| of.keys().map(|key| (snapshotter.clone(), key.to_string())))
                .collect();
            held.remove_names(namespace, &names, &digests, &snapshots)?;
        }
        Ok(())
    }

    /// CRI looks at an image again when its record is written: at those whose documents were put back in their places.
    fn wake(&self, run: &mut Run<'_>) -> Result<(), ApplyError> {
        let replaced: Vec<String> = self
            .kinds()
            .filter_map(|kind| match kind {
                ActionKind::Replace { digest, .. } => Some(digest.to_string()),
                _ => None,
            })
            .collect();
        if replaced.is_empty() {
            return Ok(());
        }
        let id = run.id().to_owned();
        let mut keeper = Keeper::new(&self.checked.inventory, std::iter::empty());
        let mut store = LiveStore::new(self.live, &id, |act| keeper.before(run, act));
        for namespace in self.live.namespaces()? {
            let names = store.names_of(&namespace, &replaced)?;
            store.wake(&namespace, &names)?;
        }
        Ok(())
    }

    fn all(&self, run: &mut Run<'_>, left: &mut Left) -> Result<(), ApplyError> {
        for action in self.actions.iter().filter(|action| action.kind.is_of_rows()) {
            note(run, action)?;
        }
        if self.is_taking_out() {
            self.evict(run, left)?;
        }
        self.wake(run)
    }
}

impl Rows for LiveRows<'_> {
    fn change(&mut self, run: &mut Run<'_>, actions: &[&Action], interrupt: &Interrupt) -> Vec<Outcome> {
        if interrupt.is_raised() {
            return actions.iter().map(|_| Err(ApplyError::Interrupted)).collect();
        }
        // A row that is wrong is put right with the database locked.
        let by_api = |action: &&Action| matches!(action.kind.verb(), Verb::Evict | Verb::Replace);
        let asked: Vec<&Action> = actions.iter().copied().filter(|action| by_api(action)).collect();
        let batch = Batch { live: self.live, checked: self.checked, actions: &asked };
        let mut left = Left::new();
        let mut failed = batch.all(run, &mut left).err();
        let has_failed = failed.is_some();
        let outcome = |action: &&Action| match (by_api(action), left.remove(&action.kind)) {
            (false, _) => Err(ApplyError::MustBeStopped),
            (true, Some(why)) => Err(why),
            (true, None) if has_failed => Err(failed.take().unwrap_or(ApplyError::Together)),
            (true, None) => Ok(()),
        };
        actions.iter().map(outcome).collect()
    }
}
