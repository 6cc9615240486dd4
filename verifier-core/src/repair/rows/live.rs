//! What a running containerd's metadata says, changed through its own API.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use super::keep::{Keeper, is_kept, keep_rows};
use crate::check::Checked;
use crate::content::BlobFile;
use crate::digest::Digest;
use crate::layout::META_DB;
use crate::live::{Evictions, Held, Live, LiveError, LiveStore, SnapshotEviction};
use crate::repair::act::evict::{first_wrong, take, without_blob, without_image, without_snapshots};
use crate::repair::apply::{ApplyError, Rows};
use crate::repair::plan::{ActionKind, RepairPlan, SnapshotName};
use crate::repair::quarantine::run::Run;

/// The API of a running containerd. Everything of a plan that has to be taken out goes at once, when the first of it is asked
/// for: one lease on all that stays, before the first delete.
#[derive(Debug)]
pub struct LiveRows<'a> {
    live: &'a Live,
    checked: &'a Checked,
    plan: &'a RepairPlan,
    /// What was left, and why, once it was done.
    left: Option<BTreeMap<ActionKind, String>>,
}

impl<'a> LiveRows<'a> {
    /// The API of the containerd that holds what `checked` found, for `plan`.
    #[must_use]
    pub fn new(live: &'a Live, checked: &'a Checked, plan: &'a RepairPlan) -> Self {
        LiveRows { live, checked, plan, left: None }
    }

    fn outcome(&mut self, run: &mut Run<'_>, kind: &ActionKind) -> Result<(), ApplyError> {
        if self.left.is_none() {
            self.left = Some(self.evict(run)?);
        }
        match self.left.as_ref().and_then(|left| left.get(kind)) {
            Some(why) => Err(ApplyError::Live(why.clone())),
            None => Ok(()),
        }
    }

    fn kinds(&self) -> impl Iterator<Item = &'a ActionKind> {
        self.plan.actions.iter().map(|action| &action.kind)
    }

    /// Does all that the plan takes out; what had to be left, and why.
    fn evict(&self, run: &mut Run<'_>) -> Result<BTreeMap<ActionKind, String>, ApplyError> {
        let mut left = BTreeMap::new();
        for kind in self.kinds() {
            let ActionKind::EvictSnapshots { blobs, .. } = kind else { continue };
            if let Some(digest) = first_wrong(run.disk().root(), blobs)? {
                left.insert(kind.clone(), format!("the layer {digest} is damaged"));
            }
        }
        self.keep_rows(run, &left)?;
        // Nobody can adopt a wrong file that is out of the way.
        for digest in self.blobs() {
            take(run, &BlobFile::path(digest))?;
        }
        let snapshots: Vec<&SnapshotName> = self.snapshots(&left).collect();
        let mut keeper = Keeper::new(&self.checked.inventory, snapshots.into_iter());
        let asked = self.ask(run, &mut keeper, &mut left);
        keeper.give_back(run)?;
        asked?;
        Ok(left)
    }

    /// Asks containerd for all of it, with everything else held meanwhile.
    fn ask(
        &self,
        run: &mut Run<'_>,
        keeper: &mut Keeper<'_>,
        left: &mut BTreeMap<ActionKind, String>,
    ) -> Result<(), ApplyError> {
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
    fn keep_rows(&self, run: &mut Run<'_>, left: &BTreeMap<ActionKind, String>) -> io::Result<()> {
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
    fn snapshots(&self, left: &BTreeMap<ActionKind, String>) -> impl Iterator<Item = &'a SnapshotName> {
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

    fn evictions(&self, left: &BTreeMap<ActionKind, String>) -> Evictions {
        let keys = self
            .snapshots(left)
            .filter_map(|name| Some((name.namespace.clone(), name.snapshotter.clone(), name.key.clone()?)));
        Evictions::new(self.blobs().map(ToString::to_string), keys)
    }

    fn evict_snapshots_of(
        &self,
        held: &mut Held<'_>,
        left: &mut BTreeMap<ActionKind, String>,
    ) -> Result<(), LiveError> {
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
                    let held: BTreeSet<&String> = done.left.values().flat_map(|by| &by.containers).collect();
                    let keys: Vec<&String> = done.left.keys().collect();
                    left.insert(kind.clone(), format!("in use: {keys:?}, by containers {held:?}"));
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
}

impl Rows for LiveRows<'_> {
    fn evict_blob(&mut self, run: &mut Run<'_>, digest: &Digest) -> Result<(), ApplyError> {
        let kind = self
            .kinds()
            .find(|kind| matches!(kind, ActionKind::EvictBlob { digest: of, .. } if of == digest));
        kind.map_or(Ok(()), |kind| self.outcome(run, kind))
    }

    fn evict_snapshots(
        &mut self,
        run: &mut Run<'_>,
        snapshots: &[SnapshotName],
        blobs: &[Digest],
    ) -> Result<(), ApplyError> {
        let (snapshots, blobs) = (snapshots.to_vec(), blobs.to_vec());
        self.outcome(run, &ActionKind::EvictSnapshots { snapshots, blobs })
    }

    fn forget_image(&mut self, run: &mut Run<'_>, namespace: &str, name: &str) -> Result<(), ApplyError> {
        let (namespace, name) = (namespace.into(), name.into());
        self.outcome(run, &ActionKind::ForgetImage { namespace, name })
    }

    /// Documents that were put back in their places: CRI looks at an image again when its record is written.
    fn finish(&mut self, run: &mut Run<'_>) -> Result<(), ApplyError> {
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
}
