//! Unpacked snapshots: is the folder there, does it occupy what was recorded, is it what the layer makes?

use std::collections::BTreeMap;
use std::io;

use super::below::{FolderCache, LayersBelow};
use super::candidate::{Examination, Witness, reason_for};
use super::references::References;
use super::rehash::{Rehash, Rehashed};
use super::work;
use crate::Interrupt;
use crate::compare::{
    CompareOptions, LayerBlob, LayerComparison, LayerError, StoppedEarly, TreeReport, compare_modelled,
};
use crate::content::BlobFile;
use crate::digest::{ChainId, Digest};
use crate::event::{Event, Observer};
use crate::finding::{
    BlastRadius, BlobUnreadable, FindingKind, LayerDiffIdMismatch, LayerInvalid, PathUnreadable,
    SnapshotFolderMissing, SnapshotParentsBare, SnapshotUsageDiffers, Subject, TreeDamage,
};
use crate::finding::{Depth, Reason};
use crate::io::{Folder, errno, is_media_error};
use crate::layer::Flavour;
use crate::layout;
use crate::metadata::Kind;
use crate::plan::{Answers, LayerSource, Lowers, Plan, SnapshotTask};
use crate::scan::Inventory;
use crate::snapshot::{Driver, EROFS, TreeUsage};

/// What came of looking at one snapshot.
pub(super) enum Looked {
    /// The run was stopped before.
    NotYet,
    /// There is no such folder, or something else has its name.
    NoFolder,
    /// It could not be looked at.
    Unreadable(io::Error),
    /// What it occupies, and, where there was a layer to compare it with, what came of that.
    Seen {
        /// `None` where there was no need to ask: the tree was compared, or a container may write to it.
        usage: Option<io::Result<TreeUsage>>,
        compared: Option<Box<Result<TreeReport, LayerError>>>,
    },
}

/// Who looks, at what, and how.
pub(super) struct Eye<'a> {
    pub(super) root: &'a Folder,
    pub(super) threads: usize,
    /// Differences to list for each snapshot.
    pub(super) max_differences: usize,
    /// The store belongs to another user than root: containerd runs in a user namespace.
    pub(super) rootless: bool,
    /// What layers make of their folders, for those above them.
    pub(super) folders: &'a FolderCache,
    pub(super) observer: &'a dyn Observer,
    pub(super) interrupt: &'a Interrupt,
}

/// Differences to list for each of `snapshots` snapshots: all of an ordinary image's, and not so many that a node whose
/// snapshots are all empty fills the memory. A function of the plan alone, so that the report is the same at any number
/// of threads.
pub(super) fn max_differences(snapshots: usize) -> usize {
    (200_000 / snapshots.max(1)).clamp(100, 10_000)
}

impl Eye<'_> {
    /// Looks at each of the plan's snapshots.
    pub(super) fn look_at(&self, plan: &Plan) -> Vec<Looked> {
        work::run(&plan.snapshots, self.threads, |task| {
            if self.interrupt.is_raised() { Looked::NotYet } else { self.look(task) }
        })
    }

    fn look(&self, task: &SnapshotTask) -> Looked {
        let tree = match self.root.folder(&task.tree) {
            Ok(tree) => tree,
            // containerd follows the link on the way, and finds it.
            Err(error) if is_absent(&error) && self.root.leads_to_folder(&task.tree) => {
                return Looked::Unreadable(error);
            }
            // Something else there, or on the way: a file, a link to nowhere.
            Err(error) if is_absent(&error) => return Looked::NoFolder,
            Err(error) => return Looked::Unreadable(error),
        };
        if task.kind != Kind::Committed {
            // It belongs to a container, which may write to it as it likes.
            return Looked::Seen { usage: None, compared: None };
        }
        let compare = task.layers_read().is_some();
        let compared = compare.then(|| Box::new(self.compare(task, &tree)));
        let settled = compared.as_ref().is_some_and(|compared| is_conclusive(task, compared));
        let usage = (!settled).then(|| self.usage(task, &tree));
        Looked::Seen { usage, compared }
    }

    fn usage(&self, task: &SnapshotTask, tree: &Folder) -> io::Result<TreeUsage> {
        let nearest = task.lowers.as_ref().and_then(|lowers| lowers.paths().next());
        let nearest =
            nearest.filter(|_| Driver::of(&task.snapshotter).is_some_and(Driver::records_difference));
        let below = nearest.map(|path| self.root.folder(path)).transpose()?;
        crate::snapshot::usage(tree, below.as_ref(), task.committed)
    }

    fn compare(&self, task: &SnapshotTask, tree: &Folder) -> Result<TreeReport, LayerError> {
        let read = |layer, source| LayerError::Read { layer, source };
        let mut files = Vec::with_capacity(task.layers.len());
        for (index, layer) in task.layers.base_first().into_iter().enumerate() {
            let file = self.root.file(BlobFile::path(&layer.digest)).map_err(|error| read(index, error))?;
            file.advise_sequential();
            files.push((file, layer));
        }
        let layers: Vec<LayerBlob<'_>> = files
            .iter()
            .map(|(file, layer)| LayerBlob {
                blob: file,
                media_type: &layer.media_type,
                algorithm: layer.digest.algorithm().clone(),
            })
            .collect();
        let mut options = CompareOptions::default().max_differences(self.max_differences);
        if self.rootless {
            options = options.user_namespace();
        }
        if task.remapped {
            options = options.ignore_owners();
        }
        let flavour = match task.flavour {
            Flavour::OverlayUpper if self.rootless => Flavour::OverlayUserNamespace,
            other => other,
        };
        let lowers = LayersBelow {
            root: self.root,
            lowers: task.lowers.as_ref(),
            cache: self.folders,
            options: &options.clone(),
            interrupt: self.interrupt,
        };
        let request = LayerComparison { layers: &layers, tree, flavour, lowers: &lowers, options };
        let progress = |bytes| self.observer.event(Event::Read { bytes });
        let compared = compare_modelled(&request, self.interrupt, &progress)?;
        let carries = task.lowers.as_ref().is_some_and(Lowers::carries) && !task.flavour.is_whole();
        if let Some(source) = task.layers.top().filter(|_| carries) {
            self.folders.keep(source, task.flavour, &compared);
        }
        Ok(compared.report)
    }
}

