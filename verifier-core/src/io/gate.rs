//! The seam through which tests make I/O fail.

use std::io;
use std::path::Path;
use std::sync::Arc;

/// What is about to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op {
    /// Opening a file or a folder.
    Open,
    /// Asking for what `stat` tells, a link's target included.
    Stat,
    /// Reading a folder's names.
    List,
    /// Reading a file's bytes.
    Read,
    /// Reading extended attributes.
    Xattr,
}

type Hook = dyn Fn(Op, &Path) -> io::Result<()> + Send + Sync;

/// Asked before every operation; what it answers as an error is what the caller sees.
#[derive(Clone, Default)]
pub struct Gate(Option<Arc<Hook>>);

impl Gate {
    /// A gate that asks `hook` first. The path is relative to the folder that the gate was given to.
    pub fn new(hook: impl Fn(Op, &Path) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Gate(Some(Arc::new(hook)))
    }

    pub(super) fn pass(&self, op: Op, path: &Path) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |hook| hook(op, path))
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Gate(hook)" } else { "Gate(open)" })
    }
}
