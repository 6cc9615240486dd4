//! What a comparison came to.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use serde::Serialize;

use crate::digest::{DiffId, Digest};
use crate::finding::{Difference, NotCompared, StoppedEarly};
use crate::layer::LayerFault;

/// What is in a tree that the layer does not make, and the other way round.
///
/// The differences mean something only if `blob_digest` is the blob's name: what a damaged blob says about a tree is
/// worth nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TreeReport {
    /// What the blob's bytes hash to; `None` if this library cannot compute the algorithm.
    pub blob_digest: Option<Digest>,
    /// The blob's length.
    pub blob_bytes: u64,
    /// What the tar hashes to; `None` if it was not read to its end.
    pub diff_id: Option<DiffId>,
    /// Bytes of tar that were read.
    pub tar_bytes: u64,
    /// Bytes at the blob's end that belong to no compressed stream.
    pub surplus_bytes: u64,
    /// Entries of the archive.
    pub entries: u64,
    /// The first differences by path.
    pub differences: Vec<Difference>,
    /// How many differences are not listed.
    pub left_out: u64,
    /// How many differences there are of each kind ([`crate::finding::DifferenceKind::name`]).
    pub counts: BTreeMap<&'static str, u64>,
    /// How many paths differ.
    pub paths: u64,
    /// Bytes to be written, at most, for the tree to be what the layers make.
    #[serde(skip)]
    pub write_bytes: u64,
    /// Parents that no entry of the layer makes and that have nothing from the layers below, as those have that were unpacked side
    /// by side: what they lack. They are not among `differences`.
    pub bare: BareParents,
    /// The number of the first error that kept a part of the tree from being compared, and that does not speak of the disk:
    /// a missing permission, above all.
    pub unread: Option<i32>,
    /// The first paths that were so kept from being compared, and the error of each.
    pub unread_paths: Vec<(PathBuf, i32)>,
    /// Why the tree was not compared at all, or only as far as that: `differences` is then empty.
    pub stopped_early: Option<StoppedEarly>,
    /// What could not be compared although it was wanted.
    pub not_compared: BTreeSet<NotCompared>,
}

/// Parents that have nothing from the layers below.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BareParents {
    /// How many there are.
    pub paths: u64,
    /// What the first of them lack, by path.
    pub differences: Vec<Difference>,
    /// How many differences are not listed.
    pub left_out: u64,
    /// How many there are of each kind.
    pub counts: BTreeMap<&'static str, u64>,
}

impl TreeReport {
    /// Whether the tree was compared, and is what the layer makes.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.stopped_early.is_none() && self.paths == 0
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// A blob cannot be read.
    #[error("layer {layer} cannot be read: {source}")]
    Read {
        /// Its place in the request, from 0.
        layer: usize,
        /// What the system says.
        source: io::Error,
    },
    /// A blob is no layer: it is damaged, or was when it was pushed.
    #[error("layer {layer}: {fault}")]
    Fault {
        /// Its place in the request, from 0.
        layer: usize,
        /// What is wrong with it.
        fault: LayerFault,
        /// What the blob hashes to: if that is its name, the blob is as it was pushed.
        blob_digest: Option<Digest>,
        /// The blob's length.
        blob_bytes: u64,
    },
    /// The run was asked to stop.
    #[error("interrupted")]
    Interrupted,
}