/// Whether the comparison says all there is to say: the right layer was read to its end.
fn is_conclusive(task: &SnapshotTask, compared: &Result<TreeReport, LayerError>) -> bool {
    let (Ok(report), Some(top)) = (compared, task.layers.top()) else { return false };
    report.stopped_early.is_none()
        && report.unread.is_none()
        && report.blob_digest.as_ref() == Some(&top.digest)
        && report.diff_id.as_ref() == Some(&top.diff_id)
}

fn is_absent(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::NOENT, Errno::NOTDIR, Errno::LOOP].iter().any(|absent| absent.raw_os_error() == errno(error))
}

/// The digests of the blobs that were read to be compared: they need not be rehashed.
pub(super) fn digests<'a>(plan: &'a Plan, looked: &[Looked]) -> Rehashed<'a> {
    let mut digests = Rehashed::new();
    for (task, looked) in plan.snapshots.iter().zip(looked) {
        let Looked::Seen { compared: Some(compared), .. } = looked else { continue };
        let (at, blob_digest, blob_bytes) = match compared.as_ref() {
            Ok(report) => {
                (task.layers.len().saturating_sub(1), report.blob_digest.as_ref(), report.blob_bytes)
            }
            Err(LayerError::Fault { layer, blob_digest, blob_bytes, .. }) => {
                (*layer, blob_digest.as_ref(), *blob_bytes)
            }
            Err(_) => continue,
        };
        if let (Some(layer), Some(actual)) = (task.layers.get(at), blob_digest) {
            digests.insert(&layer.digest, Rehash::new(&layer.digest, actual.clone(), blob_bytes));
        }
    }
    digests
}

/// Names the snapshotters whose snapshots cannot be read here: that they were not verified must not go unsaid.
pub(super) fn examine_unknown(inventory: &Inventory, plan: &Plan, into: &mut Examination) {
    let mut unread: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (namespace, records) in &inventory.metadata().namespaces {
        for (snapshotter, snapshots) in &records.snapshots {
            if Driver::of(snapshotter).is_some() {
                continue;
            }
            for key in snapshots.keys() {
                let chain_id = key.parse().ok().map(ChainId);
                if plan.scope.has_snapshot(namespace, chain_id.as_ref()) {
                    let (all, of_images) = unread.entry(snapshotter).or_default();
                    *all += 1;
                    *of_images += u64::from(chain_id.is_some());
                }
            }
        }
    }
    for (snapshotter, (snapshots, of_images)) in unread {
        // Of an erofs layer is looked at what of the others is at these depths: that it is there, and whole.
        if snapshotter == EROFS && plan.depth < Depth::Full {
            into.coverage.snapshots.checked += of_images;
            continue;
        }
        into.coverage.snapshots.skipped += snapshots;
        let subject = Subject::Path { path: layout::snapshotter(snapshotter) };
        let (snapshotter, accepted) = (snapshotter.to_owned(), plan.accept_unread);
        into.leave_out(subject, Reason::UnknownSnapshotter { snapshotter, snapshots, of_images, accepted });
    }
}

