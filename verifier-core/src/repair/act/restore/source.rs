//! The layers of a snapshot, open, and the comparison with them.

use std::io;
use std::path::Path;

use super::error::RestoreError;
use super::round::RestoreOptions;
use crate::Interrupt;
use crate::compare::{
    CompareOptions, LayerBlob, LayerComparison, LayerDigests, LayerError, Modelled, compare_modelled,
};
use crate::content::BlobFile;
use crate::event::{Event, Observer};
use crate::io::{File, Folder};
use crate::plan::{LayerSource, SnapshotTask};
use crate::verify::LayersBelow;

/// All that tells what a tree should be.
pub(super) struct Source<'a> {
    pub(super) task: &'a SnapshotTask,
    /// The layers in the order in which they are applied, and their files.
    sources: Vec<&'a LayerSource>,
    files: Vec<File>,
    root: &'a Folder,
    options: &'a RestoreOptions,
    pub(super) interrupt: &'a Interrupt,
    observer: &'a dyn Observer,
}

impl<'a> Source<'a> {
    pub(super) fn open(
        root: &'a Folder,
        task: &'a SnapshotTask,
        options: &'a RestoreOptions,
        (interrupt, observer): (&'a Interrupt, &'a dyn Observer),
    ) -> Result<Source<'a>, RestoreError> {
        let mut files = Vec::with_capacity(task.layers.len());
        let sources = task.layers.base_first();
        for (layer, source) in sources.iter().enumerate() {
            let file = root.file(BlobFile::path(&source.digest));
            files.push(file.map_err(|source| LayerError::Read { layer, source })?);
        }
        Ok(Source { task, sources, files, root, options, interrupt, observer })
    }

    /// Compares `tree`. What comes back was told by whole and right layers.
    pub(super) fn compare(&self, tree: &Folder, max_differences: usize) -> Result<Modelled, RestoreError> {
        let layers: Vec<LayerBlob<'_>> = (0..self.files.len()).filter_map(|at| self.layer(at)).collect();
        let mut options = CompareOptions::default().max_differences(max_differences).bare_parents_differ();
        if self.task.remapped {
            options = options.ignore_owners();
        }
        if let Some(bytes) = self.options.max_tar_bytes {
            options = options.max_tar_bytes(bytes);
        }
        let flavour = self.task.flavour;
        let lowers = LayersBelow {
            root: self.root,
            lowers: self.task.lowers.as_ref(),
            cache: &self.options.folders,
            options: &options.clone(),
            interrupt: self.interrupt,
        };
        let request = LayerComparison { layers: &layers, tree, flavour, lowers: &lowers, options };
        let compared = compare_modelled(&request, self.interrupt, &|bytes| self.read(bytes)).map_err(
            |error| match (&error, self.damaged(&error)) {
                (LayerError::Interrupted, _) => RestoreError::Interrupted,
                (_, Some(damaged)) => damaged,
                _ => RestoreError::Layer(error),
            },
        )?;
        for (at, digests) in compared.digests.iter().enumerate() {
            self.prove(at, digests)?;
        }
        match compared.report.stopped_early {
            Some(why) => Err(why.into()),
            None => Ok(compared),
        }
    }

    /// So many more bytes of blobs were read.
    pub(super) fn read(&self, bytes: u64) {
        self.observer.event(Event::Read { bytes });
    }

    pub(super) fn layer(&self, at: usize) -> Option<LayerBlob<'_>> {
        let (file, source) = (self.files.get(at)?, self.sources.get(at)?);
        let algorithm = source.digest.algorithm().clone();
        Some(LayerBlob { blob: file, media_type: &source.media_type, algorithm })
    }

    /// Whether the bytes of the layer `at` are those that it is known by.
    pub(super) fn prove(&self, at: usize, digests: &LayerDigests) -> Result<(), RestoreError> {
        let Some(source) = self.sources.get(at) else { return Err(RestoreError::NoLayer) };
        if digests.blob.as_ref() == Some(&source.digest) && digests.diff_id.as_ref() == Some(&source.diff_id)
        {
            Ok(())
        } else {
            Err(RestoreError::LayerDamaged { digest: source.digest.clone() })
        }
    }

    pub(super) fn damaged_layer(&self, at: usize) -> RestoreError {
        let source = self.sources.get(at);
        source.map_or(RestoreError::NoLayer, |source| RestoreError::LayerDamaged {
            digest: source.digest.clone(),
        })
    }

    fn damaged(&self, error: &LayerError) -> Option<RestoreError> {
        let LayerError::Fault { layer, blob_digest, .. } = error else { return None };
        let source = self.sources.get(*layer)?;
        let damaged = RestoreError::LayerDamaged { digest: source.digest.clone() };
        (blob_digest.as_ref() != Some(&source.digest)).then_some(damaged)
    }
}

/// `ENOENT` as `None`; a link or a file on the way too.
pub(super) fn folder_if_any(root: &Folder, path: &Path) -> io::Result<Option<Folder>> {
    use rustix::io::Errno;
    match root.folder(path) {
        Ok(folder) => Ok(Some(folder)),
        Err(error) => {
            let absent = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP].map(Errno::raw_os_error);
            if error.raw_os_error().is_some_and(|errno| absent.contains(&errno)) {
                Ok(None)
            } else {
                Err(error)
            }
        }
    }
}
