//! How much may be kept of documents.

use std::cell::Cell;

use crate::texts::{Text, Texts};

/// What may still be kept: whoever makes a document decides how many names are in it.
#[derive(Debug)]
pub(crate) struct Allowance {
    /// Those of this document alone: it may be given up.
    texts: Texts,
    left_bytes: Cell<usize>,
    exceeded: Cell<bool>,
}

impl Allowance {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        let (left_bytes, exceeded) = (Cell::new(limit_bytes), Cell::new(false));
        Allowance { texts: Texts::default(), left_bytes, exceeded }
    }

    pub(crate) fn left_bytes(&self) -> usize {
        self.left_bytes.get()
    }

    /// Whether a document was given up because it needed more than was left.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.exceeded.get()
    }

    pub(super) fn take(&self, bytes: usize) -> Result<(), TooMuch> {
        match self.left_bytes.get().checked_sub(bytes) {
            Some(left) => self.left_bytes.set(left),
            None => self.exceeded.set(true),
        }
        if self.exceeded.get() { Err(TooMuch) } else { Ok(()) }
    }

    pub(super) fn text(&self, text: &str) -> Result<Text, TooMuch> {
        self.take(text.len())?;
        Ok(self.texts.get(text))
    }
}

/// A document names more than may be kept.
#[derive(Debug, thiserror::Error)]
#[error("more names than may be kept")]
pub(super) struct TooMuch;