/// Judges what was seen of each snapshot.
pub(super) fn examine(
    plan: &Plan,
    looked: &[Looked],
    references: &References<'_>,
    rehashed: &Rehashed<'_>,
    into: &mut Examination,
) {
    let mut damaged = Answers::default();
    for (task, looked) in plan.snapshots.iter().zip(looked) {
        let mut judge = Judge { task, references, rehashed, damaged: &mut damaged, into };
        judge.examine(looked);
    }
}

struct Judge<'a> {
    task: &'a SnapshotTask,
    references: &'a References<'a>,
    rehashed: &'a Rehashed<'a>,
    /// The layers that are, or have one below that is.
    damaged: &'a mut Answers,
    into: &'a mut Examination,
}

impl Judge<'_> {
    fn examine(&mut self, looked: &Looked) {
        match looked {
            Looked::NotYet => self.skip(Reason::Interrupted),
            Looked::NoFolder => {
                let (chain_id, healable) = (self.task.chain_id.clone(), self.is_healable());
                self.find(SnapshotFolderMissing { chain_id, healable });
            }
            Looked::Unreadable(error) => self.unreadable(error),
            Looked::Seen { .. } if self.task.kind != Kind::Committed => {}
            Looked::Seen { usage, compared: None } => {
                if let Some(reason) = self.task.reason.clone().filter(|_| self.task.depth == Depth::Full) {
                    self.leave_out(reason);
                }
                self.examine_usage(usage);
            }
            Looked::Seen { usage, compared: Some(compared) } => self.examine_comparison(compared, usage),
        }
    }

    fn examine_comparison(
        &mut self,
        compared: &Result<TreeReport, LayerError>,
        usage: &Option<io::Result<TreeUsage>>,
    ) {
        match compared {
            Err(LayerError::Interrupted) => self.skip(Reason::Interrupted),
            Err(LayerError::Read { layer, source }) if is_media_error(errno(source)) => {
                // It stands even if the blob can be read when it is rehashed: this time it could not.
                if let Some(layer) = self.task.layers.get(*layer) {
                    let role = self.references.role(&layer.digest);
                    self.find_layer(&layer.digest, BlobUnreadable { role, errno: errno(source) });
                }
                self.leave_out(Reason::LayerDamaged);
                self.examine_usage(usage);
            }
            Err(LayerError::Read { source, .. }) => {
                self.leave_out(reason_for(source));
                self.examine_usage(usage);
            }
            Err(LayerError::Fault { layer, fault, blob_digest, .. }) => {
                let source = self.task.layers.get(*layer);
                if let Some(source) = source.filter(|source| blob_digest.as_ref() == Some(&source.digest)) {
                    self.find_layer(&source.digest, LayerInvalid { error: fault.clone() });
                }
                self.leave_out(Reason::LayerDamaged);
                self.examine_usage(usage);
            }
            Ok(report) => self.examine_report(report, usage),
        }
    }

    fn examine_report(&mut self, report: &TreeReport, usage: &Option<io::Result<TreeUsage>>) {
        let Some(top) = self.task.layers.top() else { return };
        if report.blob_digest.as_ref().is_some_and(|actual| *actual != top.digest) || !self.is_healable() {
            self.leave_out(Reason::LayerDamaged);
            return self.examine_usage(usage);
        }
        if let Some(why) = report.stopped_early {
            self.leave_out(match why {
                StoppedEarly::Refused { .. } | StoppedEarly::MediaType => {
                    Reason::NotComparable { what: why.into() }
                }
                StoppedEarly::TarTooLarge { .. } | StoppedEarly::TooManyNames => Reason::StoppedEarly { why },
            });
            return self.examine_usage(usage);
        }
        if let Some(actual) = report.diff_id.as_ref().filter(|actual| **actual != top.diff_id) {
            let (expected, actual) = (top.diff_id.clone(), actual.clone());
            self.find_layer(&top.digest, LayerDiffIdMismatch { expected, actual });
            self.leave_out(Reason::LayerDamaged);
            return self.examine_usage(usage);
        }
        self.into.coverage.snapshots.checked += 1;
        self.leave_out_unread(report);
        self.into.coverage.snapshots.bytes += report.tar_bytes;
        self.examine_labels(top, report);
        for what in &report.not_compared {
            self.leave_out(Reason::NotComparable { what: (*what).into() });
        }
        if let (Some(Ok(actual)), Some(recorded)) = (usage, self.task.usage)
            && report.is_same()
            && !actual.fits(recorded)
        {
            // What could not be compared shows in what the tree occupies.
            self.find(SnapshotUsageDiffers { recorded, actual: actual.usage });
        }
        let Some(chain_id) = self.task.chain_id.clone() else { return };
        if !report.is_same() {
            self.find(Box::new(TreeDamage {
                chain_id: chain_id.clone(),
                layer: top.digest.clone(),
                healable: true,
                paths: report.paths,
                counts: report.counts.clone(),
                differences: report.differences.clone(),
                left_out: report.left_out,
                write_bytes: report.write_bytes,
            }));
        }
        let bare = &report.bare;
        if bare.paths > 0 {
            self.find(Box::new(SnapshotParentsBare(TreeDamage {
                chain_id,
                layer: top.digest.clone(),
                healable: true,
                paths: bare.paths,
                counts: bare.counts.clone(),
                differences: bare.differences.clone(),
                left_out: bare.left_out,
                write_bytes: 0,
            })));
        }
    }

    /// Names the paths that could not be compared; all else was.
    fn leave_out_unread(&mut self, report: &TreeReport) {
        for (path, errno) in &report.unread_paths {
            let subject = Subject::Path { path: self.task.tree.join(path) };
            self.into.leave_out(subject, reason_for(&io::Error::from_raw_os_error(*errno)));
        }
    }

    /// The label that tells a layer's DiffID must tell the one that its bytes have.
    fn examine_labels(&mut self, layer: &LayerSource, report: &TreeReport) {
        let Some(actual) = &report.diff_id else { return };
        for label in self.references.diff_id_labels(&layer.digest) {
            if label != *actual {
                let kind = LayerDiffIdMismatch { expected: label, actual: actual.clone() };
                self.find_layer(&layer.digest, kind);
            }
        }
    }

    /// The record of what the tree occupied: all there is to go by where no layer can be had.
    fn examine_usage(&mut self, usage: &Option<io::Result<TreeUsage>>) {
        match usage {
            // A lower layer of the same tree is damaged: the tree itself was compared, to no avail.
            None => self.into.coverage.snapshots.skipped += 1,
            Some(Ok(actual)) => {
                self.into.coverage.snapshots.checked += 1;
                if let Some(recorded) = self.task.usage.filter(|recorded| !actual.fits(*recorded)) {
                    self.find(SnapshotUsageDiffers { recorded, actual: actual.usage });
                }
            }
            Some(Err(error)) => self.unreadable(error),
        }
    }

    fn unreadable(&mut self, error: &io::Error) {
        if is_media_error(errno(error)) {
            let subject = Subject::Path { path: self.task.tree.clone() };
            let kind = PathUnreadable { errno: errno(error) };
            self.into.find_with(self.witness(), kind, subject, self.blast());
        } else {
            self.skip(reason_for(error));
        }
    }

    /// Whether all the layers that made it are here, and none is known to be damaged.
    fn is_healable(&mut self) -> bool {
        let rehashed = self.rehashed;
        let is_damaged = |layer: &LayerSource| match rehashed.get(&layer.digest) {
            Some(Rehash::Wrong { .. } | Rehash::Failed(_)) => true,
            Some(Rehash::Right { .. } | Rehash::Stopped) | None => false,
        };
        let layers = &self.task.layers;
        !layers.is_empty() && !layers.any(self.damaged, is_damaged)
    }

    fn blast(&self) -> BlastRadius {
        let task = self.task;
        let chain_id = task.chain_id.as_ref().map(|chain_id| &chain_id.0);
        self.references.of_snapshot(&task.namespace, &task.snapshotter, &task.backend_key, chain_id)
    }

    fn witness(&self) -> Witness {
        Witness::Records(vec![self.task.created, self.task.committed])
    }

    fn find(&mut self, kind: impl Into<FindingKind>) {
        self.into.find_with(self.witness(), kind, self.task.subject(), self.blast());
    }

    fn find_layer(&mut self, digest: &Digest, kind: impl Into<FindingKind>) {
        let subject = Subject::Blob { digest: digest.clone() };
        self.into.find_with(self.witness(), kind, subject, self.references.of_blob(digest));
    }

    fn leave_out(&mut self, reason: Reason) {
        self.into.leave_out(self.task.subject(), reason);
    }

    fn skip(&mut self, reason: Reason) {
        self.into.coverage.snapshots.skipped += 1;
        self.leave_out(reason);
    }
}
