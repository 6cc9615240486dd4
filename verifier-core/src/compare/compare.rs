//! Layers and a tree, from the request to the report.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use super::content::Contents;
use super::difference::Differences;
use super::extract::LayerDigests;
use super::lowers::Inheritance;
use super::pipe::{Digests, Purpose, Stop, TarStream};
use super::report::{BareParents, LayerError, TreeReport};
use super::request::{LayerBlob, LayerComparison};
use super::walk::Walk;
use crate::Interrupt;
use crate::finding::{NotCompared, StoppedEarly};
use crate::layer::Flavour;
use crate::layer::LayerFault;
use crate::layer::decompress::Compression;
use crate::layer::tar::{EntryKind, Header, Reader, TarError};
use crate::layer::tree::{ApplyError, InodeId, NodeId, Tree};

/// Bytes of names, link targets and attributes that the model may have.
pub(super) const MODEL_BYTES_MAX: usize = 1 << 28;

/// Compares a tree with what its layers make. `progress` is told how many more bytes of blob were read.
///
/// Neither a difference nor a blob that hashes to another name is an error: both are in the report. Entries are
/// compared only if the blob could be read as a layer to its end.
///
/// # Errors
/// [`LayerError`]: a blob that cannot be read, or is no layer that containerd would apply, or the interrupt.
pub fn compare_layer(
    request: &LayerComparison<'_>,
    interrupt: &Interrupt,
    progress: &dyn Fn(u64),
) -> Result<TreeReport, LayerError> {
    Ok(compare_modelled(request, interrupt, progress)?.report)
}

/// What a comparison came to, with all that it knows of the tree that should be there.
pub(crate) struct Modelled {
    pub(crate) report: TreeReport,
    /// What the layers make. Whole only if the comparison did not stop early.
    pub(crate) model: Tree,
    /// The digests of each layer that was read to its end, the base's first.
    pub(crate) digests: Vec<LayerDigests>,
    /// What folders of the model have from the layers below.
    pub(crate) inheritance: Inheritance,
    has_whiteouts: bool,
}

/// As [`compare_layer`], and keeps the model.
pub(crate) fn compare_modelled(
    request: &LayerComparison<'_>,
    interrupt: &Interrupt,
    progress: &dyn Fn(u64),
) -> Result<Modelled, LayerError> {
    let compared = compare_as(request, request.flavour, interrupt, progress)?;
    // containerds that unpack layers side by side apply even a first layer through an overlay.
    let other_way =
        request.flavour == Flavour::OverlayFirst && compared.has_whiteouts && !compared.report.is_same();
    if other_way {
        match compare_as(request, Flavour::OverlayUpper, interrupt, progress) {
            Ok(other)
                if other.report.stopped_early.is_none() && other.report.paths < compared.report.paths =>
            {
                return Ok(other);
            }
            Err(LayerError::Interrupted) => return Err(LayerError::Interrupted),
            // It is no better that way, or cannot have been made that way.
            _ => {}
        }
    }
    Ok(compared)
}

fn compare_as(
    request: &LayerComparison<'_>,
    flavour: Flavour,
    interrupt: &Interrupt,
    progress: &dyn Fn(u64),
) -> Result<Modelled, LayerError> {
    let rules = flavour.rules(request.options.user_namespace);
    let mut run = Run {
        request,
        model: Tree::new(rules, request.options.max_names, MODEL_BYTES_MAX),
        dev: request.tree.stat("").map_or(0, |stat| stat.dev),
        entries: 0,
        has_whiteouts: false,
        has_devices: false,
        interrupt,
        progress,
    };
    let last = request.layers.len().saturating_sub(1);
    let mut read = Vec::with_capacity(request.layers.len());
    let mut report = None;
    for (at, layer) in request.layers.iter().enumerate() {
        run.entries = 0;
        let digests = match run.layer(at, layer)? {
            Ok(digests) => digests,
            Err((why, mut digests)) => {
                if at != last {
                    // The report's are the last layer's.
                    (digests.blob, digests.diff_id) = (None, None);
                }
                let none = (Differences::new(0), BareParents::default());
                let report = run.report(digests, none, BTreeSet::new(), Some(why));
                return Ok(run.finish(report, read, Inheritance::default()));
            }
        };
        read.push(LayerDigests { blob: digests.blob.clone(), diff_id: digests.diff_id.clone() });
        if at == last {
            report = Some(digests);
        } else {
            run.model.next_layer(flavour == Flavour::Copy);
        }
    }
    let Some(digests) = report else { return Err(LayerError::Interrupted) };
    run.reread_moved()?;
    // Applied to a copy of all of them, a layer looks nothing up in those below.
    let inheritance =
        if flavour.is_whole() { Inheritance::default() } else { Inheritance::of(&run.model, request.lowers) };
    let mut walk = Walk::new(request, (&mut run.model, &inheritance), run.dev, interrupt);
    walk.run()?;
    let found = (walk.differences, walk.bare.finish().into());
    let not_compared = walk.not_compared;
    let report = run.report(digests, found, not_compared, None);
    Ok(run.finish(report, read, inheritance))
}

