//! What a layer says of its folders, from its entries alone: for the layers above it.

use std::thread;

use super::compare::MODEL_BYTES_MAX;
use super::extract::LayerDigests;
use super::pipe::{Purpose, Stop, TarStream};
use super::request::{CompareOptions, LayerBlob};
use crate::Interrupt;
use crate::layer::Flavour;
use crate::layer::decompress::Compression;
use crate::layer::tar::{Header, Reader};
use crate::layer::tree::{Folders, Tree};

/// Reads a layer, and hashes all of it; `None` if it is none that containerd would apply. What it says is worth something only if
/// the digests are the right ones.
pub(crate) fn read_folders_hashed(
    layer: &LayerBlob<'_>,
    flavour: Flavour,
    options: &CompareOptions,
    interrupt: &Interrupt,
) -> Option<(Folders, LayerDigests)> {
    let compression = Compression::of(layer.media_type)?;
    let rules = flavour.rules(options.user_namespace);
    let mut model = Tree::new(rules, options.max_names, MODEL_BYTES_MAX);
    let tar_limit = options.tar_limit(layer.blob.len().unwrap_or(0));
    let digests = thread::scope(|scope| {
        let plan = (Purpose::Hash, tar_limit);
        let stream = TarStream::start(scope, layer, compression, plan, interrupt, &|_| {});
        let mut tar = Reader::new(stream);
        let is_applied = apply_all(&mut tar, &mut model).is_some();
        let mut stream = tar.into_inner();
        let stop = stream.take_stop();
        if stop.is_some() || !is_applied {
            stream.abandon();
            return None;
        }
        let (digests, later): (_, Option<Stop>) = stream.finish();
        later.is_none().then_some(LayerDigests { blob: digests.blob, diff_id: digests.diff_id })
    });
    Some((Folders::of(&model), digests?))
}

fn apply_all(tar: &mut Reader<TarStream<'_>>, model: &mut Tree) -> Option<()> {
    let mut header = Header::default();
    while tar.next(&mut header).ok()? {
        model.apply(&header).ok()?;
    }
    model.finish_layer().ok()
}

/// Reads a layer whose bytes are known to be right; `None` if it is none that containerd would apply.
#[must_use]
pub fn read_folders(layer: &LayerBlob<'_>, flavour: Flavour, interrupt: &Interrupt) -> Option<Folders> {
    read_folders_hashed(layer, flavour, &CompareOptions::default(), interrupt).map(|(folders, _)| folders)
}
