//! The seam through which tests make I/O fail.

use std::fs::File;
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

/// Reads files' bytes in a way of its own: slowly, say.
pub trait Reader: Send + Sync {
    /// A file was opened.
    fn opened(&self, file: &File);

    /// Reads up to `buf.len()` bytes from `offset`; 0 means the end was reached.
    ///
    /// # Errors
    /// What the system reports.
    fn read(&self, file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// Asked before every operation; what it answers as an error is what the caller sees.
#[derive(Clone, Default)]
pub struct Gate {
    hook: Option<Arc<Hook>>,
    reader: Option<Arc<dyn Reader>>,
}

impl Gate {
    /// A gate that asks `hook` first. The path is relative to the folder that the gate was given to.
    pub fn new(hook: impl Fn(Op, &Path) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Gate { hook: Some(Arc::new(hook)), reader: None }
    }

    /// The same gate, with every file read by `reader`.
    #[must_use]
    pub fn reading_with(self, reader: Arc<dyn Reader>) -> Self {
        Gate { reader: Some(reader), ..self }
    }

    pub(super) fn reader(&self) -> Option<&dyn Reader> {
        self.reader.as_deref()
    }

    pub(super) fn pass(&self, op: Op, path: &Path) -> io::Result<()> {
        self.hook.as_ref().map_or(Ok(()), |hook| hook(op, path))
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.hook.is_some() { "Gate(hook)" } else { "Gate(open)" })
    }
}