struct Run<'a> {
    request: &'a LayerComparison<'a>,
    model: Tree,
    dev: u64,
    entries: u64,
    has_whiteouts: bool,
    has_devices: bool,
    interrupt: &'a Interrupt,
    progress: &'a dyn Fn(u64),
}

/// Why the entries stopped before the archive's end.
enum Broken {
    Tar(TarError),
    Apply(u64, ApplyError),
}

type LayerOutcome = Result<Digests, (StoppedEarly, Digests)>;

impl Run<'_> {
    /// Takes one layer into the model.
    fn layer(&mut self, at: usize, layer: &LayerBlob<'_>) -> Result<LayerOutcome, LayerError> {
        let Some(compression) = Compression::of(layer.media_type) else {
            return Ok(Err((StoppedEarly::MediaType, self.read_only(layer))));
        };
        let fault = |fault, digests: Digests| LayerError::Fault {
            layer: at,
            fault,
            blob_digest: digests.blob,
            blob_bytes: digests.blob_bytes,
        };
        let tar_limit = self.request.options.tar_limit(layer.blob.len().unwrap_or(0));
        let (digests, stop, broken) = thread::scope(|scope| {
            let plan = (Purpose::Hash, tar_limit);
            let stream = TarStream::start(scope, layer, compression, plan, self.interrupt, self.progress);
            let mut tar = Reader::new(stream);
            let mut contents = Contents::new(scope, self.request, self.dev, self.interrupt);
            let broken = self.entries(&mut tar, &mut contents).err();
            let mut stream = tar.into_inner();
            let stop = stream.take_stop();
            let go_on = matches!(stop, None | Some(Stop::Fault(_)));
            let (digests, later) = if go_on { stream.finish() } else { stream.abandon() };
            (digests, stop.or(later), broken)
        });
        let too_large = StoppedEarly::TarTooLarge { limit_bytes: tar_limit };
        match (stop, broken) {
            (Some(Stop::Interrupted), _) => Err(LayerError::Interrupted),
            (Some(Stop::Read(source)), _) => Err(LayerError::Read { layer: at, source }),
            (Some(Stop::Fault(why)), _) => Err(fault(why, digests)),
            (_, Some(Broken::Tar(TarError::Fault { offset, why }))) => {
                Err(fault(LayerFault::Tar { offset, why }, digests))
            }
            (_, Some(Broken::Apply(offset, ApplyError::Refused(refusal)))) => {
                Ok(Err((StoppedEarly::Refused { offset, refusal }, digests)))
            }
            (_, Some(Broken::Apply(_, ApplyError::Full))) => Ok(Err((StoppedEarly::TooManyNames, digests))),
            (Some(Stop::TooLarge), _) => Ok(Err((too_large, digests))),
            (None, Some(Broken::Tar(TarError::Io(source)))) => Err(LayerError::Read { layer: at, source }),
            (None, None) => Ok(Ok(digests)),
        }
    }

    /// Applies all entries, and compares the files among them.
    fn entries(
        &mut self,
        tar: &mut Reader<TarStream<'_>>,
        contents: &mut Contents<'_, '_>,
    ) -> Result<(), Broken> {
        let mut header = Header::default();
        while tar.next(&mut header).map_err(Broken::Tar)? {
            self.entries += 1;
            self.has_whiteouts |= header.name.windows(4).any(|part| part == b".wh.");
            self.has_devices |= matches!(header.kind, EntryKind::CharDevice | EntryKind::BlockDevice);
            let applied = self.model.apply(&header).map_err(|why| Broken::Apply(header.offset, why))?;
            if let Some(file) = applied {
                contents.compare(&mut self.model, file, tar).map_err(Broken::Tar)?;
            }
        }
        contents.finish(&mut self.model);
        self.model.finish_layer().map_err(|why| Broken::Apply(header.offset, ApplyError::Refused(why)))
    }

    /// Compares files whose bytes went by under a name that is no longer theirs.
    fn reread_moved(&mut self) -> Result<(), LayerError> {
        let moved = self.model.moved_files();
        for (at, layer) in self.request.layers.iter().enumerate() {
            let of_layer = moved.iter().filter(|((layer, _), _)| usize::from(*layer) == at);
            let entries: BTreeMap<u32, _> = of_layer.map(|((_, entry), place)| (*entry, *place)).collect();
            if !entries.is_empty() {
                self.reread(at, layer, &entries)?;
            }
        }
        Ok(())
    }

    fn reread(
        &mut self,
        at: usize,
        layer: &LayerBlob<'_>,
        moved: &BTreeMap<u32, (InodeId, NodeId)>,
    ) -> Result<(), LayerError> {
        let Some(compression) = Compression::of(layer.media_type) else { return Ok(()) };
        let stop = thread::scope(|scope| {
            let plan = (Purpose::Reread, u64::MAX);
            let stream = TarStream::start(scope, layer, compression, plan, self.interrupt, &|_| {});
            let mut tar = Reader::new(stream);
            let mut header = Header::default();
            let mut contents = Contents::new(scope, self.request, self.dev, self.interrupt);
            let mut left = moved.len();
            let mut entry = 0;
            while left > 0 && matches!(tar.next(&mut header), Ok(true)) {
                if let Some((inode, node)) = moved.get(&entry) {
                    left -= 1;
                    if contents.compare(&mut self.model, (*node, *inode), &mut tar).is_err() {
                        break;
                    }
                }
                entry += 1;
            }
            contents.finish(&mut self.model);
            tar.into_inner().take_stop()
        });
        match stop {
            Some(Stop::Interrupted) => Err(LayerError::Interrupted),
            Some(Stop::Read(source)) => Err(LayerError::Read { layer: at, source }),
            // It was read to its end a moment ago: what is wrong now was not then.
            Some(Stop::Fault(_) | Stop::TooLarge) | None => Ok(()),
        }
    }

    /// The digest of a blob that cannot be decompressed.
    fn read_only(&self, layer: &LayerBlob<'_>) -> Digests {
        thread::scope(|scope| {
            let plan = (Purpose::Hash, u64::MAX);
            let stream =
                TarStream::start(scope, layer, Compression::None, plan, self.interrupt, self.progress);
            stream.finish().0
        })
    }

    fn finish(self, report: TreeReport, digests: Vec<LayerDigests>, inheritance: Inheritance) -> Modelled {
        let has_whiteouts = self.has_whiteouts;
        Modelled { report, model: self.model, digests, inheritance, has_whiteouts }
    }

    fn report(
        &self,
        digests: Digests,
        (differences, bare): (Differences, BareParents),
        mut not_compared: BTreeSet<NotCompared>,
        stopped_early: Option<StoppedEarly>,
    ) -> TreeReport {
        if !self.request.options.compare_owners {
            not_compared.insert(NotCompared::Owners);
        }
        let user_namespace = self.request.options.user_namespace;
        if self.has_devices && (user_namespace || self.request.flavour == Flavour::OverlayUserNamespace) {
            not_compared.insert(NotCompared::Devices);
        }
        let summary = differences.finish();
        TreeReport {
            blob_digest: digests.blob,
            blob_bytes: digests.blob_bytes,
            diff_id: digests.diff_id,
            tar_bytes: digests.tar_bytes,
            surplus_bytes: digests.surplus_bytes,
            entries: self.entries,
            differences: summary.differences,
            left_out: summary.left_out,
            counts: summary.counts,
            paths: summary.paths,
            write_bytes: summary.write_bytes,
            bare,
            unread: summary.unread,
            unread_paths: summary.unread_paths,
            stopped_early,
            not_compared,
        }
    }
}
