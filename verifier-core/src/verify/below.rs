//! What the layers below a snapshot make of its folders: told by their blobs, and each read once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Interrupt;
use crate::compare::{CompareOptions, LayerBlob, LowerLayers, Modelled, read_folders_hashed};
use crate::content::BlobFile;
use crate::digest::Digest;
use crate::io::Folder;
use crate::layer::Flavour;
use crate::layer::tree::Folders;
use crate::plan::{LayerSource, Lowers};
use crate::texts::Text;

/// Bytes of memory for what is kept of layers: half a million names. Layers beyond are read again for each stack that asks.
const KEPT_MAX: usize = 8 << 20;

/// A layer, as it is applied: what that comes to depends on whether others are below it.
type Key = (Digest, Text, Flavour);

/// What is known of a layer.
#[derive(Debug, Default)]
enum Cell {
    #[default]
    Unread,
    Kept(Arc<Folders>),
    /// It cannot be had, or its bytes are not the right ones.
    Bad,
}

/// What layers make of their folders, for those above them.
#[derive(Debug, Default)]
pub(crate) struct FolderCache {
    cells: Mutex<BTreeMap<Key, Arc<Mutex<Cell>>>>,
    kept_bytes: AtomicUsize,
}

impl FolderCache {
    fn cell(&self, key: Key) -> Arc<Mutex<Cell>> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cells.entry(key).or_default())
    }

    fn has_room(&self, folders: &Folders) -> bool {
        let before = self.kept_bytes.fetch_add(folders.size_bytes(), Ordering::Relaxed);
        let fits = before.saturating_add(folders.size_bytes()) <= KEPT_MAX;
        if !fits {
            self.kept_bytes.fetch_sub(folders.size_bytes(), Ordering::Relaxed);
        }
        fits
    }

    /// Keeps what a comparison has just read of the layer `source`, if that is what it should be.
    pub(crate) fn keep(&self, source: &LayerSource, flavour: Flavour, compared: &Modelled) {
        let report = &compared.report;
        let is_right = report.stopped_early.is_none()
            && report.blob_digest.as_ref() == Some(&source.digest)
            && report.diff_id.as_ref() == Some(&source.diff_id);
        if !is_right {
            return;
        }
        let cell = self.cell(key(source, flavour));
        // Whoever has it is reading the layer.
        let Ok(mut cell) = cell.try_lock() else { return };
        if matches!(*cell, Cell::Unread) {
            let folders = Folders::of(&compared.model);
            if self.has_room(&folders) {
                *cell = Cell::Kept(Arc::new(folders));
            }
        }
    }
}

fn key(source: &LayerSource, flavour: Flavour) -> Key {
    (source.digest.clone(), source.media_type.clone(), flavour)
}

/// The layers below a snapshot, in a root.
pub(crate) struct LayersBelow<'a> {
    pub(crate) root: &'a Folder,
    /// `None`: one of the snapshots below has no record.
    pub(crate) lowers: Option<&'a Lowers>,
    pub(crate) cache: &'a FolderCache,
    pub(crate) options: &'a CompareOptions,
    pub(crate) interrupt: &'a Interrupt,
}

impl LowerLayers for LayersBelow<'_> {
    fn nearest_first(&self) -> Box<dyn Iterator<Item = Option<Arc<Folders>>> + '_> {
        match self.lowers {
            None => Box::new(std::iter::once(None)),
            Some(lowers) => Box::new(lowers.layers().map(|(source, is_first)| {
                let flavour = if is_first { Flavour::OverlayFirst } else { Flavour::OverlayUpper };
                self.folders(source?, flavour)
            })),
        }
    }
}

impl LayersBelow<'_> {
    fn folders(&self, source: &LayerSource, flavour: Flavour) -> Option<Arc<Folders>> {
        let cell = self.cache.cell(key(source, flavour));
        let mut cell = cell.lock().unwrap_or_else(PoisonError::into_inner);
        match &*cell {
            Cell::Kept(folders) => return Some(Arc::clone(folders)),
            Cell::Bad => return None,
            Cell::Unread => {}
        }
        let Some(folders) = self.read(source, flavour) else {
            if !self.interrupt.is_raised() {
                *cell = Cell::Bad;
            }
            return None;
        };
        let folders = Arc::new(folders);
        if self.cache.has_room(&folders) {
            *cell = Cell::Kept(Arc::clone(&folders));
        }
        Some(folders)
    }

    fn read(&self, source: &LayerSource, flavour: Flavour) -> Option<Folders> {
        let file = self.root.file(BlobFile::path(&source.digest)).ok()?;
        file.advise_sequential();
        let algorithm = source.digest.algorithm().clone();
        let blob = LayerBlob { blob: &file, media_type: &source.media_type, algorithm };
        let (folders, digests) = read_folders_hashed(&blob, flavour, self.options, self.interrupt)?;
        let is_right = digests.blob.as_ref() == Some(&source.digest)
            && digests.diff_id.as_ref() == Some(&source.diff_id);
        is_right.then_some(folders)
    }
}
