//! What a running containerd's metadata says, changed through its own API.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use super::apply::{ApplyError, Rows};
use super::evict::{first_wrong, take};
use super::journal::Line;
use super::plan::{ActionKind, RepairPlan, SnapshotName};
use super::run::Run;
use crate::check::Checked;
use crate::content::BlobFile;
use crate::digest::Digest;
use crate::live::{Act, Evictions, Held, Live, LiveError, LiveStore, SnapshotEviction};

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
        // Nobody can adopt a wrong file that is out of the way; and it is kept.
        let blobs: Vec<(String, PathBuf)> =
            self.blobs().map(|digest| (digest.to_string(), BlobFile::path(digest))).collect();
        for (_, path) in &blobs {
            take(run, path)?;
        }
        let id = run.id().to_owned();
        let root = self.checked.report.root.clone();
        let store = LiveStore::new(self.live, &id, |act| tell(run, act));
        let snapshotters: Vec<String> = self.checked.inventory.snapshotters.keys().cloned().collect();
        let mut held = store.hold(&self.evictions(&left), &snapshotters)?;
        self.evict_snapshots_of(&mut held, &mut left)?;
        let files: Vec<_> = blobs.into_iter().map(|(digest, path)| (digest, root.join(path))).collect();
        held.evict_blobs(&files)?;
        self.remove_names(&mut held)?;
        held.release()?;
        Ok(left)
    }

    fn blobs(&self) -> impl Iterator<Item = &'a Digest> {
        self.kinds().filter_map(|kind| match kind {
            ActionKind::EvictBlob { digest, .. } => Some(digest),
            _ => None,
        })
    }

    fn evictions(&self, left: &BTreeMap<ActionKind, String>) -> Evictions {
        let names = self.kinds().filter(|kind| !left.contains_key(*kind)).filter_map(|kind| match kind {
            ActionKind::EvictSnapshots { snapshots, .. } => Some(snapshots),
            _ => None,
        });
        let keys = names
            .flatten()
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
        for kind in self.kinds() {
            if let ActionKind::ForgetImage { namespace, name } = kind {
                names.entry(namespace).or_default().push(name.clone());
            }
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
        let mut store = LiveStore::new(self.live, &id, |act| tell(run, act));
        for namespace in self.live.namespaces()? {
            let names = store.names_of(&namespace, &replaced)?;
            store.wake(&namespace, &names)?;
        }
        Ok(())
    }
}

/// Puts what is about to be asked of containerd into the run's journal.
fn tell(run: &mut Run<'_>, act: &Act) -> io::Result<()> {
    let act = serde_json::to_value(act).map_err(io::Error::other)?;
    run.log(&[Line::Live { act }])
}
