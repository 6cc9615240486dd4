//! The whole pipeline in one call.

use std::time::Instant;

use crate::event::{Interrupt, Observer};
use crate::report::{Coverage, Depth, Mode, Report};
use crate::store::Store;

/// What to check, and how.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CheckOptions {
    /// How far to go.
    pub depth: Depth,
    /// Only these namespaces; all when empty.
    pub namespaces: Vec<String>,
    /// Only images of these names (in any of the namespaces); all when empty.
    pub images: Vec<String>,
    /// Worker threads; 0 means one for each processor.
    pub threads: usize,
}

impl CheckOptions {
    /// Sets how far to go.
    #[must_use]
    pub fn depth(mut self, depth: Depth) -> Self {
        self.depth = depth;
        self
    }

    /// Restricts the check to these namespaces.
    #[must_use]
    pub fn namespaces(mut self, namespaces: Vec<String>) -> Self {
        self.namespaces = namespaces;
        self
    }

    /// Restricts the check to images of these names.
    #[must_use]
    pub fn images(mut self, images: Vec<String>) -> Self {
        self.images = images;
        self
    }

    /// Sets how many threads work; 0 means one for each processor.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }
}

/// Why nothing could be checked. Damage is no error: it is a finding.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// No namespace or image of that name is in the store.
    #[error("{what} {name:?}: not in this store")]
    NoSuch {
        /// `namespace` or `image`.
        what: &'static str,
        /// Its name.
        name: String,
    },
}

/// Checks `store`: scan, plan, verify, report.
///
/// # Errors
/// [`CheckError`]: what was asked for is not in the store.
pub fn check(
    store: &Store,
    options: &CheckOptions,
    _observer: &dyn Observer,
    _interrupt: &Interrupt,
) -> Result<Report, CheckError> {
    let start = Instant::now();
    Ok(Report {
        root: store.root().into(),
        mode: Mode::Stopped,
        depth: options.depth,
        findings: Vec::new(),
        coverage: Coverage::default(),
        elapsed: start.elapsed(),
    })
}
